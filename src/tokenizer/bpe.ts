// Byte-pair encoding of one word: bytes, then the merge of lowest rank first, leftmost first among equals.
//
// Ids and ranks live in typed arrays; a pair of ids finds its merge in an open-addressing table. Short words scan for the
// lowest rank, long ones keep candidates in a heap over a linked list, so that a megabyte without a border takes
// n log n. Words seen before come from a cache. Source: Sennrich et al. 2016; tokenizer.json's model of type BPE.
import { charOfByte } from './bytes.ts';
import { TokenizerError } from './errors.ts';

export interface Merge {
  readonly left: number;
  readonly right: number;
  readonly merged: number;
}

const none = 0x7fffffff;
const longWord = 48; // bytes; above it the heap is faster than scanning
const cachedWords = 2 ** 17;

/** Pairs of ids to rank and merged id: slots of [left, right, rank, merged]. */
class MergeTable {
  readonly #slots: Int32Array;
  readonly #mask: number;

  constructor(merges: readonly Merge[]) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, 2 * merges.length)));
    this.#slots = new Int32Array(4 * size).fill(-1);
    this.#mask = size - 1;
    merges.forEach(({ left, right, merged }, rank) => {
      const at = this.find(left, right, true);
      if (this.#slots[at] !== -1) return; // the first of equal merges counts
      this.#slots.set([left, right, rank, merged], at);
    });
  }

  /** Where the pair stands, or the free slot where it would; -1 when it is not there and `free` is not asked for. */
  find(left: number, right: number, free = false): number {
    const slots = this.#slots;
    let i = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
    for (i = (i ^ (i >>> 15)) & this.#mask; ; i = (i + 1) & this.#mask) {
      const at = 4 * i;
      const own = slots[at] as number;
      if (own === left && slots[at + 1] === right) return at;
      if (own === -1) return free ? at : -1;
    }
  }

  rank(left: number, right: number): number {
    const at = this.find(left, right);
    return at < 0 ? none : (this.#slots[at + 2] as number);
  }

  merged(left: number, right: number): number {
    return this.#slots[this.find(left, right) + 3] as number;
  }
}

export class BytePairEncoder {
  readonly #table: MergeTable;
  readonly #idOfByte: Int32Array;
  /** Whole words that are tokens whatever the merges say (tokenizer.json's ignore_merges). */
  readonly #whole: ReadonlyMap<string, number> | null;
  readonly #cache = new Map<string, Int32Array>();
  readonly #source: string;
  #bytes = new Uint8Array(1024);
  #ids = new Int32Array(1024);
  #ranks = new Int32Array(1024);
  readonly #utf8 = new TextEncoder();

  /** `idOfByte`: the token of each byte, -1 where there is none. */
  constructor(
    merges: readonly Merge[],
    idOfByte: Int32Array,
    whole: ReadonlyMap<string, number> | null,
    source: string,
  ) {
    this.#table = new MergeTable(merges);
    this.#idOfByte = idOfByte;
    this.#whole = whole;
    this.#source = source;
  }

  /** Ids of a word, a piece of text between two borders. The array is the cache's: not to be changed. */
  encode(word: string): Int32Array {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const ids = this.#encode(word);
    if (word.length <= longWord) {
      if (this.#cache.size >= cachedWords) this.#cache.clear();
      this.#cache.set(word, ids);
    }
    return ids;
  }

  #encode(word: string): Int32Array {
    this.#grow(3 * word.length);
    const length = this.#utf8.encodeInto(word, this.#bytes).written;
    if (this.#whole !== null) {
      let text = '';
      for (let i = 0; i < length; i++) text += charOfByte[this.#bytes[i] as number];
      const id = this.#whole.get(text);
      if (id !== undefined) return Int32Array.of(id);
    }
    for (let i = 0; i < length; i++) {
      const id = this.#idOfByte[this.#bytes[i] as number] as number;
      if (id < 0) this.#refuse(word, this.#bytes[i] as number);
      this.#ids[i] = id;
    }
    return length <= longWord ? this.#mergeShort(length) : this.#mergeLong(length);
  }

  #grow(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    this.#bytes = new Uint8Array(2 * bytes);
    this.#ids = new Int32Array(2 * bytes);
    this.#ranks = new Int32Array(2 * bytes);
  }

