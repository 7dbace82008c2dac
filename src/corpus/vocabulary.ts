// The tokenizer of a corpus: its characters, its bytes, a BPE trained on it, or an existing one.
//
// Vocabularies made here begin with an end-of-sequence token, if documents need a separator, and with three FIM tokens
// if documents are rearranged for fill-in-the-middle. Contract: `hash` is the hash of the tokenizer.json.
import { createHash } from 'node:crypto';
import {
  characterTokenizer,
  loadTokenizer,
  type PreTokenizerName,
  preTokenizers,
  saveTokenizer,
  Tokenizer,
  type TokenizerJson,
  tokenizerTraining,
  trainTokenizer,
} from '../tokenizer/index.ts';
import { CorpusError } from './errors.ts';
import { pauses } from './pauses.ts';

export const endOfSequence = '<｜end▁of▁sentence｜>';
const fimTokens = ['<｜fim▁begin｜>', '<｜fim▁hole｜>', '<｜fim▁end｜>'] as const;

export const preTokenizerNames = Object.keys(preTokenizers) as [PreTokenizerName, ...PreTokenizerName[]];

/** A BPE trained on the corpus, with the pre-tokenizer of a known model: qwen2 splits numbers into digits. */
export interface TrainedBpe {
  readonly size: number;
  readonly preTokenizer: PreTokenizerName;
}

/** characters: those of the corpus. bytes: one id per byte. A number: the size of a BPE. Any other text: a folder. */
export type TokenizerChoice = 'characters' | 'bytes' | number | TrainedBpe | (string & {});

export interface FimIds {
  readonly begin: number;
  readonly hole: number;
  readonly end: number;
}

export interface Vocabulary {
  readonly tokenizer: Tokenizer;
  readonly hash: string;
  /** The id that ends a document; null where there is none. */
  readonly endId: number | null;
  readonly fim: FimIds | null;
  /** Writes tokenizer.json and tokenizer_config.json. */
  readonly save: (folder: string) => void;
}

/** The number of characters that a BPE is trained on: more hardly change a vocabulary. */
const maxTrainingCharacters = 2 ** 28;

async function readSample(documents: AsyncIterable<string>): Promise<string[]> {
  const sample: string[] = [];
  let room = maxTrainingCharacters;
  for await (const document of documents) {
    sample.push(document);
    room -= document.length;
    if (room < 0) break;
  }
  return sample;
}

async function readAlphabet(documents: AsyncIterable<string>): Promise<{ characters: string; count: number }> {
  const seen = new Set<string>();
  let count = 0;
  for await (const document of documents) {
    for (const character of document) seen.add(character);
    count++;
  }
  return { characters: [...seen].join(''), count };
}

function toVocabulary(json: TokenizerJson, source: string, config: Record<string, unknown>): Vocabulary {
  const tokenizer = new Tokenizer(json, source);
  const [begin, hole, end] = fimTokens.map((token) => tokenizer.tokenToId(token));
  const eos = typeof config.eos_token === 'string' ? tokenizer.tokenToId(config.eos_token) : undefined;
  return {
    tokenizer,
    hash: createHash('sha256').update(JSON.stringify(json)).digest('hex'),
    endId: eos ?? null,
    fim: begin === undefined || hole === undefined || end === undefined ? null : { begin, hole, end },
    save: (folder) => saveTokenizer(folder, json, config),
  };
}

function loadVocabulary(folder: string): Vocabulary {
  const { tokenizer, eosIds, specialTokens } = loadTokenizer(folder);
  const vocabulary = toVocabulary(tokenizer.json, folder, { ...specialTokens });
  return { ...vocabulary, endId: vocabulary.endId ?? eosIds[0] ?? null };
}

export type BaseVocabulary = Pick<Vocabulary, 'tokenizer' | 'save'> & { readonly endId: number };

/** Loads the tokenizer of a model to train further; it is saved with `chatTemplate`. Throws CorpusError. */
export function loadBaseVocabulary(folder: string, chatTemplate: string): BaseVocabulary {
  const { tokenizer, eosIds, specialTokens } = loadTokenizer(folder);
  const [endId] = eosIds;
  if (endId === undefined)
    throw new CorpusError(folder, 'its tokenizer has no end token', 'train the base with documents that end');
  const fields = { ...specialTokens, chat_template: chatTemplate };
  return { tokenizer, endId, save: (into) => saveTokenizer(into, tokenizer.json, fields) };
}

/** Makes the vocabulary of a corpus. Each call of `documents` reads the corpus from its beginning. */
export async function chooseVocabulary(
  choice: TokenizerChoice,
  documents: () => AsyncIterable<string>,
  { fim = false, signal }: { readonly fim?: boolean; readonly signal?: AbortSignal } = {},
): Promise<Vocabulary> {
  const rotated = fim ? [...fimTokens] : [];
  const eos = { eos_token: endOfSequence };
  if (choice === 'characters') {
    const { characters, count } = await readAlphabet(documents());
    if (characters === '') throw new CorpusError('corpus', 'has no character', 'give files that contain text');
    const specialTokens = [...(count > 1 || fim ? [endOfSequence] : []), ...rotated];
    return toVocabulary(
      characterTokenizer(characters, { specialTokens }),
      'characters',
      specialTokens.length > 0 ? eos : {},
    );
  }
  const specialTokens = [endOfSequence, ...rotated];
  if (choice === 'bytes')
    return toVocabulary(trainTokenizer([], { vocabSize: 256 + specialTokens.length, specialTokens }), 'bytes', eos);
  if (typeof choice === 'string') return loadVocabulary(choice);
  const { size, preTokenizer }: TrainedBpe =
    typeof choice === 'number' ? { size: choice, preTokenizer: 'deepseek-v3' } : choice;
  const options = { vocabSize: size, preTokenizer, specialTokens };
  const training = tokenizerTraining(await readSample(documents()), options);
  const pause = pauses(signal);
  let step = training.next();
  for (; !step.done; step = training.next()) await pause();
  return toVocabulary(step.value, 'bpe', eos);
}
