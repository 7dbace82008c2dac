// Training of a byte-level BPE vocabulary: count words once, then merge the most frequent pair repeatedly.
//
// Deterministic, and equal to Hugging Face's trainer: bytes have ids in the order of their characters, the pair with
// the smaller ids is first among equally frequent ones, and a merge whose text is a token already uses its id. The
// corpus is a linked list of ids and each pair knows its positions, so the cost of a merge is what it changes, however
// long a word is. Sources: Sennrich et al. 2016; BpeTrainer of github.com/huggingface/tokenizers. Left out: minimum
// frequencies, longest tokens.
import { byteChars, writeUtf8 } from './bytes.ts';
import { TokenizerError } from './errors.ts';
import { PairCounts } from './pair-counts.ts';
import { Pieces, UnitBuffer } from './pieces.ts';
import { type PreTokenizerName, preTokenizers, readPreTokenizer } from './pre-tokenizer.ts';
import type { TokenizerJson } from './tokenizer-json.ts';
import { grown, WordTable } from './word-table.ts';

/** A token that no merge makes. With `special` false it stays when special tokens are skipped, as `<think>` does. */
export type SpecialToken = string | { readonly content: string; readonly special: boolean };

export interface TrainOptions {
  /** Tokens in total: special tokens, 256 bytes, merges. Fewer if the texts have too few pairs. */
  readonly vocabSize: number;
  /** They get the first ids, and no merge makes one. @default none */
  readonly specialTokens?: readonly SpecialToken[];
  /** @default deepseek-v3 */
  readonly preTokenizer?: PreTokenizerName;
}

/** Builds a tokenizer.json. `vocab` is in order of ids and begins with the special tokens. */
export function tokenizerJson(
  vocab: readonly string[],
  specialTokens: readonly SpecialToken[],
  fields: { readonly normalizer?: object; readonly preTokenizer: object; readonly merges?: readonly string[] },
): TokenizerJson {
  const { normalizer = null, preTokenizer, merges = [] } = fields;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((token, id) => {
      const { content, special } = typeof token === 'string' ? { content: token, special: true } : token;
      return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special };
    }),
    normalizer,
    pre_tokenizer: preTokenizer,
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: merges.length === 0,
      vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
      merges,
    },
  };
}

/** Returns the texts of special tokens. Refuses empty and repeated ones, and those of the alphabet. */
export function specialTokenTexts(tokens: readonly SpecialToken[], alphabet: readonly string[]): string[] {
  const contents = tokens.map((token) => (typeof token === 'string' ? token : token.content));
  const taken = new Set(['', ...alphabet]);
  for (const content of contents) {
    if (taken.has(content))
      throw new TokenizerError(
        'specialTokens',
        `${JSON.stringify(content)} is empty, repeated, or a token of the alphabet`,
        'give every special token a text of its own',
      );
    taken.add(content);
  }
  return contents;
}

/** The distinct words of the corpus and their counts. */
class WordCounts {
  readonly words = new WordTable();
  counts = new Int32Array(1024);
  readonly #buffer = new UnitBuffer();
  readonly #pieces = new Pieces();

  add(text: string, cut: ReturnType<typeof readPreTokenizer>['cut']): void {
    const given = this.#buffer.fill(text);
    this.#pieces.clear();
    cut(given, 0, text.length, this.#pieces);
    const { bounds, count } = this.#pieces;
    for (let at = 0; at < 2 * count; at += 2) {
      let word = this.words.find(given.units, bounds[at], bounds[at + 1]);
      if (word < 0) word = this.words.insert(given.units, bounds[at], bounds[at + 1]);
      if (word === this.counts.length) this.counts = grown(this.counts, new Int32Array(2 * word));
      this.counts[word]++;
    }
  }
}

const none = -1;

/** The distinct words as linked lists of ids, and the pairs in them. */
class TrainingCorpus {
  readonly pairs = new PairCounts();
  readonly #ids: Int32Array;
  readonly #next: Int32Array;
  readonly #before: Int32Array;
  /** The count of the word that a position belongs to. */
  readonly #weights: Int32Array;

