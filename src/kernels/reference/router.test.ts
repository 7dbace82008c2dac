// The router's definition against results worked out by hand, and its gradients. npm test -- router
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../math/index.ts';
import { catchFault, define, slopes } from '../cases/define.ts';
import { difference } from '../cases/tolerance.ts';

const plain = { T: 1, groups: 1, top_groups: 1, group_best: 1, softmax: 0, normalize: 0, scale: 1 };

function route(logits: number[], bias: number[] | null, more: Record<string, number>) {
  const E = logits.length / (more.T ?? 1);
  const K = more.K ?? 1;
  const indices = new Int32Array((more.T ?? 1) * K);
  const weights = new Float32Array(indices.length);
  const scores = new Float32Array(logits.length);
  const args = { logits: new Float32Array(logits), bias: bias && new Float32Array(bias), indices, weights, scores };
  define('router_f32', { ...args, ...plain, E, K, ...more });
  return { indices: [...indices], weights: [...weights], scores };
}

/** The logit whose sigmoid is p. */
const logit = (p: number) => Math.log(p / (1 - p));

test('a one-hot router sends every token to its own expert', () => {
  const logits = [0, 1, 2, 3].flatMap((t) => [0, 1, 2, 3].map((e) => (e === t ? 20 : -20)));
  const { indices, weights } = route(logits, null, { T: 4, K: 1, normalize: 1, scale: 2.5 });
  assert.deepEqual(indices, [0, 1, 2, 3]);
  assert.deepEqual(weights, [2.5, 2.5, 2.5, 2.5]);
});

test('of equal choices the lowest index goes first, across groups as well', () => {
  assert.deepEqual(route([0, 0, 0, 0], null, { K: 3 }).indices, [0, 1, 2]);
  assert.deepEqual(route([1, 2, 2, 1, 2, 0], null, { K: 4 }).indices, [1, 2, 4, 0]);
  const groups = { K: 2, groups: 3, top_groups: 2, group_best: 2 };
  assert.deepEqual(route([0, 0, 0, 0, 0, 0], null, groups).indices, [0, 1]);
});

test('the bias chooses, the unbiased scores weigh', () => {
  const { indices, weights } = route([logit(0.5), logit(0.25), logit(0.75)], [0, 0.5, -0.5], { K: 2, normalize: 1 });
  assert.deepEqual(indices, [1, 0]); // choices 0.5, 0.75, 0.25
  const found = difference('f32', new Float32Array([0.25 / 0.75, 0.5 / 0.75]), new Float32Array(weights));
  assert.ok(found.worst <= 1);
});

test('masked groups count minus infinity, even when every choice is negative', () => {
  // Choices -0.5 -0.6 | -0.1 -0.9 | -2 -2: sums of two -1.1, -1.0, -4. Group 1 stays, so expert 3 at -0.9 is chosen;
  // with masked choices of 0 it would have been an expert of a masked group.
  const bias = [-1, -1.1, -0.6, -1.4, -2.5, -2.5];
  const { indices } = route(new Array(6).fill(0), bias, { K: 2, groups: 3, top_groups: 1, group_best: 2 });
  assert.deepEqual(indices, [2, 3]);
});

test('a group is ranked by its best choice (V2) or its two best (V3)', () => {
  const logits = [0.9, 0.1, 0.6, 0.6].map(logit); // best 0.9 or 0.6; two best 1.0 or 1.2
  assert.deepEqual(route(logits, null, { K: 1, groups: 2, top_groups: 1, group_best: 1 }).indices, [0]);
  assert.deepEqual(route(logits, null, { K: 1, groups: 2, top_groups: 1, group_best: 2 }).indices, [2]);
});

test('softmax scores run over all experts and are not normalized again', () => {
  const { indices, weights } = route([0, Math.log(2), Math.log(5)], null, { K: 2, softmax: 1, scale: 16 });
  assert.deepEqual(indices, [2, 1]);
  const found = difference('f32', new Float32Array([10, 4]), new Float32Array(weights));
  assert.ok(found.worst <= 1);
});

