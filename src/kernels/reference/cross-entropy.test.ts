// Cross-entropy's definition against results worked out by hand, and its gradients. npm test -- cross-entropy
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../math/index.ts';
import { define, slopes } from '../cases/define.ts';
import { difference } from '../cases/tolerance.ts';

const ignore = -100;

function close(expected: ArrayLike<number>, received: Float32Array, slack = 1): void {
  const found = difference('f32', Float32Array.from(expected), received, slack);
  assert.ok(found.worst <= 1, `[${found.at}] is ${found.received}, expected ${found.expected}`);
}

test('even odds, certain odds, and a row without a target', () => {
  const logits = new Float32Array([1, 1, 1, 1, 50, 0, 0, 0, 3, 3, 3, 3]);
  const out = () => new Float32Array(3);
  const [logprob, lse, entropy] = [out(), out(), out()];
  const targets = new Int32Array([2, 0, ignore]);
  define('cross_entropy_f32', { logits, targets, logprob, lse, entropy, rows: 3, V: 4, ignore });
  close([-Math.log(4), 0, 0], logprob);
  close([1 + Math.log(4), 50, 3 + Math.log(4)], lse);
  close([Math.log(4), 0, Math.log(4)], entropy);
  const dlogits = new Float32Array(12);
  const grad = new Float32Array([4, 4, 4]);
  define('cross_entropy_backward_f32', { logits, targets, lse, grad, dlogits, rows: 3, V: 4, ignore });
  close([-1, -1, 3, -1, 0, 0, 0, 0, 0, 0, 0, 0], dlogits);
});

test('the gradient of a chosen log-probability', () => {
  const [rows, V] = [3, 7];
  const random = new Random(2);
  const logits = random.normals(rows * V);
  const targets = new Int32Array([1, ignore, 6]);
  const [logprob, lse] = [new Float32Array(rows), new Float32Array(rows)];
  const grad = random.normals(rows);
  const dlogits = new Float32Array(rows * V);
  const forward = () => {
    define('cross_entropy_f32', { logits, targets, logprob, lse, rows, V, ignore });
    return logprob.reduce((sum, value, i) => sum + value * grad[i], 0);
  };
  const expected = slopes(logits, forward);
  forward();
  define('cross_entropy_backward_f32', { logits, targets, lse, grad, dlogits, rows, V, ignore });
  close(expected, dlogits, 50);
});
