// Draws against the published formula in whole numbers of any size, moments, and neighbors against each other.
// npm test -- src/math
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { permuted } from './permutation.ts';
import { deriveSeed, fillNormal, fillUniform, philox, Random, uniformAt } from './random.ts';

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

type Counter = readonly [number, number, number, number];
type Key = readonly [number, number];

function block(counter: Counter, key: Key): number[] {
  const out = new Uint32Array(4);
  philox(out, ...counter, ...key);
  return [...out];
}

const word = fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff));
const draws = 200_000;

/** A mean of n independent terms of deviation d lies within 5 d / sqrt(n) but for one seed in two million. */
function expectMean(terms: (i: number) => number, mean: number, deviation: number, what: string): void {
  let sum = 0;
  for (let i = 0; i < draws; i++) sum += terms(i);
  assert.ok(
    Math.abs(sum / draws - mean) < (5 * deviation) / Math.sqrt(draws),
    `${what}: ${sum / draws} is not ${mean}`,
  );
}

describe('Philox', () => {
  test('gives the numbers of its authors', () => {
    const hex = (counter: Counter, key: Key) =>
      block(counter, key)
        .map((w) => w.toString(16).padStart(8, '0'))
        .join(' ');
    const ones = 0xffffffff;
    assert.equal(hex([0, 0, 0, 0], [0, 0]), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
    assert.equal(hex([ones, ones, ones, ones], [ones, ones]), '408f276d 41c83b0e a20bc7c6 6d5451fd');
    const pi = hex([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]);
    assert.equal(pi, 'd16cfe09 94fdcceb 5001e420 24126ea1');
  });

  test('any counter and key: the words of the formula', () => {
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        assert.deepEqual(block(counter, key), philoxByDefinition(counter, key));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the draw of a token', () => {
  test('is the upper 24 bits of the first word, never 1 in f32', () => {
    fc.assert(
      fc.property(word, word, (seed, position) => {
        const u = uniformAt(seed, position);
        assert.equal(u * 2 ** 24, philoxByDefinition([position, 0, 0, 0], [seed, 0])[0] >>> 8);
        assert.ok(Math.fround(u) === u && u < 1);
      }),
    );
  });

  const product = (one: number, other: number) => (one - 0.5) * (other - 0.5);
  for (const lag of [1, 2, 64])
    test(`neighbors ${lag} apart are independent, in positions and in seeds`, () => {
      expectMean((i) => product(uniformAt(7, i), uniformAt(7, i + lag)), 0, 1 / 12, 'positions');
      expectMean((i) => product(uniformAt(i, 7), uniformAt(i + lag, 7)), 0, 1 / 12, 'seeds');
      expectMean((i) => product(uniformAt(i, i), uniformAt(i + lag, i)), 0, 1 / 12, 'diagonal');
    });

  test('one in 2^bit of the positions falls below 2^-bit, for one seed and over seeds', () => {
    for (const at of [(i: number) => uniformAt(1, i), (i: number) => uniformAt(i, 1)])
      for (const bit of [1, 4, 8]) {
        const share = 2 ** -bit;
        expectMean((i) => (at(i) < share ? 1 : 0), share, Math.sqrt(share * (1 - share)), `below ${share}`);
      }
  });
});

describe('arrays of draws', () => {
  const filled = (fill: typeof fillUniform, seed: number, length = draws + 4096) => {
    const out = new Float64Array(length);
    fill(out, seed);
    return out;
  };

  for (const seed of [0, 1, 12345, 2 ** 32 + 1])
    test(`moments of seed ${seed}`, () => {
      const [uniform, normal, next] = [
        filled(fillUniform, seed),
        filled(fillNormal, seed),
        filled(fillNormal, seed + 1),
      ];
      expectMean((i) => uniform[i], 1 / 2, Math.sqrt(1 / 12), 'uniform');
      expectMean((i) => uniform[i] ** 2, 1 / 3, Math.sqrt(4 / 45), 'uniform squared');
      expectMean((i) => normal[i], 0, 1, 'normal');
      expectMean((i) => normal[i] ** 2, 1, Math.sqrt(2), 'normal squared');
      expectMean((i) => normal[i] ** 4, 3, Math.sqrt(96), 'normal to the fourth');
      for (const lag of [1, 2, 3, 64, 4096]) expectMean((i) => normal[i] * normal[i + lag], 0, 1, `lag ${lag}`);
      expectMean((i) => normal[i] * next[i], 0, 1, 'next seed');
      expectMean((i) => normal[i] * next[i + 1], 0, 1, 'next seed, next index');
      expectMean((i) => normal[i] * uniform[i], 0, Math.sqrt(1 / 3), 'normal and uniform');
    });

  test("normals equal Box-Muller with the engine's functions", () => {
    const normal = filled(fillNormal, 3, 10_000);
    for (let i = 0; i < normal.length; i += 2) {
      const words = philoxByDefinition([Math.floor(i / 4), 0, 0, 2], [3, 0]);
      const [u, turn] = [words[i % 4], words[(i % 4) + 1]].map((w) => (w >>> 8) / 2 ** 24);
      const radius = Math.sqrt(-2 * Math.log(1 - u));
      const [cosine, sine] = [Math.cos(2 * Math.PI * turn), Math.sin(2 * Math.PI * turn)];
      assert.ok(Math.abs(normal[i] - radius * cosine) < 1e-14 * Math.max(1, radius));
      assert.ok(Math.abs(normal[i + 1] - radius * sine) < 1e-14 * Math.max(1, radius));
    }
  });

  test('an array begins as a longer one of the same seed', () => {
    for (const fill of [fillUniform, fillNormal])
      for (const length of [0, 1, 2, 3, 5])
        assert.deepEqual(filled(fill, 9, length), filled(fill, 9, 8).slice(0, length));
  });
});

describe('sequences of draws', () => {
  test('the same words draw the same, other words do not', () => {
    const first = (...words: number[]) => new Random(...words).uniform();
    assert.equal(first(1, 2), first(1, 2));
    const others = [first(1, 2), first(2, 1), first(1), first(1, 2, 0), first(1, 2 + 2 ** 32), first(-1, 2)];
    assert.equal(new Set(others).size, others.length);
    assert.equal(new Set(Array.from({ length: 1000 }, (_, i) => deriveSeed(5, i))).size, 1000);
  });

  test('uniform, whole, shuffled and normal', () => {
    const random = new Random(3);
    expectMean(() => random.uniform(), 1 / 2, Math.sqrt(1 / 12), 'uniform');
    expectMean(() => random.whole(-2, 7), 2.5, Math.sqrt(99 / 12), 'whole');
    expectMean(() => random.shuffled([0, 1, 2, 3, 4])[0], 2, Math.sqrt(2), 'shuffled');
    expectMean(() => random.pick([1, 1, 4]), 2, Math.sqrt(2), 'pick');
    const normals = random.normals(draws, 3);
    expectMean((i) => normals[i], 0, 3, 'normals');
  });
});

describe('permutations', () => {
  test('every size is permuted, each key differently', () => {
    for (const n of [1, 2, 3, 7, 64, 100, 1025])
      for (const seed of [1, 2]) {
        const places = Array.from({ length: n }, (_, i) => permuted(i, n, seed));
        assert.deepEqual(
          [...places].sort((a, b) => a - b),
          [...Array(n).keys()],
        );
      }
    const order = (...key: number[]) => Array.from({ length: 100 }, (_, i) => permuted(i, 100, ...key)).join();
    assert.equal(new Set([order(1), order(2), order(1, 0), order(1, 1)]).size, 4);
  });
});