test('a NaN logit is refused with its place', () => {
  const logits = new Float32Array([0, 0, 0, Number.NaN]);
  const empty = { indices: new Int32Array(2), weights: new Float32Array(2), scores: null };
  const fault = catchFault('router_f32', { ...plain, logits, ...empty, T: 2, E: 2, K: 1 });
  assert.equal(fault.where, 3);
});

for (const softmax of [0, 1])
  for (const normalize of [0, 1])
    test(`gradient of the weights and scores, softmax ${softmax}, normalized ${normalize}`, () => {
      const [T, E, K] = [2, 9, 3];
      const random = new Random(5);
      const logits = Float32Array.from({ length: T * E }, (_, i) => ((i * 7) % E) / 4 - 1); // far from a tie
      const sizes = { ...plain, T, E, K, softmax, normalize, scale: 2.5 };
      const indices = new Int32Array(T * K);
      const weights = new Float32Array(T * K);
      const scores = new Float32Array(T * E);
      const dweights = random.normals(T * K);
      const dscores = random.normals(T * E);
      const loss = () => {
        define('router_f32', { logits, indices, weights, scores, ...sizes });
        const weighed = weights.reduce((sum, w, i) => sum + w * dweights[i], 0);
        return scores.reduce((sum, s, i) => sum + s * dscores[i], weighed);
      };
      const expected = slopes(logits, loss);
      loss();
      const dlogits = new Float32Array(T * E);
      define('router_backward_f32', { scores, indices, dweights, dscores, dlogits, ...sizes });
      const found = difference('f32', Float32Array.from(expected), dlogits, 50); // differences of step 1/64
      assert.ok(found.worst <= 1, `dlogits[${found.at}] is ${found.received}, expected ${found.expected}`);
    });

test('the balance loss of an even load is alpha, of one expert for all alpha times E / K of its share', () => {
  const scores = new Float32Array(8).fill(0.5);
  const fraction = new Float32Array(4);
  const loss = new Float32Array(1);
  const args = { scores, offsets: new Int32Array([0, 4]), fraction, loss, B: 1, T: 4, E: 2, K: 1, alpha: 0.5 };
  define('balance_loss_f32', { ...args, indices: new Int32Array([0, 1, 0, 1]) });
  assert.deepEqual([...fraction.slice(0, 2), loss[0]], [1, 1, 0.5]);
  define('balance_loss_f32', { ...args, indices: new Int32Array(4) });
  assert.deepEqual([...fraction.slice(0, 2), loss[0]], [2, 0, 0.5]); // f = [2, 0], P = [1/2, 1/2]
});

test('gradient of the balance loss', () => {
  const [T, E, K, B] = [5, 4, 2, 2];
  const random = new Random(8);
  const scores = Float32Array.from({ length: T * E }, () => 0.2 + random.uniform());
  const offsets = new Int32Array([0, 2, 5]);
  const indices = Int32Array.from({ length: T * K }, (_, i) => (i * 3) % E);
  const fraction = new Float32Array(B * E);
  const losses = new Float32Array(B);
  const grad = new Float32Array([1.5, -2]);
  const sizes = { B, T, E, K, alpha: 1 };
  const expected = slopes(scores, () => {
    define('balance_loss_f32', { scores, indices, offsets, fraction, loss: losses, ...sizes });
    return losses.reduce((sum, loss, b) => sum + loss * grad[b], 0);
  });
  const dscores = new Float32Array(T * E);
  define('balance_loss_backward_f32', { scores, offsets, fraction, grad, dscores, ...sizes });
  const found = difference('f32', Float32Array.from(expected), dscores, 50);
  assert.ok(found.worst <= 1, `dscores[${found.at}] is ${found.received}, expected ${found.expected}`);
});
