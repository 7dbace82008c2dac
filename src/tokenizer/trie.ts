// A trie of code units: finds all words of a list that begin at a place of a text, without making strings.
//
// Edges are in one open-addressing table of integers, so that a million of them take 12 MB. Node 0 is the root.
import { randomInt } from 'node:crypto';
import { grown } from './word-table.ts';

export class Trie {
  /** [node, unit, next] of each slot; next 0: free. */
  #edges = new Int32Array(3 * 1024);
  #edgeCount = 0;
  /** The value of each node; -1 where no word ends. */
  #values = new Int32Array(1024).fill(-1);
  #nodes = 1;
  /** Odd and different in every table, so that no file can hold edges that all have the same slot. */
  readonly #factor = randomInt(2 ** 32) | 1;
  /** The length of the longest word. */
  maxLength = 0;

  get isEmpty(): boolean {
    return this.#nodes === 1;
  }

  /** Adds a word with its value, from 0. The first of equal words stays. */
  add(word: string, value: number): void {
    let node = 0;
    for (let i = 0; i < word.length; i++) node = this.#child(node, word.charCodeAt(i));
    if (this.#values[node] < 0) this.#values[node] = value;
    this.maxLength = Math.max(this.maxLength, word.length);
  }

  /** Returns the node after `unit`; -1 if no word goes on so. */
  step(node: number, unit: number): number {
    const next = this.#edges[this.#slot(node, unit) + 2];
    return next === 0 ? -1 : next;
  }

  /** Returns the value of the word that ends at a node; -1 if none does. */
  value(node: number): number {
    return this.#values[node];
  }

  /** Returns the place of an edge, or the free place for it. */
  #slot(node: number, unit: number): number {
    const edges = this.#edges;
    const mask = edges.length / 3 - 1;
    const hash = Math.imul(Math.imul(node, 0x9e3779b1) ^ unit, this.#factor);
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const at = 3 * slot;
      if (edges[at + 2] === 0 || (edges[at] === node && edges[at + 1] === unit)) return at;
    }
  }

  #child(node: number, unit: number): number {
    const at = this.#slot(node, unit);
    if (this.#edges[at + 2] !== 0) return this.#edges[at + 2];
    const next = this.#nodes++;
    if (next === this.#values.length) this.#values = grown(this.#values, new Int32Array(2 * next).fill(-1));
    this.#put(at, node, unit, next);
    if (6 * ++this.#edgeCount > this.#edges.length) this.#rehash();
    return next;
  }

  #put(at: number, node: number, unit: number, next: number): void {
    this.#edges[at] = node;
    this.#edges[at + 1] = unit;
    this.#edges[at + 2] = next;
  }

  #rehash(): void {
    const old = this.#edges;
    this.#edges = new Int32Array(2 * old.length);
    for (let at = 0; at < old.length; at += 3)
      if (old[at + 2] !== 0) this.#put(this.#slot(old[at], old[at + 1]), old[at], old[at + 1], old[at + 2]);
  }
}
