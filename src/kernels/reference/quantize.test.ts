// FP8 defined, by hand: the codes of known values, scales, and what becomes of zeros. npm test -- quantize
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { define } from '../cases/define.ts';

function tile(values: number[], powerOfTwo = 0) {
  const codes = new Uint8Array(values.length);
  const scales = new Float32Array(1);
  const x = new Float32Array(values);
  define('quantize_tiles_e4m3', { x, codes, scales, rows: 1, cols: values.length, power_of_two: powerOfTwo });
  return { codes: [...codes], scale: scales[0] };
}

test('a tile whose largest value is 448 keeps E4M3 values as they are, and rounds ties to even', () => {
  // 1.0625 lies between 1 (0x38) and 1.125 (0x39), 1.1875 between 0x39 and 1.25 (0x3a); 2^-10 between 0 and 2^-9.
  const { codes, scale } = tile([448, 1, -1.5, 1.0625, 1.1875, 2 ** -9, 2 ** -10, 3 * 2 ** -10, -(2 ** -6)]);
  assert.equal(scale, 1);
  assert.deepEqual(codes, [0x7e, 0x38, 0xbc, 0x38, 0x3a, 0x01, 0x00, 0x02, 0x88]);
});

test('zeros stay zeros, and a power of two never shrinks a scale', () => {
  assert.deepEqual(tile([0, 0, 0]).codes, [0, 0, 0]);
  assert.equal(tile([0, 0, 0]).scale, Math.fround(Math.fround(1e-4) / 448));
  assert.equal(tile([448, 1], 1).scale, 1);
  assert.equal(tile([449, 1], 1).scale, 2);
  assert.deepEqual(tile([896, 2], 1).codes, [0x7e, 0x38]);
});

test('a ragged weight has a scale for each started block', () => {
  const [N, K] = [130, 129];
  const x = new Float32Array(N * K).fill(448);
  x[K - 1] = 896; // row 0, last column: block (0, 1)
  x[129 * K] = 224; // row 129: block (1, 0) still holds 448 in row 128
  const codes = new Uint8Array(N * K);
  const scales = new Float32Array(4);
  define('quantize_blocks_e4m3', { x, codes, scales, N, K });
  assert.deepEqual([...scales], [1, 2, 1, 1]);
  const out = new Float32Array(N * K);
  define('dequantize_blocks_e4m3', { codes, scales, out, N, K });
  assert.deepEqual(out, x);
});
