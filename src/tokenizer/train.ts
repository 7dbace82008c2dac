// Training a byte-level BPE vocabulary: count words once, then merge the most frequent pair again and again.
//
// Deterministic: of equally frequent pairs the one with the smaller ids first, left then right. Pair counts are kept up
// to date word by word; a heap holds them with stale entries that are noticed when taken. Sources: Sennrich et al. 2016;
// the trainer of github.com/huggingface/tokenizers, whose ties it does not promise. Left out: minimum frequencies.
import { bytesOf, charOfByte, inByteAlphabet } from './bytes.ts';
import { TokenizerError } from './errors.ts';
import { type PreTokenizerName, preTokenizerOf, preTokenizers } from './pre-tokenizer.ts';
import type { TokenizerJson } from './tokenizer.ts';

export interface TrainOptions {
  /** Tokens in all: special ones, 256 bytes, merges. */
  readonly vocabSize: number;
  /** They get the first ids. @default none */
  readonly specialTokens?: readonly string[];
  /** @default deepseek-v3 */
  readonly preTokenizer?: PreTokenizerName;
  readonly progress?: (merges: number, of: number) => void;
}

interface Word {
  ids: number[];
  readonly count: number;
}

const radix = 2 ** 24; // a pair as one number

function addedTokens(contents: readonly string[]): object[] {
  return contents.map((content, id) => ({
    ...{ id, content, single_word: false, lstrip: false, rstrip: false },
    ...{ normalized: false, special: true },
  }));
}

function tokenizerJson(
  vocab: object,
  merges: string[],
  special: readonly string[],
  pre: PreTokenizerName,
): TokenizerJson {
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    ...{ version: '1.0', truncation: null, padding: null },
    added_tokens: addedTokens(special),
    normalizer: null,
    pre_tokenizer: preTokenizers[pre],
    post_processor: null,
    decoder: bytes,
    model: {
      ...{ type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: false },
      vocab,
      merges,
    },
  };
}

function countWords(texts: Iterable<string>, pre: PreTokenizerName): Map<string, number> {
  const split = preTokenizerOf(preTokenizers[pre], 'train');
  const counts = new Map<string, number>();
  for (const text of texts) for (const word of split([text])) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/** Counts of pairs, the words they stand in, and which is the most frequent. */
class PairCounts {
  readonly #counts = new Map<number, number>();
  readonly #words = new Map<number, Set<number>>();
  /** [count, pair] by count, then pair ascending; counts may be out of date. */
  readonly #heap: [count: number, pair: number][] = [];

  add(pair: number, by: number, word: number): void {
    const count = (this.#counts.get(pair) ?? 0) + by;
    this.#counts.set(pair, count);
    if (by <= 0) return;
    const words = this.#words.get(pair);
    if (words) words.add(word);
    else this.#words.set(pair, new Set([word]));
    this.#push([count, pair]);
  }

  wordsOf(pair: number): Set<number> {
    return this.#words.get(pair) ?? new Set();
  }

  forget(pair: number): void {
    this.#counts.delete(pair);
    this.#words.delete(pair);
  }

  /** The most frequent pair, the smallest among equals; -1 when none is left. */
  takeBest(): number {
    for (;;) {
      const top = this.#pop();
      if (top === undefined) return -1;
      const [count, pair] = top;
      const now = this.#counts.get(pair) ?? 0;
      if (now === count && now > 0) return pair;
      if (now > 0 && now < count) this.#push([now, pair]);
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a] as [number, number], this.#heap[b] as [number, number]];
    return x[0] > y[0] || (x[0] === y[0] && x[1] < y[1]);
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap;
    [heap[a], heap[b]] = [heap[b] as [number, number], heap[a] as [number, number]];
  }

  #push(item: [number, number]): void {
    let i = this.#heap.push(item) - 1;
    for (; i > 0 && this.#isBefore(i, (i - 1) >> 1); i = (i - 1) >> 1) this.#swap(i, (i - 1) >> 1);
  }

  #pop(): [number, number] | undefined {
    if (this.#heap.length === 0) return undefined;
    this.#swap(0, this.#heap.length - 1);
    const top = this.#heap.pop();
    for (let i = 0; ; ) {
      let first = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < this.#heap.length && this.#isBefore(child, first)) first = child;
      if (first === i) return top;
      this.#swap(i, first);
      i = first;
    }
  }
}

/** Replaces left right by merged in a word, and keeps the counts. */
function mergeIn(word: Word, index: number, pair: number, merged: number, counts: PairCounts): void {
  const [left, right] = [Math.floor(pair / radix), pair % radix];
  const { ids, count } = word;
  for (let i = 0; i + 1 < ids.length; i++)
    counts.add((ids[i] as number) * radix + (ids[i + 1] as number), -count, index);
  const out: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === left && ids[i + 1] === right) {
      out.push(merged);
      i++;
    } else out.push(ids[i] as number);
  }
  word.ids = out;
  for (let i = 0; i + 1 < out.length; i++)
    counts.add((out[i] as number) * radix + (out[i + 1] as number), count, index);
}

