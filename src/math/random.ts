// Uniform draws that depend on the seed and on the place of a token in its sequence, and on nothing else.
//
// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a counter goes through ten rounds
// under a key. So a draw is the same whoever else is in the batch, after a preemption, and whether the token was
// guessed by speculation or not. Key: (seed, 0); counter: (position, 0, 0, 0). Left out: all but one word of four.

const [m0, m1] = [0xd2511f53, 0xcd9e8d57];
const [weyl0, weyl1] = [0x9e3779b9, 0xbb67ae85];

/** Upper 32 bits of a product of two 32-bit numbers. */
function mulHigh(a: number, b: number): number {
  const [ah, al] = [a >>> 16, a & 0xffff];
  const [bh, bl] = [b >>> 16, b & 0xffff];
  const middle = ah * bl + ((al * bl) >>> 16);
  return ah * bh + Math.floor(middle / 0x10000) + Math.floor(((middle % 0x10000) + al * bh) / 0x10000);
}

/** Philox4x32-10 of four counter words under two key words. */
export function philox(counter: readonly number[], key: readonly number[]): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = [mulHigh(m0, c0), Math.imul(m0, c0)];
    const [high1, low1] = [mulHigh(m1, c2), Math.imul(m1, c2)];
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1 >>> 0, (high0 ^ c3 ^ k1) >>> 0, low0 >>> 0];
    [k0, k1] = [(k0 + weyl0) >>> 0, (k1 + weyl1) >>> 0];
  }
  return [c0, c1, c2, c3];
}

/** Uniform in [0, 1), a multiple of 2^-24 and so exact in f32: of the token at `position` (prompt included). */
export function uniformAt(seed: number, position: number): number {
  return (philox([position >>> 0, 0, 0, 0], [seed >>> 0, 0])[0] >>> 8) / 2 ** 24;
}
