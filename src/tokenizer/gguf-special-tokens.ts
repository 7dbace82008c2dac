// The special tokens of a GGUF file: those that it names, those that end a generation, those for filling in.
//
// As in llama.cpp, a token ends a generation if the file names it or if it has a text that models end their turns with.
// Source: src/llama-vocab.cpp of ggml-org/llama.cpp.
import { endTexts, type GgufVocabulary, tokenTypes } from './gguf-vocabulary.ts';

/** Texts of tokens that stand between files where code is filled in: an answer ends before them, too. */
const fileTexts: ReadonlySet<string> = new Set([
  '<|fim_pad|>',
  '<fim-pad>',
  '<fim_pad>',
  '<|fim_repo|>',
  '<|repo_name|>',
  '<fim-repo>',
  '<reponame>',
  '<|file_sep|>',
]);

/** Names of special tokens, with their keys in the order in which they count. */
const specialKeys: readonly (readonly [name: string, ...keys: string[]])[] = [
  ['bos_token', 'bos_token_id'],
  ['eos_token', 'eos_token_id'],
  ['unk_token', 'unknown_token_id'],
  ['sep_token', 'seperator_token_id', 'separator_token_id'],
  ['pad_token', 'padding_token_id'],
];

const llamaDefaults: Readonly<Record<string, number>> = { bos_token: 1, eos_token: 2, unk_token: 0 };

/** Returns the id under one of the keys; undefined where the file has none or it is no token. */
function findId({ keys, tokens, types }: GgufVocabulary, names: readonly string[]): number | undefined {
  for (const name of names) {
    const id = keys.find(name);
    if (id === undefined) continue;
    if (typeof id !== 'number' || !(id in tokens)) keys.refuse(name, `expected an id of a token, received ${id}`);
    if (types[id as number] !== tokenTypes.unused) return id as number;
  }
  return undefined;
}

export function findSpecialIds(vocabulary: GgufVocabulary): Map<string, number> {
  const isLlama = vocabulary.keys.text('model') === 'llama';
  return new Map(
    specialKeys.flatMap(([name, ...keys]): [string, number][] => {
      const id = findId(vocabulary, keys) ?? (isLlama ? llamaDefaults[name] : undefined);
      return id !== undefined && id in vocabulary.tokens ? [[name, id]] : [];
    }),
  );
}

export function findEndIds(vocabulary: GgufVocabulary, eos: number | undefined): number[] {
  const { tokens, types } = vocabulary;
  const named = [['eot_token_id'], ['eom_token_id']].map((keys) => findId(vocabulary, keys));
  const files = [['fim_pad_token_id'], ['fim_rep_token_id'], ['fim_sep_token_id']].map((keys) =>
    findId(vocabulary, keys),
  );
  const { control, added } = tokenTypes;
  const isKnown = (token: string, id: number) =>
    (types[id] === control && endTexts.has(token)) ||
    ((types[id] === control || types[id] === added) && fileTexts.has(token));
  const known = tokens.flatMap((token, id) => (isKnown(token, id) ? [id] : []));
  const all = new Set([eos, ...named, ...files, ...known].filter((id) => id !== undefined));
  const has = (text: string) => known.some((id) => tokens[id] === text);
  const isHarmony =
    (has('<|return|>') && has('<|call|>')) || ((has('<|call|>') || has('<|calls|>')) && has('<|flush|>'));
  const isEnd = (id: number) =>
    id === eos || !((isHarmony && tokens[id] === '<|end|>') || (has('<|tool_response>') && tokens[id] === '</s>'));
  return [...all].filter(isEnd).sort((a, b) => a - b);
}

/** Tokens between which code is filled in: before, hole, end. */
export function findFillIn(vocabulary: GgufVocabulary): readonly [string, string, string] | undefined {
  const ids = [
    ['fim_pre_token_id', 'prefix_token_id'],
    ['fim_suf_token_id', 'suffix_token_id'],
    ['fim_mid_token_id', 'middle_token_id'],
  ].map((keys) => findId(vocabulary, keys));
  if (ids.includes(undefined)) return undefined;
  return ids.map((id) => vocabulary.tokens[id as number]) as [string, string, string];
}
