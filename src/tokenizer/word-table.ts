// A set of words by code units: an open-addressing table that finds a piece of a text without making a string.
import { randomInt } from 'node:crypto';

export class WordTable {
  size = 0;
  /** Word `i` is units[starts[i], starts[i + 1]). */
  starts = new Int32Array(1025);
  units = new Uint16Array(8192);
  #hashes = new Int32Array(1024);
  /** The index of a word, or -1; twice as many slots as words fit. */
  #slots = new Int32Array(2048).fill(-1);
  #missed = 0;
  #hash = 0;
  /** Differs in every table, so that nobody can write texts whose words all have the same hash. */
  readonly #seed = randomInt(2 ** 32) | 0;

  /** Returns the index of the word units[start, end); -1 if it is new, and `insert` may add it. */
  find(units: Uint16Array, start: number, end: number): number {
    let hash = this.#seed;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ units[i], 0x9e3779b1) ^ (hash >>> 15);
    const mask = this.#slots.length - 1;
    for (let slot = (hash ^ (hash >>> 16)) & mask; ; slot = (slot + 1) & mask) {
      const word = this.#slots[slot];
      if (word < 0) {
        this.#missed = slot;
        this.#hash = hash;
        return -1;
      }
      if (this.#hashes[word] === hash && this.#is(word, units, start, end)) return word;
    }
  }

  #is(word: number, units: Uint16Array, start: number, end: number): boolean {
    const from = this.starts[word];
    if (this.starts[word + 1] - from !== end - start) return false;
    const own = this.units;
    for (let i = start, at = from; i < end; i++, at++) if (units[i] !== own[at]) return false;
    return true;
  }

  /** Adds the word that the last `find` did not find. Returns its index. */
  insert(units: Uint16Array, start: number, end: number): number {
    const word = this.size++;
    const from = this.starts[word];
    const to = from + end - start;
    while (this.units.length < to) this.units = grown(this.units, new Uint16Array(2 * this.units.length));
    this.units.set(units.subarray(start, end), from);
    this.starts[word + 1] = to;
    this.#hashes[word] = this.#hash;
    this.#slots[this.#missed] = word;
    if (this.size === this.#hashes.length) this.#rehash();
    return word;
  }

  clear(): void {
    this.size = 0;
    this.#slots.fill(-1);
  }

  #rehash(): void {
    const words = 2 * this.size;
    this.#hashes = grown(this.#hashes, new Int32Array(words));
    this.starts = grown(this.starts, new Int32Array(words + 1));
    this.#slots = new Int32Array(2 * words).fill(-1);
    const mask = 2 * words - 1;
    for (let word = 0; word < this.size; word++) {
      const hash = this.#hashes[word];
      let slot = (hash ^ (hash >>> 16)) & mask;
      while (this.#slots[slot] !== -1) slot = (slot + 1) & mask;
      this.#slots[slot] = word;
    }
  }
}

/** Copies `array` to the start of `larger` and returns it. */
export function grown<T extends Uint16Array | Int32Array | Float64Array>(array: T, larger: T): T {
  larger.set(array);
  return larger;
}
