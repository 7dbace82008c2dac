// The rope table against published values. npm test -- rope-table
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ValueError } from './errors.ts';
import { inverseFrequencies, ropeTable, yarnMagnitude } from './rope-table.ts';

const dim = 64;
const base = 10000;
const yarn = { factor: 40, originalMaxPositionEmbeddings: 4096, mscale: 1, mscaleAllDim: 1 };

/** pair, plain, stretched: DeepSeek-V3's rotary 64 with factor 40 over 4096 positions, beta 32 and 1. */
const published = [
  [0, 1, 1],
  [1, 0.749894209, 0.749894209],
  [10, 0.0562341325, 0.0562341325],
  [11, 0.0421696503, 0.0390069266],
  [12, 0.0316227766, 0.0268793601],
  [16, 0.01, 0.0055],
  [20, 0.00316227766, 0.000790569415],
  [22, 0.00177827941, 0.000177827941],
  [23, 0.00133352143, 3.33380358e-5],
  [31, 0.000133352143, 3.33380358e-6],
] as const;

test('inverse frequencies of DeepSeek-V3, plain and stretched by YaRN', () => {
  const plain = inverseFrequencies({ dim, base });
  const stretched = inverseFrequencies({ dim, base, yarn });
  for (const [i, f, g] of published) {
    assert.equal(Number(plain[i]?.toPrecision(9)), f, `plain ${i}`);
    assert.equal(Number(stretched[i]?.toPrecision(9)), g, `YaRN ${i}`);
  }
});

test('the magnitude of YaRN: published m for V3 and V2-Lite, 1 where nothing is stretched', () => {
  assert.equal(yarnMagnitude(40, 1).toFixed(10), '1.3688879454');
  // biome-ignore lint/suspicious/noApproximativeNumericConstant: the published mscale of V2-Lite
  assert.equal(yarnMagnitude(40, 0.707).toFixed(10), '1.2608037774');
  assert.equal(yarnMagnitude(1, 1), 1);
});

test('equal mscale and mscaleAllDim leave cos and sin on the unit circle, unequal ones scale both', () => {
  const radius = ({ cos, sin }: { cos: Float32Array; sin: Float32Array }) => cos.map((c, i) => Math.hypot(c, sin[i]));
  for (const r of radius(ropeTable({ dim, base, length: 9, yarn }))) assert.ok(Math.abs(r - 1) < 1e-6);
  const scaled = { ...yarn, mscaleAllDim: 0 };
  for (const r of radius(ropeTable({ dim, base, length: 9, yarn: scaled })))
    assert.ok(Math.abs(r - yarnMagnitude(40, 1)) < 1e-6);
});

test('position 0 turns nothing; angles grow by the inverse frequency', () => {
  const { cos, sin } = ropeTable({ dim, base, length: 100_000 });
  assert.deepEqual([...cos.subarray(0, dim / 2)], Array(dim / 2).fill(1));
  assert.deepEqual([...sin.subarray(0, dim / 2)], Array(dim / 2).fill(0));
  // A late position keeps its angle: float32 angles would be wrong in the third digit here.
  assert.equal(cos[99_999 * (dim / 2)], Math.fround(Math.cos(99_999)));
});

test('an odd dim is refused', () => {
  assert.throws(() => ropeTable({ dim: 7, base, length: 1 }), ValueError);
});
