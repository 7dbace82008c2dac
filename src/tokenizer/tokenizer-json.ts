// The contents of a tokenizer.json, and its post-processor: the tokens that are put before and after a text.
//
// The other parts have files of their own: normalizer, pre-tokenizer, model, decoder, added tokens. What a file asks
// for and this program does not support is refused by name. Source: the format of github.com/huggingface/tokenizers.
// Left out: truncation and padding, which transformers sets again for every call.
import { malformed, unsupported } from './errors.ts';

/** The contents of a tokenizer.json. */
export type TokenizerJson = Readonly<Record<string, unknown>>;

/** The ids that a post-processor puts before and after a text. */
export interface Affixes {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export function readAffixes(json: unknown, source: string): Affixes {
  const { type, processors, single, special_tokens: special } = (json ?? {}) as TokenizerJson;
  const nothing = { before: [], after: [] };
  if (json === null || json === undefined || type === 'ByteLevel') return nothing;
  if (type === 'Sequence') {
    const frames = ((processors ?? []) as unknown[]).map((step) => readAffixes(step, source));
    return frames.find(({ before, after }) => before.length + after.length > 0) ?? nothing;
  }
  if (type !== 'TemplateProcessing')
    throw unsupported(
      source,
      `post_processor ${JSON.stringify(type)}: expected ByteLevel, TemplateProcessing or Sequence`,
    );
  const steps = (Array.isArray(single) ? single : []) as { Sequence?: object; SpecialToken?: { id: string } }[];
  const at = steps.findIndex((step) => step?.Sequence);
  if (at < 0) throw malformed(source, 'post_processor TemplateProcessing: single has no Sequence');
  const specialIds = (step: (typeof steps)[number]): number[] => {
    const name = step?.SpecialToken?.id ?? '';
    const ids = (special as Record<string, { ids?: unknown } | undefined> | undefined)?.[name]?.ids;
    if (Array.isArray(ids) && ids.every((id) => Number.isInteger(id) && id >= 0)) return ids;
    const problem = `post_processor TemplateProcessing: no ids for ${JSON.stringify(name)} in special_tokens`;
    throw malformed(source, problem);
  };
  return { before: steps.slice(0, at).flatMap(specialIds), after: steps.slice(at + 1).flatMap(specialIds) };
}
