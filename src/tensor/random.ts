// Random numbers that are the same on every machine: number i of a seed is a hash of (seed, i), no state, no order.
//
// The hash chains rounds of the 32-bit finalizer of MurmurHash3, keyed by the seed. Normals are Box-Muller with
// logarithm and sine written here in + - * / and sqrt, which IEEE 754 fixes to the bit; Math.log and Math.cos may
// differ between JavaScript engines. Left out: cryptographic strength, whole numbers without bias.

function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** 32 random bits: number `index` of stream `seed`. */
export function randomBits(seed: number, index: number): number {
  const low = index >>> 0;
  const high = Math.floor(index / 2 ** 32) >>> 0;
  const key = mix((seed >>> 0) + 0x9e3779b9) ^ mix(Math.floor(seed / 2 ** 32) + high + 0x7f4a7c15);
  return mix(mix(low ^ key) + Math.imul(key, 0x27d4eb2f) + low);
}

/** Uniform in [0, 1), a multiple of 2^-24: exact in f32. */
export function uniformAt(seed: number, index: number): number {
  return (randomBits(seed, index) >>> 8) / 2 ** 24;
}

const ln2 = Math.LN2;

/** Natural logarithm of x in (0, 1]: x = m 2^e, log m by the series of atanh. */
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
  return 2 * z * sum + e * ln2;
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

/** sin(2 pi turn), turn in [0, 1]. */
function sineOfTurn(turn: number): number {
  const quarters = turn * 4;
  const quadrant = Math.floor(quarters) % 4;
  const part = quarters - Math.floor(quarters);
  const value = quarterSine(quadrant % 2 === 0 ? part : 1 - part);
  return quadrant < 2 ? value : -value;
}

/** Standard normal number `index` of stream `seed`. Two neighbors share a Box-Muller pair. */
export function normalAt(seed: number, index: number): number {
  const even = index - (index % 2);
  const radius = Math.sqrt(-2 * log(1 - uniformAt(seed, even)));
  const turn = uniformAt(seed, even + 1);
  return radius * sineOfTurn(even === index ? (turn + 0.25) % 1 : turn);
}
