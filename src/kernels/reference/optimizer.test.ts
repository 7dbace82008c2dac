// AdamW and the gradient norm defined, by hand. npm test -- optimizer
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { define } from '../cases/define.ts';

const hyper = new Float32Array([0.5, 0.5, 0.75, 0, 0.25, 0.5, 0.25, 1]); // t = 1: corrections 1 - beta

function step(grad: number, clip: number | null) {
  const [weight, m, v, half] = [Float32Array.of(8), new Float32Array(1), new Float32Array(1), new Uint16Array(1)];
  define('adamw', {
    clip: clip === null ? null : Float32Array.of(clip),
    moment_type: 0,
    'weight[0]': weight,
    'grad[0]': Float32Array.of(grad),
    'm[0]': m,
    'v[0]': v,
    'half[0]': half,
    'hyper[0]': hyper,
    'n[0]': 1,
  });
  return { weight: weight[0], m: m[0], v: v[0], half: half[0] };
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
  const [partials, norms] = [new Float32Array(2), new Float32Array(2)];
  const [norm, coefficient] = [new Float32Array(1), new Float32Array(1)];
  const places = { partials, norms, norm, coefficient, max_norm: 1 };
  const second = { 'x[1]': new Float32Array([-4]), 'n[1]': 1 };
  define('gradient_norm', { ...places, 'x[0]': new Float32Array([3, 0]), 'n[0]': 2, ...second });
  assert.deepEqual([...partials, ...norms, ...norm], [9, 16, 3, 4, 5]);
  assert.equal(coefficient[0], Math.fround(1 / 5.000001));
  define('gradient_norm', { ...places, 'x[0]': new Float32Array([Number.NaN]), 'n[0]': 1 });
  assert.ok(Number.isNaN(coefficient[0]));
});

test('each sum is its own', () => {
  const [sum, copied] = [new Float32Array(1), new Float32Array(1)];
  const added = { 'a[0]': Float32Array.of(1), 'b[0]': Float32Array.of(2), 'out[0]': sum, 'n[0]': 1 };
  define('add_each_f32', { ...added, 'a[1]': Float32Array.of(4), 'b[1]': null, 'out[1]': copied, 'n[1]': 1 });
  assert.deepEqual([...sum, ...copied], [3, 4]);
});
