// Dispatch defined, by hand: a plan, and tokens that come back as they left. npm test -- dispatch
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../math/index.ts';
import { define, slopes } from '../cases/define.ts';
import { difference } from '../cases/tolerance.ts';

function makePlan(indices: number[], T: number, K: number, E: number) {
  const offsets = new Int32Array(E + 1);
  const [rowIndex, tokenIndex] = [new Int32Array(T * K), new Int32Array(T * K)];
  define('dispatch_plan', {
    indices: Int32Array.from(indices),
    offsets,
    row_index: rowIndex,
    token_index: tokenIndex,
    T,
    K,
    E,
  });
  return { offsets, rowIndex, tokenIndex };
}

test('rows are sorted by expert, and by token within an expert', () => {
  const { offsets, rowIndex, tokenIndex } = makePlan([3, 1, 1, 0, 3, 1], 3, 2, 4);
  assert.deepEqual([...offsets], [0, 1, 4, 4, 6]);
  assert.deepEqual([...tokenIndex], [1, 0, 1, 2, 0, 2]);
  assert.deepEqual([...rowIndex], [4, 1, 2, 0, 5, 3]);
});

test('identity experts give every token back: weights that sum to 1, on top of a base', () => {
  const [T, K, cols] = [4, 2, 3];
  const { rowIndex, tokenIndex } = makePlan([2, 0, 1, 2, 0, 1, 2, 1], T, K, 3);
  const x = new Random(4).normals(T * cols);
  const rows = new Float32Array(T * K * cols);
  define('permute_rows', { x, token_index: tokenIndex, out: rows, rows: T * K, tokens: T, row_bytes: cols * 4 });
  const weights = new Float32Array([0.25, 0.75, 0.5, 0.5, 1, 0, 0.125, 0.875]);
  const base = new Float32Array(T * cols).fill(8);
  const out = new Float32Array(T * cols);
  define('unpermute_rows', { y: rows, row_index: rowIndex, weights, base, out, T, K, rows: T * K, cols });
  const found = difference(
    'f32',
    x.map((value) => value + 8),
    out,
  );
  assert.ok(found.worst <= 1);
});

test('gradients of the weighted sum', () => {
  const [T, K, cols] = [3, 2, 4];
  const random = new Random(6);
  const { rowIndex } = makePlan([1, 0, 0, 1, 1, 0], T, K, 2);
  const y = random.normals(T * K * cols);
  const weights = random.normals(T * K);
  const dout = random.normals(T * cols);
  const out = new Float32Array(T * cols);
  const sizes = { T, K, rows: T * K, cols };
  const loss = () => {
    define('unpermute_rows', { y, row_index: rowIndex, weights, out, ...sizes });
    return out.reduce((sum, value, i) => sum + value * dout[i], 0);
  };
  const [slopesOfY, slopesOfWeights] = [slopes(y, loss), slopes(weights, loss)];
  const [dy, dweights] = [new Float32Array(y.length), new Float32Array(weights.length)];
  define('unpermute_rows_backward', { dout, y, row_index: rowIndex, weights, dy, dweights, ...sizes });
  assert.ok(difference('f32', Float32Array.from(slopesOfY), dy, 5).worst <= 1);
  assert.ok(difference('f32', Float32Array.from(slopesOfWeights), dweights, 5).worst <= 1);
});
