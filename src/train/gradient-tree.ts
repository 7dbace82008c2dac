// Sums over the micro-batches of a step, in a binary tree that depends on their numbers alone.
//
// The sum of micro-batches [a, b) is that of [a, a + p) plus that of [a + p, b), where p is the largest power of two
// below b - a. So the sums of aligned ranges of 2^k micro-batches are nodes of the tree, whoever computes them: several
// processes that own such ranges and add their sums by the same rule get the bits of one process. Numbers start at 0 in
// each step. Memory: one set of tensors for each level below the root, ceil(log2 n) for n micro-batches, none for one.
import { addEach, keep, type Sum, type Tensor, zeros } from '../tensor/index.ts';

export class GradientTree {
  readonly #terms: readonly Tensor[];
  /** The sum of 2^k micro-batches, for each k that a step has needed. */
  readonly #levels: Tensor[][] = [];

  /** `terms`: where each micro-batch leaves its gradients, and anything else to be added up; f32. */
  constructor(terms: readonly Tensor[]) {
    this.#terms = terms;
  }

  /** Queues the sums that follow micro-batch `number` of `count`. After the last one, the terms are the whole sum. */
  add(number: number, count: number): void {
    const isLast = number === count - 1;
    // A micro-batch completes the nodes whose last leaf it is; the last one completes all that are open.
    const complete = isLast ? setBits(number) : setBits(number ^ (number + 1)).slice(0, -1);
    if (isLast) {
      for (const level of complete) addEach(this.#sums(this.#level(level), this.#terms));
      return;
    }
    const target = this.#level(complete.length);
    if (complete.length === 0) addEach(this.#terms.map((a, i) => ({ a, b: null, out: target[i] })));
    for (const level of complete) {
      const out = level === complete.length - 1 ? target : this.#terms;
      addEach(this.#sums(this.#level(level), out));
    }
  }

  dispose(): void {
    for (const tensor of this.#levels.flat()) tensor.dispose();
  }

  /** Adds the terms to those of a level, which come first. */
  #sums(level: readonly Tensor[], out: readonly Tensor[]): Sum[] {
    return this.#terms.map((term, i) => ({ a: level[i], b: term, out: out[i] }));
  }

  #level(k: number): Tensor[] {
    while (this.#levels.length <= k)
      this.#levels.push(this.#terms.map(({ shape, device }) => keep(zeros(shape, { device }))));
    return this.#levels[k];
  }
}

/** The places of the ones in a binary number, ascending. */
function setBits(number: number): number[] {
  return [...number.toString(2)].reverse().flatMap((digit, place) => (digit === '1' ? [place] : []));
}
