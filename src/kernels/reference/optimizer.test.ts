// AdamW and the gradient norm defined, by hand. npm test -- optimizer
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { define } from '../cases/define.ts';

const hyper = new Float32Array([0.5, 0.5, 0.75, 0, 0.25, 0.5, 0.25, 1]); // t = 1: corrections 1 - beta

function step(grad: number, clip: number | null) {
  const state = {
    weight: new Float32Array([8]),
    m: new Float32Array(1),
    v: new Float32Array(1),
    half: new Uint16Array(1),
  };
  const coefficient = clip === null ? null : new Float32Array([clip]);
  define('adamw', { ...state, grad: new Float32Array([grad]), hyper, clip: coefficient, moment_type: 0, n: 1 });
  return { weight: state.weight[0], m: state.m[0], v: state.v[0], half: state.half[0] };
}

test('a first step moves by the learning rate against the sign, after decoupled decay', () => {
  // 8 (1 - 0.5 * 0.25) - 0.5 = 6.5, which is 0x40d0 in bf16; m = 0.5 * 4, v = 0.25 * 16
  assert.deepEqual(step(4, null), { weight: 6.5, m: 2, v: 4, half: 0x40d0 });
  assert.deepEqual(step(16, 0.25), { weight: 6.5, m: 2, v: 4, half: 0x40d0 });
});

test("Muon's momentum and update", () => {
  const [m, direction, weight] = [new Float32Array([2]), new Float32Array(1), new Float32Array([8])];
  define('muon_momentum', { grad: new Float32Array([4]), m, direction, hyper, moment_type: 0, n: 1 });
  assert.deepEqual([m[0], direction[0]], [5, 6.5]); // 0.5 * 2 + 4, 4 + 0.5 * 5
  define('muon_update', { weight, direction, hyper, factor: 2, n: 1 });
  assert.equal(weight[0], 0.5); // 8 (1 - 0.5 * 0.25) - 0.5 * 2 * 6.5
});

test('a NaN coefficient skips the step', () => {
  assert.deepEqual(step(4, Number.NaN), { weight: 8, m: 0, v: 0, half: 0 });
});

test('the norm of 3 and 4 over two tensors is 5, and is clipped to 1', () => {
  const partials = new Float32Array(2);
  define('sum_squares_f32', { x: new Float32Array([3, 0]), partials: partials.subarray(0, 1), n: 2 });
  define('sum_squares_f32', { x: new Float32Array([-4]), partials: partials.subarray(1), n: 1 });
  const [norm, coefficient] = [new Float32Array(1), new Float32Array(1)];
  define('clip_coefficient', { partials, norm, coefficient, max_norm: 1, count: 2 });
  assert.equal(norm[0], 5);
  assert.equal(coefficient[0], Math.fround(1 / 5.000001));
  define('clip_coefficient', { partials: new Float32Array([Number.NaN]), norm, coefficient, max_norm: 1, count: 1 });
  assert.ok(Number.isNaN(coefficient[0]));
});
