// Draws against the published formula in whole numbers of any size, and neighbours against each other.
// npm test -- src/math
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { philox, uniformAt } from './random.ts';

/** Philox4x32-10 as the paper writes it, in BigInt: 64-bit products, no halves of words. */
function philoxByDefinition(counter: readonly number[], key: readonly number[]): number[] {
  const word = 0xffffffffn;
  let [a, b, c, d] = counter.map(BigInt);
  for (let round = 0n; round < 10n; round++) {
    const [k0, k1] = [BigInt(key[0]) + round * 0x9e3779b9n, BigInt(key[1]) + round * 0xbb67ae85n];
    const [p, q] = [a * 0xd2511f53n, c * 0xcd9e8d57n];
    [a, b, c, d] = [(q >> 32n) ^ b ^ (k0 & word), q & word, (p >> 32n) ^ d ^ (k1 & word), p & word];
  }
  return [a, b, c, d].map(Number);
}

const word = fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff));
const draws = 1 << 16;

/** Correlation of draws with those `other` gives; its standard deviation is 1 / sqrt(draws) if there is none. */
function correlation(one: (i: number) => number, other: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < draws; i++) sum += (one(i) - 0.5) * (other(i) - 0.5);
  return (12 * sum) / draws;
}

describe('draws', () => {
  test('Philox4x32-10 gives the numbers of its authors', () => {
    const hex = (words: number[]) => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');
    assert.equal(hex(philox([0, 0, 0, 0], [0, 0])), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
    const ones = 0xffffffff;
    assert.equal(hex(philox([ones, ones, ones, ones], [ones, ones])), '408f276d 41c83b0e a20bc7c6 6d5451fd');
    const pi = philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]);
    assert.equal(hex(pi), 'd16cfe09 94fdcceb 5001e420 24126ea1');
  });

  test('uniform, exact in f32, of seed and position alone', () => {
    const counts = new Array(16).fill(0);
    for (let i = 0; i < 16_000; i++) {
      const u = uniformAt(i % 7, i);
      assert.ok(u >= 0 && u < 1 && Math.fround(u) === u);
      counts[Math.floor(u * 16)]++;
    }
    const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    assert.ok(chiSquare < 37.7, `chi square ${chiSquare}`); // 15 degrees of freedom, one in a thousand
    assert.equal(uniformAt(3, 5), uniformAt(3, 5));
    assert.notEqual(uniformAt(3, 5), uniformAt(5, 3));
  });

  test('any counter and key: the words of the formula', () => {
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        assert.deepEqual(philox(counter, key), philoxByDefinition(counter, key));
      }),
      { numRuns: 2000 },
    );
  });

  test('a draw is the upper 24 bits of the first word, never 1 in f32', () => {
    fc.assert(
      fc.property(word, word, (seed, position) => {
        const u = uniformAt(seed, position);
        assert.equal(u * 2 ** 24, philoxByDefinition([position, 0, 0, 0], [seed, 0])[0] >>> 8);
        assert.ok(Math.fround(u) === u && u < 1);
      }),
    );
  });

  const five = 5 / Math.sqrt(draws); // standard deviations
  for (const lag of [1, 2, 64])
    test(`neighbours ${lag} apart do not go together, in positions nor in seeds`, () => {
      const positions = correlation(
        (i) => uniformAt(7, i),
        (i) => uniformAt(7, i + lag),
      );
      const seeds = correlation(
        (i) => uniformAt(i, 7),
        (i) => uniformAt(i + lag, 7),
      );
      const diagonal = correlation(
        (i) => uniformAt(i, i),
        (i) => uniformAt(i + lag, i),
      );
      for (const found of [positions, seeds, diagonal]) assert.ok(Math.abs(found) < five, `${found} of ${five}`);
    });

  test('one in 2^bit of the positions falls below 2^-bit, for one seed and over seeds', () => {
    for (const at of [(i: number) => uniformAt(1, i), (i: number) => uniformAt(i, 1)])
      for (const bit of [1, 4, 8]) {
        let below = 0;
        for (let i = 0; i < draws; i++) if (at(i) < 2 ** -bit) below++;
        const [mean, variance] = [draws / 2 ** bit, (draws / 2 ** bit) * (1 - 2 ** -bit)];
        assert.ok(Math.abs(below - mean) < 5 * Math.sqrt(variance), `${below} of ${mean}`);
      }
  });
});
