// The merges of a vocabulary: pairs of ids to rank and merged id, in one open-addressing table of integers.

/** A pair that has no merge ranks behind all that have one. */
export const noRank = 0x7fffffff;

export class MergeTable {
  /** Merges there are; ranks are below. */
  readonly count: number;
  /** [left, right, rank, unused]: four, so that a slot never crosses a cache line. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #merged: Int32Array;

  /** `merges`: [left, right, merged] each, in order of rank. */
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
      this.#slots[4 * slot + 2] = rank; // of equal merges the last counts, as in Hugging Face's maps
    }
  }

  #firstSlot(left: number, right: number): number {
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
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