/** Trains a vocabulary on texts; the result is a tokenizer.json's object. Throws TokenizerError. */
export function trainTokenizer(texts: Iterable<string>, options: TrainOptions): TokenizerJson {
  const { vocabSize, specialTokens = [], preTokenizer = 'deepseek-v3', progress = () => undefined } = options;
  const wanted = vocabSize - specialTokens.length - 256;
  if (!Number.isInteger(vocabSize) || wanted < 0)
    throw new TokenizerError(
      'train',
      `vocabSize ${vocabSize}: expected a whole number of at least ${specialTokens.length + 256}`,
      'leave room for 256 bytes and the special tokens',
    );
  const tokens = [...specialTokens, ...charOfByte];
  const idOfByte = (byte: number) => specialTokens.length + byte;
  const words: Word[] = [...countWords(texts, preTokenizer)].map(([text, count]) => ({
    ids: Array.from(new TextEncoder().encode(text), idOfByte),
    count,
  }));
  const counts = new PairCounts();
  words.forEach(({ ids, count }, index) => {
    for (let i = 0; i + 1 < ids.length; i++)
      counts.add((ids[i] as number) * radix + (ids[i + 1] as number), count, index);
  });
  const merges: string[] = [];
  for (let n = 0; n < wanted; n++) {
    const pair = counts.takeBest();
    if (pair < 0) break; // every word is one token
    const [left, right] = [tokens[Math.floor(pair / radix)] as string, tokens[pair % radix] as string];
    const merged = tokens.push(left + right) - 1;
    merges.push(`${left} ${right}`);
    for (const index of counts.wordsOf(pair)) mergeIn(words[index] as Word, index, pair, merged, counts);
    counts.forget(pair);
    if (n % 64 === 63) progress(n + 1, wanted);
  }
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]).slice(specialTokens.length));
  return tokenizerJson(vocab, merges, specialTokens, preTokenizer);
}

/**
 * A tokenizer of the characters in `alphabet` only, one id each after the special tokens: for laptop recipes. Characters
 * must be one byte (ASCII); any other text is refused when it is encoded.
 */
export function characterTokenizer(alphabet: string, specialTokens: readonly string[] = []): TokenizerJson {
  const chars = [...new Set(alphabet)].sort();
  const wide = chars.find((char) => (bytesOf(inByteAlphabet(char))?.length ?? 0) !== 1);
  if (wide !== undefined)
    throw new TokenizerError(
      'characterTokenizer',
      `${JSON.stringify(wide)} takes several bytes`,
      'use ASCII, or train a vocabulary',
    );
  const vocab = Object.fromEntries(chars.map((char, i) => [inByteAlphabet(char), specialTokens.length + i]));
  return tokenizerJson(vocab, [], specialTokens, 'characters');
}
