// What the ops must equal: each other, by hand, or the same computation cut differently. npm test -- tensor/ops
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { difference } from '../kernels/cases/tolerance.ts';
import { openDevice, ValueError } from '../kernels/index.ts';
import { bestDevices } from '../kernels/test-devices.ts';
import { Random } from '../math/index.ts';
import * as t from './index.ts';

type Tensor = t.Tensor;

async function same(received: Tensor, expected: Tensor, what = 'tensors'): Promise<void> {
  assert.deepEqual(received.shape, expected.shape);
  assert.deepEqual(await received.read(), await expected.read(), what);
}

async function near(received: Tensor, expected: ArrayLike<number>, slack = 1): Promise<void> {
  const found = difference('f32', Float32Array.from(expected), (await received.read()) as Float32Array, slack);
  assert.ok(found.worst <= 1, `element ${found.at}: ${found.received}, expected ${found.expected}`);
}

/** Root mean square of the error over that of what was expected. */
async function relativeError(received: Tensor, expected: Tensor): Promise<number> {
  const [r, e] = [await received.toArray(), await expected.toArray()];
  const square = (values: number[]) => values.reduce((sum, x) => sum + x * x, 0);
  return Math.sqrt(square(e.map((x, i) => x - r[i])) / square(e));
}

for (const device of bestDevices()) {
  const on = { device };
  const of = (values: number[], ...shape: number[]) => t.fromArray(values, shape, on);
  const ids = (values: number[], ...shape: number[]) => t.fromArray(Int32Array.from(values), shape, on);
  const random = (seed: number, ...shape: number[]) => t.randn(shape, seed, 1, on);

  describe(`ops on ${device.name} ${device.isa}`, () => {
    after(() => device.close());

    test('parts and joins of the last dimension are inverse', async () => {
      const x = random(1, 3, 4, 7);
      await same(t.concat(t.split(x, [1, 0, 4, 2])), x);
      const order = [2, 0, 1];
      await same(t.permute(t.permute(x, order), [1, 2, 0]), x);
      assert.deepEqual(await t.permute(of([1, 2, 3, 4, 5, 6], 2, 3), [1, 0]).toArray(), [1, 4, 2, 5, 3, 6]);
      assert.deepEqual(await t.repeatRow(of([1, 2, 3, 4], 2, 2), 2).toArray(), [1, 2, 1, 2, 3, 4, 3, 4]);
      const bytes = t.fromArray(Uint8Array.of(1, 2, 3, 4), [2, 2], on);
      assert.deepEqual(await t.permute(bytes, [1, 0]).toArray(), [1, 3, 2, 4]);
    });

    test('casts round to nearest even, and gradients come back in the format of the input', async () => {
      const x = of([1, 1 + 2 ** -9, 1 + 3 * 2 ** -8, -3], 4);
      assert.deepEqual(await t.cast(x, 'bf16').toArray(), [1, 1, 1 + 2 ** -6, -3]);
      const h = t.cast(x, 'bf16');
      const { gradients } = t.valueAndGrad(() => t.sum(t.mul(t.cast(h, 'f32'), t.cast(h, 'f32'))), [h]);
      assert.equal(gradients[0]?.dtype, 'bf16');
      assert.deepEqual(await gradients[0]?.toArray(), [2, 2, 2 + 2 ** -5, -6]);
    });

    test('bf16 tensors go through the elementwise ops, and their gradients add up', async () => {
      const x = t.fromArray([1, -2, 3], [3], { device, dtype: 'bf16' });
      const y = () => t.sum(t.cast(t.add(t.mul(x, x), t.scale(t.sub(x, x), 2)), 'f32'));
      const { value, gradients } = t.valueAndGrad(y, [x]);
      assert.equal(await value.item(), 14);
      assert.deepEqual(await gradients[0]?.toArray(), [2, -4, 6]);
    });

    test('reductions by hand', async () => {
      const x = of([1, 2, 3, 4, 9, 0], 2, 3);
      assert.equal(await t.sum(x).item(), 19);
      assert.equal(await t.mean(of([1, 2, 3, 6], 4)).item(), 3);
      assert.deepEqual(await t.rowSum(x).toArray(), [6, 13]);
      assert.deepEqual(await t.argmax(x).toArray(), [2, 1]);
    });

    test('the residual norm is a sum and a norm, to the bit, whatever the formats', async () => {
      const [x, delta, gain] = [random(1, 5, 9), random(2, 5, 9), random(3, 9)];
      const { sum, out } = t.addRmsNorm(x, delta, gain, 1e-6);
      await same(sum, t.add(x, delta));
      await same(out, t.rmsNorm(sum, gain, 1e-6));
      const rounded = t.cast(delta, 'bf16');
      const mixed = t.addRmsNorm(x, rounded, gain, 1e-6, 'bf16');
      await same(mixed.sum, t.add(x, t.cast(rounded, 'f32')));
      await same(mixed.out, t.cast(t.rmsNorm(mixed.sum, gain, 1e-6), 'bf16'));
    });

    test('weights with the same inputs are one product, wherever they lie', async () => {
      const [x, first, second] = [random(1, 5, 9), random(2, 128, 9), random(3, 7, 9)];
      const whole = t.concatRows([first, second]);
      const neighbors = [t.narrow(whole, 0, 128), t.narrow(whole, 128, 7)] as const;
      for (const precision of ['f32', 'bf16', 'fp8'] as const) {
        const products = ([a, b]: readonly [Tensor, Tensor]) =>
          t.valueAndGrad(() => t.sum(t.silu(t.linear(x, [a, b], { precision }))), [x, a, b]);
        const [apart, joined] = [products([first, second]), products(neighbors)];
        await same(apart.value, joined.value);
        for (let i = 0; i < 3; i++) await same(apart.gradients[i], joined.gradients[i]);
        const each = [first, second].map((w) => t.linear(x, w, { precision }));
        await same(t.linear(x, [first, second], { precision }), t.concat(each));
        const ragged = [second, first].map((w) => t.linear(x, w, { precision }));
        await same(t.linear(x, [second, first], { precision }), t.concat(ragged));
      }
    });

    test('rope turns by position, leaves position 0 and the front of a head alone', async () => {
      const rope = t.ropeTable({ dim: 4, base: 10000, length: 8 }, on);
      const x = random(1, 2, 3, 6);
      await same(t.rope(x, ids([0, 0], 2), rope), x);
      const [front, turned] = t.split(t.rope(x, ids([5, 2], 2), rope), [2, 4]) as [Tensor, Tensor];
      const [same0, tail] = t.split(x, [2, 4]) as [Tensor, Tensor];
      await same(front, same0);
      await same(turned, t.rope(tail, ids([5, 2], 2), rope));
      const one = t.rope(of([1, 0, 1, 0], 1, 1, 4), ids([3], 1), rope);
      await near(one, [Math.cos(3), Math.sin(3), Math.cos(0.03), Math.sin(0.03)]);
    });

    test('linear by hand, and each row alone', async () => {
      const w = of([1, 2, 3, 4, 5, 6], 2, 3);
      assert.deepEqual(await t.linear(of([1, 0, -1, 2, 2, 2], 2, 3), w).toArray(), [-2, -2, 12, 30]);
      const [x, big] = [random(1, 37, 150), random(2, 70, 150)];
      for (const precision of ['f32', 'bf16', 'fp8'] as const) {
        const all = t.linear(x, big, { precision });
        for (const row of [0, 36])
          await same(t.narrow(all, row, 1), t.linear(t.narrow(x, row, 1), big, { precision }), precision);
      }
    });

    test('precision changes values and gradients by no more than its format', async () => {
      const [x, w, dy] = [random(1, 40, 256), random(2, 130, 256), random(3, 40, 130)];
      const run = (precision: t.Precision) => {
        const tape = new t.Tape([x, w]);
        const y = tape.run(() => t.linear(x, w, { precision }));
        return [y, ...tape.backward(y, dy)];
      };
      const exact = run('f32');
      // Half a step of the format, relative: each factor of a product is off by up to that, evenly spread.
      for (const [precision, u] of [['bf16', 2 ** -9] as const, ['fp8', 2 ** -4] as const])
        for (const [n, received] of run(precision).entries()) {
          const error = await relativeError(received, exact[n]);
          assert.ok(error > u / 4 && error < 2 * u, `${precision}, ${['y', 'dx', 'dw'][n]}: ${error}`);
        }
    });

    test('a grouped linear is a linear for each group, to the bit', async () => {
      const [N, K] = [20, 33];
      const [x, w] = [random(1, 11, K), random(2, 3, N, K)];
      const bounds = [0, 4, 4, 11];
      for (const precision of ['f32', 'bf16', 'fp8'] as const) {
        const all = t.groupedLinear(x, w, ids(bounds, 4), { precision });
        for (const e of [0, 2]) {
          const [from, rows] = [bounds[e], bounds[e + 1] - bounds[e]];
          const alone = t.linear(t.narrow(x, from, rows), t.reshape(t.narrow(w, e, 1), [N, K]), { precision });
          await same(t.narrow(all, from, rows), alone, precision);
        }
      }
    });

    test('packed documents attend as each alone', async () => {
      const [q, k, v] = [random(1, 9, 4, 6), random(2, 9, 2, 6), random(3, 9, 2, 5)];
      const all = t.attention(q, k, v, { queryStart: ids([0, 4, 9], 3), maxQueries: 5 });
      for (const [from, n] of [
        [0, 4],
        [4, 5],
      ] as const) {
        const [a, b, c] = [q, k, v].map((x) => t.narrow(x, from, n)) as [Tensor, Tensor, Tensor];
        await same(t.narrow(all, from, n), t.attention(a, b, c, { queryStart: ids([0, n], 2), maxQueries: n }));
      }
      const last = t.narrow(q, 8, 1);
      const cached = t.attention(last, t.narrow(k, 4, 5), t.narrow(v, 4, 5), {
        queryStart: ids([0, 1], 2),
        keyStart: ids([0, 5], 2),
        firstPosition: ids([4], 1),
        maxQueries: 1,
      });
      await same(cached, t.narrow(all, 8, 1));
    });

    test('dispatch brings every token to its experts and back', async () => {
      const x = random(1, 4, 3);
      const { indices, weights } = t.router(of([9, 1, 0, 0, 9, 1, 1, 9, 0, 1, 0, 9], 4, 3), null, {
        numExpertsPerTok: 2,
        normTopkProb: true,
      });
      assert.deepEqual(await indices.toArray(), [0, 1, 1, 2, 1, 0, 2, 0]);
      const plan = t.dispatchPlan(indices, 3);
      assert.deepEqual(await plan.offsets.toArray(), [0, 3, 6, 8]);
      assert.deepEqual(await plan.tokenIndex.toArray(), [0, 2, 3, 0, 1, 2, 1, 3]);
      const rows = t.permuteRows(x, plan);
      await near(t.unpermuteRows(rows, plan, weights), await x.toArray()); // the weights of a token add up to 1
      await near(t.unpermuteRows(rows, plan, weights, x), await t.scale(x, 2).toArray());
    });

    test('balancing: counts add up over batches, and the bias moves by the sign of the load', async () => {
      const counts = t.zeros([4], { dtype: 'i32', device });
      t.countExperts(ids([0, 1, 0, 2], 2, 2), counts);
      t.countExperts(ids([0, 1], 1, 2), counts);
      assert.deepEqual(await counts.toArray(), [3, 2, 1, 0]);
      const bias = of([0, 0.5, 0, 0], 4);
      t.balanceBias(bias, counts, of([0.25], 1));
      assert.deepEqual(await bias.toArray(), [-0.25, 0.25, 0.25, 0.25]);
    });

    test('a bias on the choice of experts has a gradient of zeros', async () => {
      const [logits, bias] = [random(1, 4, 3), of([0.1, 0, 0.2], 3)];
      const tape = new t.Tape([logits, bias]);
      const loss = tape.run(() =>
        t.sum(t.mul(t.router(logits, bias, { numExpertsPerTok: 2 }).weights, random(2, 4, 2))),
      );
      const [, gradient] = tape.backward(loss) as [t.Tensor, t.Tensor];
      assert.deepEqual(await gradient.toArray(), [0, 0, 0]);
    });

    test('log-probabilities are those of the softmax, whatever the chunk', async () => {
      const [T, D, V] = [130, 6, 11];
      const [x, head] = [random(1, T, D), random(2, V, D)];
      const targets = Array.from({ length: T }, (_, n) => (n === 5 ? t.ignoreIndex : (n * 5) % V));
      const { logprobs, entropy } = t.logprobs(x, head, ids(targets, T));
      const logits = await t.linear(x, head).toArray();
      const rows = targets.map((target, n) => {
        const row = logits.slice(n * V, (n + 1) * V);
        const whole = Math.log(row.reduce((sum, l) => sum + Math.exp(l), 0));
        const spread = row.reduce((sum, l) => sum - Math.exp(l - whole) * (l - whole), 0);
        return [target === t.ignoreIndex ? 0 : row[target] - whole, spread] as const;
      });
      await near(
        logprobs,
        rows.map(([value]) => value),
      );
      await near(
        entropy,
        rows.map(([, spread]) => spread),
      );
      const one = t.logprobs(t.narrow(x, 129, 1), head, ids([targets[129]], 1));
      await same(one.logprobs, t.narrow(logprobs, 129, 1));
      const loss = t.crossEntropy(x, head, ids(targets, T), { count: T - 1 });
      await near(loss, [-rows.reduce((sum, [value]) => sum + value, 0) / (T - 1)]);
    });

    test('the divergence of two models is the definition, 0 between equals, whatever the chunk', async () => {
      const [T, V] = [130, 11];
      const [x, head] = [random(1, T, 6), random(2, V, 6)];
      const [teacherX, teacherHead] = [random(3, T, 4), random(4, V, 4)];
      const weight = t.fromArray(
        Float32Array.from({ length: T }, (_, n) => (n === 5 ? 0 : 2)),
        [T],
        on,
      );
      const logs = async (hidden: t.Tensor, own: t.Tensor) => {
        const logits = await t.linear(hidden, own).toArray();
        return Array.from({ length: T }, (_, n) => {
          const row = logits.slice(n * V, (n + 1) * V).map((l) => l / 2);
          const whole = Math.log(row.reduce((sum, l) => sum + Math.exp(l), 0));
          return row.map((l) => l - whole);
        });
      };
      const [own, other] = [await logs(x, head), await logs(teacherX, teacherHead)];
      const expected = (p: number[][], q: number[][]) =>
        p.map((row, n) => (n === 5 ? 0 : row.reduce((sum, l, i) => sum + Math.exp(l) * (l - q[n][i]), 0)));
      const student = { x, head };
      const teacher = { x: teacherX, head: teacherHead };
      const reverse = t.divergence(student, teacher, weight, { direction: 'reverse', temperature: 2 });
      await near(reverse, expected(own, other));
      await near(
        t.divergence(student, teacher, weight, { direction: 'forward', temperature: 2 }),
        expected(other, own),
      );
      const last = (of: { x: t.Tensor; head: t.Tensor }) => ({ ...of, x: t.narrow(of.x, 129, 1) });
      const alone = t.divergence(last(student), last(teacher), t.narrow(weight, 129, 1), {
        direction: 'reverse',
        temperature: 2,
      });
      await same(alone, t.narrow(reverse, 129, 1));
      const nothing = t.divergence(student, student, weight, { direction: 'reverse' });
      assert.deepEqual(await nothing.toArray(), Array(T).fill(0));
    });

    test('the entropy is no part of a loss', () => {
      const [x, head] = [random(1, 2, 3), random(2, 4, 3)];
      assert.throws(
        () => t.valueAndGrad(() => t.sum(t.logprobs(x, head, ids([0, 1], 2)).entropy), [x]),
        /the entropy has no gradient/,
      );
    });

    test('no [T, V] tensor exists, forward or backward', { skip: device.name === 'reference' && 'slow' }, async () => {
      const [T, D, V] = [2048, 2, 16384]; // its logits would take 128 MiB
      const small = openDevice({ device: device.name, isa: device.isa, threads: 2, memoryBytes: 96 * 2 ** 20 });
      const inSmall = { device: small };
      const [x, head] = [t.randn([T, D], 1, 1, inSmall), t.randn([V, D], 2, 1, inSmall)];
      const targets = t.zeros([T], { ...inSmall, dtype: 'i32' });
      const { value, gradients } = t.valueAndGrad(() => t.sum(t.logprobs(x, head, targets).logprobs), [x, head]);
      // Each gradient row of the head sums softmax minus one-hot over x: all rows together cancel.
      const columns = await t.sum(gradients[1]).item();
      assert.ok((await value.item()) < -T && Math.abs(columns) < 1);
      await small.close();
    });

    test('gradients of logits written as bf16 have the bits of those that products round', async () => {
      const [x, head] = [random(21, 37, 16), random(22, 50, 16)];
      const targets = ids(
        Array.from({ length: 37 }, (_, i) => (i * 7) % 50),
        37,
      );
      // The nearest temperature that is not 1 divides by 1 in f32, and keeps the gradients of logits in f32.
      const [half, whole] = [1, 1 + Number.EPSILON].map((temperature) => {
        const options = { precision: 'bf16', temperature } as const;
        return t.valueAndGrad(() => t.sum(t.logprobs(x, head, targets, options).logprobs), [x, head]).gradients;
      });
      await same(half[0], whole[0]);
      await same(half[1], whole[1]);
    });

    test('AdamW by its formula, in place, and skipped when the norm is not finite', async () => {
      const n = 5;
      const start = new Random(1).normals(n);
      const g = new Random(2).normals(n);
      const [weight, gradient] = [t.fromArray(start, [n], on), t.fromArray(g, [n], on)];
      const state = { weight, m: t.zeros([n], on), v: t.zeros([n], on), half: t.zeros([n], { device, dtype: 'bf16' }) };
      const hyper = t.fromArray(t.adamwHyper({ learningRate: 0.1, step: 1, weightDecay: 0.5 }), [8], on);
      const three = t.full([1, 1], 3, on);
      const { norm, coefficient, norms } = t.gradientNorm([gradient, three], 0.5, hyper);
      const length = Math.sqrt(g.reduce((sum, x) => sum + x * x, 9));
      await near(norm, [length]);
      await near(norms, [Math.sqrt(length ** 2 - 9), 3]);
      await near(coefficient, [0.5 / (length + 1e-6)]);
      const version = weight.storage.version;
      const other = { weight: three, gradient: three, m: t.zeros([1, 1], on), v: t.zeros([1, 1], on), hyper };
      t.adamwStep([{ ...state, gradient, hyper }, other], coefficient);
      assert.equal(weight.storage.version, version + 1);
      // First step: m / correction = g and sqrt(v / correction) = |g|, so the direction is the sign.
      const expected = Array.from(start, (w, k) => w * (1 - 0.1 * 0.5) - 0.1 * Math.sign(g[k]));
      await near(weight, expected);
      await near(three, [3 * (1 - 0.1 * 0.5) - 0.1]);
      await same(state.half, t.cast(weight, 'bf16'));
      const broken = t.gradientNorm([of([Number.NaN, 1], 2)], 1, hyper);
      const before = await weight.read();
      t.adamwStep([{ ...state, gradient, hyper }], broken.coefficient);
      assert.deepEqual(await weight.read(), before);
    });

    test('Muon by its formula, in place, and skipped when the norm is not finite', async () => {
      const [rate, momentum, decay, factor] = [0.1, 0.5, 0.25, 3];
      const hyper = t.fromArray(
        t.muonHyper({ learningRate: rate, momentum, weightDecay: decay, gradientScale: 2 }),
        [8],
        on,
      );
      const [weight, gradient, m] = [of([8, -4], 2), of([1, 3], 2), of([2, 0], 2)];
      const clip = t.reshape(of([0.5], 1), []);
      const direction = t.muonMomentum(gradient, m, hyper, clip);
      const sums = [momentum * 2 + 1, 3]; // scale and clip cancel
      await near(m, sums);
      await near(
        direction,
        sums.map((sum, k) => [1, 3][k] + momentum * sum),
      );
      t.muonUpdate(weight, direction, hyper, clip, factor);
      const expected = sums.map(
        (sum, k) => [8, -4][k] * (1 - rate * decay) - rate * factor * ([1, 3][k] + momentum * sum),
      );
      await near(weight, expected);
      const [skip, before] = [t.reshape(of([Number.NaN], 1), []), [await weight.read(), await m.read()]];
      await near(t.muonMomentum(gradient, m, hyper, skip), [0, 0]);
      t.muonUpdate(weight, direction, hyper, skip, factor);
      assert.deepEqual([await weight.read(), await m.read()], before);
    });

    test('overwriting what backward needs is refused', () => {
      const [x, w] = [random(1, 2, 3), random(2, 4, 3)];
      const tape = new t.Tape([x]);
      const loss = tape.run(() => t.sum(t.linear(x, w)));
      w.write(new Float32Array(12));
      assert.throws(() => tape.backward(loss), /\[linear\] a tensor that its gradient needs was overwritten in place/);
    });

    test('ops without a gradient refuse inputs that need one, unless nothing could flow', async () => {
      const x = random(1, 2, 3);
      assert.throws(() => t.valueAndGrad(() => t.quantizeTiles(x).scales, [x]), ValueError);
      const { gradients } = t.valueAndGrad(() => {
        t.argmax(x);
        return t.sum(x);
      }, [x]);
      assert.deepEqual(await gradients[0]?.toArray(), [1, 1, 1, 1, 1, 1]);
    });

    test('quantized and back is the nearest code', async () => {
      const x = random(1, 3, 200);
      const exact = await x.toArray();
      for (const back of [t.dequantizeTiles(t.quantizeTiles(x)), t.dequantizeBlocks(t.quantizeBlocks(x))]) {
        const values = await back.toArray();
        // 3 mantissa bits: half a step is at most 1/16 of the value, or of the smallest normal code of the tile.
        for (const [k, value] of values.entries())
          assert.ok(Math.abs(value - exact[k]) <= Math.max(Math.abs(exact[k]) / 16, 4 / 448 / 16));
      }
    });
  });
}
