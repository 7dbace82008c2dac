// Byte-pair encoding of one word: the symbols of an alphabet, then merges by lowest rank, the leftmost first among
// equals.
//
// Short words are scanned for the lowest rank; long ones keep candidates in a heap over a linked list, so that a
// megabyte without a border takes n log n. Encoded words are cached in a table that is emptied when it is full. Source:
// Sennrich et al. 2016; tokenizer.json's model of type BPE.
import type { Alphabet } from './alphabet.ts';
import { type MergeTable, noRank } from './merge-table.ts';
import { grown, WordTable } from './word-table.ts';

const maxScanned = 64; // for longer words the heap is faster
const maxCachedUnits = 64; // longer words are not cached
const maxCachedWords = 2 ** 17; // about 5 MB in natural language, 50 MB at worst

/** A growing list of ids. */
export class IdBuffer {
  #ids = new Int32Array(256);
  length = 0;

  push(id: number): void {
    if (this.length === this.#ids.length) this.#ids = grown(this.#ids, new Int32Array(2 * this.length));
    this.#ids[this.length++] = id;
  }

  /** Returns a copy of the ids and empties the list. */
  take(): Int32Array {
    const ids = this.#ids.slice(0, this.length);
    this.length = 0;
    if (this.#ids.length > 2 ** 20) this.#ids = new Int32Array(256);
    return ids;
  }
}

/** Encodes words: pieces of a text that its pre-tokenizer has cut. */
export interface WordEncoder {
  /** Appends the ids of the word units[start, end). */
  encode(units: Uint16Array, start: number, end: number, out: IdBuffer): void;
}

export interface BytePairModel {
  readonly merges: MergeTable;
  readonly alphabet: Alphabet;
  /** Whether words that are tokens stay whole, whatever the merges say: ignore_merges of tokenizer.json. */
  readonly ignoreMerges: boolean;
  /** Ids of added tokens, which no word is encoded to. */
  readonly added: ReadonlySet<number>;
}

export class BytePairEncoder implements WordEncoder {
  readonly #model: BytePairModel;
  readonly #words = new WordTable();
  /** The ids of cached word i are #ids[#idStarts[i], #idStarts[i + 1]). */
  #idStarts = new Int32Array(1025);
  #ids = new Int32Array(4096);
  #parts = new Int32Array(1024);
  #ranks = new Int32Array(1024);

  constructor(model: BytePairModel) {
    this.#model = model;
  }

  encode(units: Uint16Array, start: number, end: number, out: IdBuffer): void {
    if (end - start > maxCachedUnits) {
      const n = this.#merge(units, start, end);
      for (let i = 0; i < n; i++) out.push(this.#parts[i]);
      return;
    }
    let word = this.#words.find(units, start, end);
    if (word < 0) word = this.#cache(units, start, end);
    const to = this.#idStarts[word + 1];
    for (let i = this.#idStarts[word]; i < to; i++) out.push(this.#ids[i]);
  }

  /** Encodes a new word into the cache. Returns its index. */
  #cache(units: Uint16Array, start: number, end: number): number {
    const n = this.#merge(units, start, end);
    if (this.#words.size === maxCachedWords) {
      this.#words.clear();
      this.#words.find(units, start, end);
    }
    const word = this.#words.insert(units, start, end);
    if (word + 1 === this.#idStarts.length) this.#idStarts = grown(this.#idStarts, new Int32Array(2 * word + 3));
    const from = this.#idStarts[word];
    while (this.#ids.length < from + n) this.#ids = grown(this.#ids, new Int32Array(2 * this.#ids.length));
    for (let i = 0; i < n; i++) this.#ids[from + i] = this.#parts[i];
    this.#idStarts[word + 1] = from + n;
    return word;
  }

  /** Writes the ids of a word into #parts. Returns their number. */
  #merge(units: Uint16Array, start: number, end: number): number {
    const { alphabet, ignoreMerges, added } = this.#model;
    this.#reserve(alphabet.perUnit * (end - start));
    const whole = ignoreMerges ? alphabet.find(units, start, end) : -1;
    if (whole >= 0 && !added.has(whole)) {
      this.#parts[0] = whole;
      return 1;
    }
    const length = alphabet.write(units, start, end, this.#parts);
    return length <= maxScanned ? this.#mergeShort(length) : this.#mergeLong(length);
  }

  #reserve(symbols: number): void {
    if (symbols <= this.#parts.length) return;
    this.#parts = new Int32Array(2 * symbols);
    this.#ranks = new Int32Array(2 * symbols);
  }

  #mergeShort(length: number): number {
    const { merges } = this.#model;
    const [parts, ranks] = [this.#parts, this.#ranks];
    let last = length - 1; // index of the last part
    for (let i = 0; i < last; i++) ranks[i] = merges.rank(parts[i], parts[i + 1]);
    for (;;) {
      let best = noRank;
      let at = -1;
      for (let i = 0; i < last; i++) {
        const rank = ranks[i];
        if (rank < best) {
          best = rank;
          at = i;
        }
      }
      if (at < 0) return last + 1;
      const merged = merges.merged(best);
      parts[at] = merged;
      for (let i = at + 1; i < last; i++) {
        parts[i] = parts[i + 1];
        ranks[i - 1] = ranks[i];
      }
      last--;
      if (at > 0) ranks[at - 1] = merges.rank(parts[at - 1], merged);
      if (at < last) ranks[at] = merges.rank(merged, parts[at + 1]);
    }
  }

  #mergeLong(length: number): number {
    const { merges } = this.#model;
    const parts = this.#parts;
    const next = Int32Array.from({ length }, (_, i) => i + 1);
    const before = Int32Array.from({ length }, (_, i) => i - 1);
    const rankAt = (i: number): number => {
      const right = next[i];
      return right < length ? merges.rank(parts[i], parts[right]) : noRank;
    };
    const heap = new CandidateHeap(length);
    for (let i = 0; i < length; i++) heap.push(rankAt(i), i);
    while (heap.pop()) {
      const { rank, position } = heap;
      if (parts[position] === -1 || rankAt(position) !== rank) continue; // a merge has changed it
      const right = next[position];
      parts[position] = merges.merged(rank);
      parts[right] = -1;
      const after = next[right];
      next[position] = after;
      if (after < length) before[after] = position;
      const left = before[position];
      if (left >= 0) heap.push(rankAt(left), left);
      heap.push(rankAt(position), position);
    }
    let n = 0;
    for (let i = 0; i < length; i = next[i]) parts[n++] = parts[i];
    return n;
  }
}

const positions = 2 ** 31; // a candidate is rank * positions + position, exact in a double for 4 million merges

/** A heap of candidate merges: lowest rank first, then leftmost. */
class CandidateHeap {
  #keys: Float64Array;
  #size = 0;
  rank = 0;
  position = 0;

  constructor(capacity: number) {
    this.#keys = new Float64Array(Math.max(16, capacity));
  }

  push(rank: number, position: number): void {
    if (rank === noRank) return;
    if (this.#size === this.#keys.length) this.#keys = grown(this.#keys, new Float64Array(2 * this.#size));
    const keys = this.#keys;
    const key = rank * positions + position;
    let i = this.#size++;
    for (let up = (i - 1) >> 1; i > 0 && key < keys[up]; up = (i - 1) >> 1) {
      keys[i] = keys[up];
      i = up;
    }
    keys[i] = key;
  }

  /** Moves the first candidate into `rank` and `position`. Returns false if there is none. */
  pop(): boolean {
    if (this.#size === 0) return false;
    const keys = this.#keys;
    const top = keys[0];
    this.rank = Math.floor(top / positions);
    this.position = top - this.rank * positions;
    const size = --this.#size;
    const key = keys[size];
    let i = 0;
    for (let child = 1; child < size; child = 2 * i + 1) {
      if (child + 1 < size && keys[child + 1] < keys[child]) child++;
      if (keys[child] >= key) break;
      keys[i] = keys[child];
      i = child;
    }
    keys[i] = key;
    return true;
  }
}
