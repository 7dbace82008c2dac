// SentencePiece's BPE with byte fallback as the keys of a GGUF file (`llama`): tokens, their types, and scores.
//
// llama.cpp merges the neighbors whose token has the highest score; a tokenizer.json lists merges. The two are the same
// where the merges are all ways to put the tokens together, token after token: then scores are that order. Among the
// ways to one token SentencePiece takes the leftmost place. A tokenizer of which scores cannot say everything is
// refused.
import { deriveMerges } from './derive-merges.ts';
import { TokenizerError } from './errors.ts';
import { tokenTypes } from './gguf-vocabulary.ts';
import type { TokenizerJson } from './tokenizer-json.ts';

type Part = Readonly<Record<string, unknown>>;

function refuse(source: string, problem: string): never {
  throw new TokenizerError(source, `${problem}: GGUF cannot say it`, 'keep the model in safetensors');
}

/** Whether a tokenizer.json is BPE over text, as SentencePiece has it. */
export function isSentencePiece({ model, decoder }: TokenizerJson): boolean {
  const { type, byte_fallback: fallback } = model as Part;
  return type === 'BPE' && fallback === true && (decoder as Part | null)?.type !== 'ByteLevel';
}

/** Whether each text between special tokens gets a space in front. Throws TokenizerError for other normalizers. */
export function hasSpacePrefix({ normalizer, pre_tokenizer: pre }: TokenizerJson, source: string): boolean {
  const steps = (normalizer === null || normalizer === undefined ? [] : [normalizer]) as Part[];
  const all = steps.flatMap((step) => (step.type === 'Sequence' ? (step.normalizers as Part[]) : [step]));
  const names = all.map(({ type, prepend, pattern, content }) =>
    type === 'Prepend' && prepend === '▁'
      ? 'prefix'
      : type === 'Replace' && (pattern as Part).String === ' ' && content === '▁'
        ? 'spaces'
        : `${type}`,
  );
  const { type, prepend_scheme: scheme, split } = (pre ?? {}) as Part;
  if (pre && (type !== 'Metaspace' || names.length > 0)) refuse(source, `pre_tokenizer ${JSON.stringify(type)}`);
  if (pre && (split !== false || (scheme !== 'always' && scheme !== 'never')))
    refuse(source, `Metaspace with prepend_scheme ${JSON.stringify(scheme)} and split ${split ?? true}`);
  if (pre) return scheme === 'always';
  const written = names.join(' ');
  if (written !== 'prefix spaces' && written !== 'spaces') refuse(source, `normalizer ${written || 'none'}`);
  return written === 'prefix spaces';
}

/** Returns the tokens that merges make, in the order of the merges. */
function inOrderOfMerges(
  given: readonly (string | readonly string[])[],
  others: Set<string>,
  source: string,
): string[] {
  const pairs = new Set<string>();
  const order: string[] = [];
  for (const merge of given) {
    const pair = typeof merge === 'string' ? merge : merge.join(' ');
    const border = pair.indexOf(' ', 1);
    const token = pair.slice(0, border) + pair.slice(border + 1);
    pairs.add(pair);
    if (order.at(-1) === token) continue;
    if (!others.delete(token)) refuse(source, `model.merges makes ${JSON.stringify(token)} at two places`);
    order.push(token);
  }
  const derived = deriveMerges([...order, ...others]).map((merge) => merge.join(' '));
  const missing = derived.find((pair) => !pairs.has(pair));
  if (missing !== undefined) refuse(source, `model.merges lacks ${JSON.stringify(missing)}`);
  if (derived.length !== pairs.size) refuse(source, 'model.merges has pairs of tokens that are not normal');
  return order;
}

export interface ScoredTokens {
  readonly types: readonly number[];
  readonly scores: readonly number[];
}

/** Returns the types and scores of tokens, of which `types` says which are special. Throws TokenizerError. */
export function scoreTokens(
  { model }: TokenizerJson,
  tokens: readonly string[],
  given: readonly number[],
  source: string,
): ScoredTokens {
  const { unk_token: unknown, merges } = model as Part;
  const { normal, byte } = tokenTypes;
  const types = given.map((type, id) => {
    if (tokens[id] === unknown) return tokenTypes.unknown;
    return type === normal && /^<0x[0-9A-F]{2}>$/.test(tokens[id]) ? byte : type;
  });
  const others = new Set(tokens.filter((_, id) => types[id] === normal));
  const order = inOrderOfMerges(merges as (string | string[])[], others, source);
  const ranks = new Map([...order, ...others].map((token, rank) => [token, rank]));
  return { types, scores: tokens.map((token, id) => (types[id] === normal ? -(ranks.get(token) ?? 0) : 0)) };
}
