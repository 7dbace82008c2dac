// Chance from a seed: the same words, the same numbers, on every machine.
//
// Small Fast Counter 32 (sfc32 of PractRand), seeded by its own output over the words. Left out: cryptographic
// strength.

/** A stream of chance. Two with the same words are the same stream. */
export class Random {
  readonly #state = Int32Array.of(0x9e3779b9, 0x243f6a88, 0xb7e15162, 1);

  /** `words` are whole numbers: a seed, an index, whatever names the stream. */
  constructor(...words: readonly number[]) {
    for (const word of words) {
      this.#state[0] = this.#state[0] ^ word;
      this.#state[1] = this.#state[1] ^ Math.floor(word / 2 ** 32);
      for (let round = 0; round < 12; round++) this.#next();
    }
  }

  #next(): number {
    const s = this.#state;
    const [a, b, c, counter] = s as unknown as [number, number, number, number];
    const sum = (a + b + counter) | 0;
    s[0] = b ^ (b >>> 9);
    s[1] = (c + (c << 3)) | 0;
    s[2] = (((c << 21) | (c >>> 11)) + sum) | 0;
    s[3] = (counter + 1) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1), 32 bits. */
  uniform(): number {
    return this.#next() / 2 ** 32;
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** A whole number from `from` to `to`, both included. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.uniform() * (to - from + 1));
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.whole(0, choices.length - 1)];
  }

  /** A copy in another order, all orders equally likely (Fisher and Yates). */
  shuffled<T>(things: readonly T[]): T[] {
    const out = [...things];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.whole(0, i);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }
}
