// The Unigram model of SentencePiece: of all ways to cut a word into tokens the one with the largest sum of scores.
//
// Viterbi from left to right; among equals the cut that was found first. A character without a token costs 10 more than
// the worst token; it becomes the tokens of its bytes where the file says so (byte_fallback), else neighbors are one
// unknown token. Sources: Kudo 2018; the model of type Unigram of github.com/huggingface/tokenizers.
import { type CharacterAlphabet, isPairAt } from './alphabet.ts';
import type { IdBuffer, WordEncoder } from './bpe.ts';
import { Trie } from './trie.ts';

const unknownPenalty = 10;

export interface UnigramModel {
  /** Tokens by id. */
  readonly tokens: readonly string[];
  readonly scores: Float64Array;
  /** Writes characters that are no token. */
  readonly alphabet: CharacterAlphabet;
}

export class UnigramEncoder implements WordEncoder {
  readonly #trie = new Trie();
  readonly #scores: Float64Array;
  readonly #unknownScore: number;
  readonly #alphabet: CharacterAlphabet;
  /** The best cut up to each place: its score, the id of its last token (-1: unknown), and where that begins. */
  #best = new Float64Array(256);
  #ids = new Int32Array(256);
  #starts = new Int32Array(256);

  constructor({ tokens, scores, alphabet }: UnigramModel) {
    for (const [id, token] of tokens.entries()) this.#trie.add(token, id);
    this.#scores = scores;
    this.#unknownScore = scores.reduce((min, score) => Math.min(min, score), Infinity) - unknownPenalty;
    this.#alphabet = alphabet;
  }

  /** The most characters of a token, which the time for a character is proportional to. */
  get maxLength(): number {
    return this.#trie.maxLength;
  }

  encode(units: Uint16Array, start: number, end: number, out: IdBuffer): void {
    const length = end - start;
    this.#reserve(length + 1);
    this.#best.fill(-Infinity, 0, length + 1);
    this.#best[0] = 0;
    for (let i = 0; i < length; ) i = this.#extend(units, start, i, length);
    this.#emit(units, start, length, out);
  }

  #reserve(places: number): void {
    if (places <= this.#best.length) return;
    this.#best = new Float64Array(2 * places);
    this.#ids = new Int32Array(2 * places);
    this.#starts = new Int32Array(2 * places);
  }

  /** Tries all tokens that begin at place `i`. Returns the place after its character. */
  #extend(units: Uint16Array, start: number, i: number, length: number): number {
    const next = i + (isPairAt(units, start + i, start + length) ? 2 : 1);
    let isKnown = false;
    for (let to = i, node = 0; to < length; ) {
      node = this.#trie.step(node, units[start + to++]);
      if (node < 0) break;
      const id = this.#trie.value(node);
      if (id < 0) continue;
      isKnown ||= to === next;
      this.#offer(i, to, id, this.#scores[id]);
    }
    if (!isKnown) this.#offer(i, next, -1, this.#unknownScore);
    return next;
  }

  #offer(from: number, to: number, id: number, score: number): void {
    const sum = this.#best[from] + score;
    if (sum <= this.#best[to]) return;
    this.#best[to] = sum;
    this.#ids[to] = id;
    this.#starts[to] = from;
  }

  #emit(units: Uint16Array, start: number, length: number, out: IdBuffer): void {
    const ends: number[] = [];
    for (let at = length; at > 0; at = this.#starts[at]) ends.push(at);
    for (let i = ends.length - 1; i >= 0; i--) {
      if (this.#ids[ends[i]] >= 0) {
        out.push(this.#ids[ends[i]]);
        continue;
      }
      const from = this.#starts[ends[i]];
      while (i > 0 && this.#ids[ends[i - 1]] < 0) i--;
      const symbols = new Int32Array(this.#alphabet.perUnit * (ends[i] - from));
      const n = this.#alphabet.writeUnknown(units, start + from, start + ends[i], symbols);
      for (let k = 0; k < n; k++) out.push(symbols[k]);
    }
  }
}
