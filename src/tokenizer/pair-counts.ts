// Pairs of neighboring ids while a vocabulary is trained: the count of each, its positions, and the most frequent pair.
// Everything is in typed arrays: tens of megabytes of text have millions of pairs.
//
// The heap holds counts as they were when pushed; a pair whose count has fallen is pushed again when it is taken. Ties
// go to the smaller left id, then to the smaller right id.
import { grown } from './word-table.ts';

const end = -1;

export class PairCounts {
  size = 0;
  left = new Int32Array(4096);
  right = new Int32Array(4096);
  counts = new Float64Array(4096);
  /** The first link of each pair's list of positions. */
  #heads = new Int32Array(4096);
  #slots = new Int32Array(8192).fill(-1);
  /** A link is a position and the next link. */
  #positions = new Int32Array(8192);
  #nextLinks = new Int32Array(8192);
  #usedLinks = 0;
  #freeLink = end;
  /** Pairs whose count has grown since the last flush. */
  #grewSince: number[] = [];
  #grew = new Uint8Array(4096);
  #heapCounts = new Float64Array(4096);
  #heapPairs = new Int32Array(4096);
  #heapSize = 0;

  /** Returns the index of a pair; a new pair is added. */
  pairIndex(left: number, right: number): number {
    const mask = this.#slots.length - 1;
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const pair = this.#slots[slot];
      if (pair < 0) {
        this.#slots[slot] = this.size;
        return this.#add(left, right);
      }
      if (this.left[pair] === left && this.right[pair] === right) return pair;
    }
  }

  #add(left: number, right: number): number {
    const pair = this.size++;
    this.left[pair] = left;
    this.right[pair] = right;
    this.#heads[pair] = end;
    if (this.size === this.left.length) this.#grow(2 * this.size);
    return pair;
  }

  #grow(capacity: number): void {
    this.left = grown(this.left, new Int32Array(capacity));
    this.right = grown(this.right, new Int32Array(capacity));
    this.counts = grown(this.counts, new Float64Array(capacity));
    this.#heads = grown(this.#heads, new Int32Array(capacity));
    const grew = new Uint8Array(capacity);
    grew.set(this.#grew);
    this.#grew = grew;
    this.#slots = new Int32Array(2 * capacity).fill(-1);
    const mask = 2 * capacity - 1;
    for (let pair = 0; pair < this.size; pair++) {
      const hash = Math.imul(this.left[pair], 0x9e3779b1) ^ Math.imul(this.right[pair], 0x85ebca6b);
      let slot = (hash ^ (hash >>> 15)) & mask;
      while (this.#slots[slot] >= 0) slot = (slot + 1) & mask;
      this.#slots[slot] = pair;
    }
  }

  /** Adds `weight` to the count of a pair, at a new position. */
  add(left: number, right: number, weight: number, position: number): void {
    const pair = this.pairIndex(left, right);
    this.counts[pair] += weight;
    this.#link(pair, position);
    if (this.#grew[pair]) return;
    this.#grew[pair] = 1;
    this.#grewSince.push(pair);
  }

  /** Subtracts `weight` from the count of a pair. Its positions stay listed: check them when they are used. */
  subtract(left: number, right: number, weight: number): void {
    this.counts[this.pairIndex(left, right)] -= weight;
  }

  #link(pair: number, position: number): void {
    let link = this.#freeLink;
    if (link !== end) this.#freeLink = this.#nextLinks[link];
    else {
      link = this.#usedLinks++;
      if (link === this.#positions.length) {
        this.#positions = grown(this.#positions, new Int32Array(2 * link));
        this.#nextLinks = grown(this.#nextLinks, new Int32Array(2 * link));
      }
    }
    this.#positions[link] = position;
    this.#nextLinks[link] = this.#heads[pair];
    this.#heads[pair] = link;
  }

  /** Puts the pairs whose count has grown into the heap. */
  flush(): void {
    for (const pair of this.#grewSince) {
      this.#grew[pair] = 0;
      if (this.counts[pair] > 0) this.#push(this.counts[pair], pair);
    }
    this.#grewSince = [];
  }

  /** Takes the most frequent pair; -1 if there is none. */
  takeBest(): number {
    while (this.#heapSize > 0) {
      const [count, pair] = [this.#heapCounts[0], this.#heapPairs[0]];
      this.#dropFirst();
      const now = this.counts[pair];
      if (now === count) return pair;
      if (now > 0 && now < count) this.#push(now, pair);
    }
    return -1;
  }

  /** Takes the positions of a pair, ascending: afterwards its list is empty. */
  takePositions(pair: number): Int32Array {
    let n = 0;
    for (let link = this.#heads[pair]; link !== end; link = this.#nextLinks[link]) n++;
    const positions = new Int32Array(n);
    let last = end;
    for (let link = this.#heads[pair]; link !== end; link = this.#nextLinks[link]) {
      positions[--n] = this.#positions[link];
      last = link;
    }
    if (last !== end) {
      this.#nextLinks[last] = this.#freeLink;
      this.#freeLink = this.#heads[pair];
      this.#heads[pair] = end;
    }
    return positions.sort();
  }

  #isBefore(count: number, pair: number, at: number): boolean {
    const [otherCount, other] = [this.#heapCounts[at], this.#heapPairs[at]];
    if (count !== otherCount) return count > otherCount;
    if (this.left[pair] !== this.left[other]) return this.left[pair] < this.left[other];
    return this.right[pair] < this.right[other];
  }

  #push(count: number, pair: number): void {
    if (this.#heapSize === this.#heapPairs.length) {
      this.#heapCounts = grown(this.#heapCounts, new Float64Array(2 * this.#heapSize));
      this.#heapPairs = grown(this.#heapPairs, new Int32Array(2 * this.#heapSize));
    }
    let i = this.#heapSize++;
    for (let up = (i - 1) >> 1; i > 0 && this.#isBefore(count, pair, up); up = (i - 1) >> 1) {
      this.#move(up, i);
      i = up;
    }
    this.#heapCounts[i] = count;
    this.#heapPairs[i] = pair;
  }

  #move(from: number, to: number): void {
    this.#heapCounts[to] = this.#heapCounts[from];
    this.#heapPairs[to] = this.#heapPairs[from];
  }

  #dropFirst(): void {
    const size = --this.#heapSize;
    const [count, pair] = [this.#heapCounts[size], this.#heapPairs[size]];
    let i = 0;
    for (let child = 1; child < size; child = 2 * i + 1) {
      if (child + 1 < size && this.#isBefore(this.#heapCounts[child + 1], this.#heapPairs[child + 1], child)) child++;
      if (this.#isBefore(count, pair, child)) break;
      this.#move(child, i);
      i = child;
    }
    this.#heapCounts[i] = count;
    this.#heapPairs[i] = pair;
  }
}