  #refuse(word: string, byte: number): never {
    throw new TokenizerError(
      this.#source,
      `${JSON.stringify(word.slice(0, 40))}: no token for byte 0x${byte.toString(16).padStart(2, '0')}`,
      'use a vocabulary with all 256 bytes, or keep such characters out',
    );
  }

  #mergeShort(length: number): Int32Array {
    const [ids, ranks, table] = [this.#ids, this.#ranks, this.#table];
    let n = length;
    for (let i = 0; i + 1 < n; i++) ranks[i] = table.rank(ids[i] as number, ids[i + 1] as number);
    while (n > 1) {
      let best = none;
      let at = -1;
      for (let i = 0; i + 1 < n; i++) {
        const rank = ranks[i] as number;
        if (rank < best) {
          best = rank;
          at = i;
        }
      }
      if (at < 0) break;
      ids[at] = table.merged(ids[at] as number, ids[at + 1] as number);
      n--;
      ids.copyWithin(at + 1, at + 2, n + 1);
      ranks.copyWithin(at, at + 1, n);
      if (at > 0) ranks[at - 1] = table.rank(ids[at - 1] as number, ids[at] as number);
      if (at + 1 < n) ranks[at] = table.rank(ids[at] as number, ids[at + 1] as number);
    }
    return ids.slice(0, n);
  }

  #mergeLong(length: number): Int32Array {
    const [ids, table] = [this.#ids, this.#table];
    const next = Int32Array.from({ length }, (_, i) => i + 1);
    const before = Int32Array.from({ length }, (_, i) => i - 1);
    const heap = new CandidateHeap(length);
    const offer = (i: number) => {
      const right = next[i] as number;
      if (right >= length) return;
      const rank = table.rank(ids[i] as number, ids[right] as number);
      if (rank !== none) heap.push(rank, i, ids[i] as number, ids[right] as number);
    };
    for (let i = 0; i < length; i++) offer(i);
    while (heap.pop()) {
      const i = heap.position;
      const right = next[i] as number;
      if (ids[i] !== heap.left || right >= length || ids[right] !== heap.right) continue; // merged meanwhile
      ids[i] = table.merged(heap.left, heap.right);
      ids[right] = -1;
      const after = next[right] as number;
      next[i] = after;
      if (after < length) before[after] = i;
      if ((before[i] as number) >= 0) offer(before[i] as number);
      offer(i);
    }
    const out: number[] = [];
    for (let i = 0; i < length; i = next[i] as number) out.push(ids[i] as number);
    return Int32Array.from(out);
  }
}

/** Merges that may be possible, lowest rank first, then leftmost. */
class CandidateHeap {
  /** [rank, position, left, right] each */
  #items: Int32Array;
  #size = 0;
  position = 0;
  left = 0;
  right = 0;

  constructor(capacity: number) {
    this.#items = new Int32Array(4 * Math.max(16, capacity));
  }

  #isBefore(a: number, b: number): boolean {
    const items = this.#items;
    const difference = (items[4 * a] as number) - (items[4 * b] as number);
    return difference < 0 || (difference === 0 && (items[4 * a + 1] as number) < (items[4 * b + 1] as number));
  }

  #swap(a: number, b: number): void {
    const items = this.#items;
    for (let i = 0; i < 4; i++) {
      const kept = items[4 * a + i] as number;
      items[4 * a + i] = items[4 * b + i] as number;
      items[4 * b + i] = kept;
    }
  }

  push(rank: number, position: number, left: number, right: number): void {
    if (4 * this.#size === this.#items.length) {
      const larger = new Int32Array(2 * this.#items.length);
      larger.set(this.#items);
      this.#items = larger;
    }
    let i = this.#size++;
    this.#items.set([rank, position, left, right], 4 * i);
    while (i > 0 && this.#isBefore(i, (i - 1) >> 1)) {
      this.#swap(i, (i - 1) >> 1);
      i = (i - 1) >> 1;
    }
  }

  /** Takes the first candidate into the fields; false when there is none. */
  pop(): boolean {
    if (this.#size === 0) return false;
    [this.position, this.left, this.right] = this.#items.subarray(1, 4) as unknown as [number, number, number];
    this.#swap(0, --this.#size);
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < this.#size && this.#isBefore(child, least)) least = child;
      if (least === i) return true;
      this.#swap(i, least);
      i = least;
    }
  }
}
