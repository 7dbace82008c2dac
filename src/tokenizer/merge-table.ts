// The merges of a vocabulary: from a pair of ids to rank and merged id, in one open-addressing table of integers.
import { randomInt } from 'node:crypto';

/** The rank of a pair without a merge: above all others. */
export const noRank = 0x7fffffff;

export class MergeTable {
  /** The number of merges; ranks are smaller. */
  readonly count: number;
  /** [left, right, rank, unused]: 4 integers, so that a slot never crosses a cache line. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #merged: Int32Array;
  /** Odd and different in every table, so that no file can hold pairs that all have the same slot. */
  readonly #leftFactor = randomInt(2 ** 32) | 1;
  readonly #rightFactor = randomInt(2 ** 32) | 1;

  /** `merges`: [left, right, merged] for each merge, by rank. */
  constructor(merges: Int32Array) {
    this.count = merges.length / 3;
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, 2 * this.count)));
    this.#slots = new Int32Array(4 * size).fill(-1);
    this.#mask = size - 1;
    this.#merged = new Int32Array(this.count);
    for (let rank = 0; rank < this.count; rank++) {
      const [left, right] = [merges[3 * rank], merges[3 * rank + 1]];
      this.#merged[rank] = merges[3 * rank + 2];
      let slot = this.#firstSlot(left, right);
      while (this.#slots[4 * slot] !== -1) {
        if (this.#slots[4 * slot] === left && this.#slots[4 * slot + 1] === right) break;
        slot = (slot + 1) & this.#mask;
      }
      this.#slots[4 * slot] = left;
      this.#slots[4 * slot + 1] = right;
      this.#slots[4 * slot + 2] = rank; // the last of equal merges counts, as in Hugging Face's maps
    }
  }

  #firstSlot(left: number, right: number): number {
    const hash = Math.imul(left, this.#leftFactor) ^ Math.imul(right, this.#rightFactor);
    return (hash ^ (hash >>> 15)) & this.#mask;
  }

  rank(left: number, right: number): number {
    const slots = this.#slots;
    for (let slot = this.#firstSlot(left, right); ; slot = (slot + 1) & this.#mask) {
      const own = slots[4 * slot];
      if (own === left && slots[4 * slot + 1] === right) return slots[4 * slot + 2];
      if (own === -1) return noRank;
    }
  }

  merged(rank: number): number {
    return this.#merged[rank];
  }
}
