// Random numbers that are a function of a seed and a place: the same on every machine, in any order, without state.
//
// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a counter goes through ten rounds
// under a key and gives a block of four words. So a run resumes anywhere, and a token is drawn the same whoever else is
// in its batch. Normal numbers are Box-Muller with a logarithm and a sine in + - * / and sqrt, which IEEE 754 fixes to
// the bit; Math.log and Math.cos may differ between engines. Left out: cryptographic strength.

/** The last word of a counter, so that no kind of draw repeats another. */
const streams = { token: 0, uniform: 1, normal: 2, sequence: 3, key: 4 } as const;

/** The upper 32 bits of a product of two 32-bit numbers, as a signed number. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const bLow = b & 0xffff;
  const high = Math.imul(a >>> 16, bLow);
  const low = Math.imul(aLow, b >>> 16);
  const middle = (high & 0xffff) + (low & 0xffff) + (Math.imul(aLow, bLow) >>> 16);
  return (Math.imul(a >>> 16, b >>> 16) + (high >>> 16) + (low >>> 16) + (middle >>> 16)) | 0;
}

/** Four words of 32 bits. */
export type Block = Uint32Array;

/** Writes the block of counter (a, b, c, d) under the key (k0, k1). The lower 32 bits of each number count. */
export function philox(out: Block, a: number, b: number, c: number, d: number, k0: number, k1: number): void {
  let w = a | 0;
  let x = b | 0;
  let y = c | 0;
  let z = d | 0;
  let key0 = k0 | 0;
  let key1 = k1 | 0;
  for (let round = 0; round < 10; round++) {
    const next = mulHigh(0xcd9e8d57, y) ^ x ^ key0;
    x = Math.imul(0xcd9e8d57, y);
    y = mulHigh(0xd2511f53, w) ^ z ^ key1;
    z = Math.imul(0xd2511f53, w);
    w = next;
    key0 = (key0 + 0x9e3779b9) | 0;
    key1 = (key1 + 0xbb67ae85) | 0;
  }
  out[0] = w;
  out[1] = x;
  out[2] = y;
  out[3] = z;
}

/** The bits above the lower 32 of a whole number. */
const upper = (x: number) => Math.floor(x / 2 ** 32);

/** Uniform in [0, 1), a multiple of 2^-24 and so exact in f32. */
const toUniform = (word: number) => (word >>> 8) / 2 ** 24;

const block: Block = new Uint32Array(4);

/** The uniform draw of the token at `position` (prompt included) of a sequence. */
export function uniformAt(seed: number, position: number): number {
  philox(block, position, 0, 0, streams.token, seed, 0);
  return toUniform(block[0]);
}

/** Fills an array with uniform draws in [low, high). */
export function fillUniform(out: Float32Array | Float64Array, seed: number, low = 0, high = 1): void {
  for (let i = 0; i < out.length; i += 4) {
    philox(block, i / 4, upper(i / 4), 0, streams.uniform, seed, upper(seed));
    for (let j = 0; j < 4; j++) out[i + j] = low + (high - low) * toUniform(block[j]); // past the end: no write
  }
}

/** Fills an array with normal draws of mean 0 and the given standard deviation. */
export function fillNormal(out: Float32Array | Float64Array, seed: number, deviation = 1): void {
  for (let i = 0; i < out.length; i += 4) {
    philox(block, i / 4, upper(i / 4), 0, streams.normal, seed, upper(seed));
    for (let j = 0; j < 4; j += 2) {
      const radius = deviation * Math.sqrt(-2 * log(1 - toUniform(block[j])));
      const turn = toUniform(block[j + 1]);
      out[i + j] = radius * sine((turn + 0.25) % 1);
      out[i + j + 1] = radius * sine(turn);
    }
  }
}

/** The natural logarithm of x in (0, 1]: x = m 2^e, log m by the series of atanh. */
function log(x: number): number {
  let m = x;
  let e = 0;
  while (m < Math.SQRT1_2) {
    m *= 2;
    e--;
  }
  const z = (m - 1) / (m + 1);
  const zz = z * z;
  let sum = 0;
  for (let k = 21; k >= 1; k -= 2) sum = sum * zz + 1 / k;
  return 2 * z * sum + e * Math.LN2;
}

/** sin(pi/2 x) for x in [0, 1] by its Taylor series; the last term is below 1e-17. */
function quarterSine(x: number): number {
  const angle = x * (Math.PI / 2);
  const square = angle * angle;
  let term = angle;
  let sum = angle;
  for (let k = 2; k <= 20; k += 2) {
    term *= -square / (k * (k + 1));
    sum += term;
  }
  return sum;
}

/** sin(2 pi turn) for a turn in [0, 1). */
function sine(turn: number): number {
  const quarters = turn * 4;
  const quadrant = Math.floor(quarters) % 4;
  const part = quarters - Math.floor(quarters);
  const value = quarterSine(quadrant % 2 === 0 ? part : 1 - part);
  return quadrant < 2 ? value : -value;
}

/** Mixes whole numbers into a key of two words. */
function toKey(words: readonly number[]): readonly [number, number] {
  let [k0, k1] = [0, 0];
  for (const [i, word] of words.entries()) {
    philox(block, word, upper(word), i, streams.key, k0, k1);
    [k0, k1] = [block[0], block[1]];
  }
  return [k0, k1];
}

/** A seed of 32 bits for the part of a run that the words name, such as (seed, step, question). */
export function deriveSeed(...words: readonly number[]): number {
  return toKey(words)[0];
}

/** A sequence of draws. Two with the same words draw the same. */
export class Random {
  readonly #key: readonly [number, number];
  readonly #block: Block = new Uint32Array(4);
  #drawn = 0;

  /** `words` are whole numbers: a seed, an index, whatever names the sequence. */
  constructor(...words: readonly number[]) {
    this.#key = toKey(words);
  }

  #word(): number {
    const next = this.#drawn++;
    if (next % 4 === 0) philox(this.#block, next / 4, upper(next / 4), 0, streams.sequence, ...this.#key);
    return this.#block[next % 4];
  }

  /** Uniform in [0, 1), with 53 bits. */
  uniform(): number {
    return ((this.#word() >>> 5) * 2 ** 26 + (this.#word() >>> 6)) / 2 ** 53;
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** A whole number from `from` to `to`, both included. */
  whole(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }

  /** Returns a copy in another order, all orders equally likely (Fisher and Yates). */
  shuffled<T>(things: readonly T[]): T[] {
    const out = [...things];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }

  /** A normal draw of mean 0. */
  normal(deviation = 1): number {
    return deviation * Math.sqrt(-2 * log(1 - this.uniform())) * sine(this.uniform());
  }

  /** Normal draws of mean 0. */
  normals(length: number, deviation = 1): Float32Array {
    const out = new Float32Array(length);
    fillNormal(out, this.below(2 ** 53), deviation);
    return out;
  }
}