  constructor({ words, counts }: WordCounts, idOfByte: Int32Array) {
    const maxBytes = 3 * words.starts[words.size];
    const bytes = new Uint8Array(maxBytes);
    const wordIndex = new Int32Array(maxBytes);
    let length = 0;
    for (let word = 0; word < words.size; word++) {
      const n = writeUtf8(words.units, words.starts[word], words.starts[word + 1], bytes.subarray(length));
      wordIndex.fill(word, length, length + n);
      length += n;
    }
    this.#ids = Int32Array.from({ length }, (_, i) => idOfByte[bytes[i]]);
    this.#weights = Int32Array.from({ length }, (_, i) => counts[wordIndex[i]]);
    this.#next = Int32Array.from({ length }, (_, i) =>
      i + 1 < length && wordIndex[i + 1] === wordIndex[i] ? i + 1 : none,
    );
    this.#before = Int32Array.from({ length }, (_, i) => (i > 0 && wordIndex[i - 1] === wordIndex[i] ? i - 1 : none));
    for (let i = 0; i < length; i++) {
      const next = this.#next[i];
      if (next !== none) this.pairs.add(this.#ids[i], this.#ids[next], this.#weights[i], i);
    }
    this.pairs.flush();
  }

  /** Replaces a pair by `merged` everywhere, from left to right. */
  merge(pair: number, merged: number): void {
    const pairs = this.pairs;
    const [ids, next, before] = [this.#ids, this.#next, this.#before];
    const [left, right] = [pairs.left[pair], pairs.right[pair]];
    for (const at of pairs.takePositions(pair)) {
      const second = next[at];
      if (ids[at] !== left || second === none || ids[second] !== right) continue; // an earlier merge has changed it
      const weight = this.#weights[at];
      const [previous, after] = [before[at], next[second]];
      ids[at] = merged;
      ids[second] = none;
      next[at] = after;
      if (previous !== none) {
        pairs.subtract(ids[previous], left, weight);
        pairs.add(ids[previous], merged, weight, previous);
      }
      if (after !== none) {
        before[after] = at;
        pairs.subtract(right, ids[after], weight);
        pairs.add(merged, ids[after], weight, at);
      }
    }
    pairs.counts[pair] = 0;
    pairs.flush();
  }
}

function* countWords(texts: Iterable<string>, preTokenizer: PreTokenizerName): Generator<void, WordCounts> {
  const { cut } = readPreTokenizer(preTokenizers[preTokenizer].json, 'train');
  const counts = new WordCounts();
  for (const text of texts) {
    counts.add(text, cut);
    yield;
  }
  return counts;
}

/** Merges until the vocabulary is full, and adds to `tokens`. Returns the merges in order. */
function* learnMerges(
  corpus: TrainingCorpus,
  tokens: string[],
  special: ReadonlySet<string>,
  size: number,
): Generator<void, string[]> {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: string[] = [];
  while (tokens.length < size) {
    const pair = corpus.pairs.takeBest();
    if (pair < 0) break; // every word is one token
    const [left, right] = [tokens[corpus.pairs.left[pair]], tokens[corpus.pairs.right[pair]]];
    const text = left + right;
    if (special.has(text)) continue;
    const id = ids.get(text) ?? tokens.push(text) - 1;
    ids.set(text, id);
    merges.push(`${left} ${right}`);
    corpus.merge(pair, id);
    yield;
  }
  return merges;
}

/** Trains a vocabulary on texts. Returns a tokenizer.json. Throws TokenizerError. */
export function trainTokenizer(texts: Iterable<string>, options: TrainOptions): TokenizerJson {
  const training = tokenizerTraining(texts, options);
  let step = training.next();
  while (!step.done) step = training.next();
  return step.value;
}

/** The same in steps, a text or a merge each, between which the caller may do other work or stop. */
export function* tokenizerTraining(texts: Iterable<string>, options: TrainOptions): Generator<void, TokenizerJson> {
  const { vocabSize, specialTokens = [], preTokenizer = 'deepseek-v3' } = options;
  const alphabet = [...byteChars].sort();
  const special = specialTokenTexts(specialTokens, alphabet);
  const minSize = specialTokens.length + 256;
  if (!Number.isInteger(vocabSize) || vocabSize < minSize || vocabSize > 2 ** 22)
    throw new TokenizerError(
      'train',
      `vocabSize ${vocabSize}: expected a whole number from ${minSize} to ${2 ** 22}`,
      'leave room for 256 bytes and the special tokens',
    );
  if (!Object.hasOwn(preTokenizers, preTokenizer))
    throw new TokenizerError(
      'train',
      `preTokenizer ${JSON.stringify(preTokenizer)}: expected one of ${Object.keys(preTokenizers).join(', ')}`,
      'choose one of them',
    );
  const tokens = [...special, ...alphabet];
  const idOfByte = Int32Array.from(byteChars, (char) => specialTokens.length + alphabet.indexOf(char));
  const corpus = new TrainingCorpus(yield* countWords(texts, preTokenizer), idOfByte);
  const merges = yield* learnMerges(corpus, tokens, new Set(special), vocabSize);
  return tokenizerJson(tokens, specialTokens, { preTokenizer: preTokenizers[preTokenizer].json, merges });
}
