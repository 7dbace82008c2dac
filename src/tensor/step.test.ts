// A whole training step (forward, backward, clip, AdamW) of a small attention and mixture-of-experts model: the same to
// the bit eager and replayed, with one thread and with two; it learns; it leaks nothing. npm test -- tensor/step
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { type Device, openDevice } from '../kernels/index.ts';
import { bestDevices } from '../kernels/test-devices.ts';
import * as t from './index.ts';

type Tensor = t.Tensor;

const [T, D, H, V, E, K, F] = [24, 16, 2, 13, 4, 2, 8];
const N = D / H;

/** Weights by name, the same on every device. */
function weights(device: Device): Record<string, Tensor> {
  const shapes: Record<string, number[]> = {
    embed: [V, D],
    norm1: [D],
    q: [D, D],
    kv: [2 * D, D],
    o: [D, D],
    norm2: [D],
    gate: [E, D],
    gateUp: [E, 2 * F, D],
    down: [E, D, F],
    norm3: [D],
    head: [V, D],
  };
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => {
      const isGain = shape.length === 1;
      return [name, isGain ? t.full(shape, 1, { device }) : t.randn(shape, i, 0.3, { device })];
    }),
  );
}

interface Fixed {
  readonly rope: t.RopeTensors;
  readonly positions: Tensor;
  readonly starts: Tensor;
}

function fixed(device: Device): Fixed {
  const positions = t.fromArray(
    Int32Array.from({ length: T }, (_, i) => i % 12),
    [T],
    { device },
  );
  const starts = t.fromArray(Int32Array.of(0, 12, 24), [3], { device });
  return { rope: t.ropeTable({ dim: 4, base: 100, length: 12 }, { device }), positions, starts };
}

function loss(w: Record<string, Tensor>, { rope, positions, starts }: Fixed, ids: Tensor, targets: Tensor): Tensor {
  const of = (name: string) => w[name];
  const bf16 = { precision: 'bf16' } as const;
  const x = t.embedding(ids, of('embed'));
  const h = t.rmsNorm(x, of('norm1'), 1e-6);
  const heads = (y: Tensor) => t.reshape(y, [T, H, N]);
  const q = t.rope(heads(t.linear(h, of('q'), bf16)), positions, rope);
  const [keys, values] = t.split(t.linear(h, of('kv'), bf16), [D, D]) as [Tensor, Tensor];
  const mixed = t.attention(q, t.rope(heads(keys), positions, rope), heads(values), {
    queryStart: starts,
    maxQueries: 12,
  });
  const { sum, out } = t.addRmsNorm(x, t.linear(t.reshape(mixed, [T, D]), of('o'), bf16), of('norm2'), 1e-6);
  const routing = t.router(t.linear(out, of('gate')), null, { numExpertsPerTok: K });
  const plan = t.dispatchPlan(routing.indices, E);
  const rows = t.groupedLinear(t.permuteRows(out, plan), of('gateUp'), plan.offsets, { precision: 'fp8' });
  const experts = t.groupedLinear(t.swiglu(rows), of('down'), plan.offsets, { precision: 'fp8' });
  const y = t.unpermuteRows(experts, plan, routing.weights, sum);
  const balance = t.mean(t.balanceLoss(routing.scores, routing.indices, starts, 0.01));
  return t.add(t.crossEntropy(t.rmsNorm(y, of('norm3'), 1e-6), of('head'), targets, bf16), balance);
}

/** Data of step `i`: the target is the id after this one, so there is something to learn. */
function batch(i: number): { ids: Int32Array; targets: Int32Array } {
  const ids = Int32Array.from({ length: T }, (_, n) => (i * 5 + n * 7 + ((n * n) % 3)) % V);
  return { ids, targets: ids.map((id) => (id + 1) % V) };
}

class Trainer {
  readonly device: Device;
  readonly names: string[];
  readonly w: Record<string, Tensor>;
  readonly hyper: Tensor;
  readonly #states: Omit<t.AdamwUpdate, 'gradient' | 'hyper'>[];
  readonly #fixed: Fixed;

  constructor(device: Device) {
    this.device = device;
    this.w = weights(device);
    this.names = Object.keys(this.w);
    this.hyper = t.zeros([8], { device });
    const moment = (weight: Tensor) => t.zeros(weight.shape, { device });
    this.#states = Object.values(this.w).map((weight) => ({ weight, m: moment(weight), v: moment(weight) }));
    this.#fixed = fixed(device);
  }

  /** Queues one step; returns the loss. */
  step(ids: Tensor, targets: Tensor): Tensor {
    const tape = new t.Tape(Object.values(this.w));
    const value = tape.run(() => loss(this.w, this.#fixed, ids, targets));
    const gradients = tape.backward(value);
    const { coefficient } = t.gradientNorm(gradients, 1, this.hyper);
    const updates = this.#states.map((state, i) => ({ ...state, gradient: gradients[i], hyper: this.hyper }));
    t.adamwStep(updates, coefficient);
    return value;
  }

  setStep(step: number): void {
    this.hyper.write(t.adamwHyper({ learningRate: 0.02, step, weightDecay: 0.01 }));
  }

  inputs(i: number): [Tensor, Tensor] {
    const { ids, targets } = batch(i);
    return [t.fromArray(ids, [T], { device: this.device }), t.fromArray(targets, [T], { device: this.device })];
  }

  async eager(steps: number): Promise<number[]> {
    const losses: number[] = [];
    for (let i = 1; i <= steps; i++)
      await t.asyncScope(async (inside) => {
        this.setStep(i);
        const value = inside(() => this.step(...this.inputs(i)));
        losses.push(await value.item());
      });
    return losses;
  }

  async replayed(steps: number): Promise<number[]> {
    const recorded = t.scope(() => t.record(this.inputs(0), (ids, targets) => this.step(ids, targets)));
    const values: Promise<number>[] = [];
    for (let i = 1; i <= steps; i++)
      t.scope(() => {
        this.setStep(i);
        values.push(recorded.replay(...this.inputs(i)).item());
      });
    const losses = await Promise.all(values);
    recorded.dispose();
    return losses;
  }

  async weights(): Promise<Record<string, number[]>> {
    const entries = this.names.map(async (name) => [name, await this.w[name].toArray()] as const);
    return Object.fromEntries(await Promise.all(entries));
  }
}

for (const device of bestDevices()) {
  describe(`a training step on ${device.name} ${device.isa}`, () => {
    after(() => device.close());

    test('replayed = eager, to the bit, and the loss falls', async () => {
      const [eager, replayed] = [new Trainer(device), new Trainer(device)];
      const steps = device.name === 'reference' ? 4 : 30;
      const losses = await eager.eager(steps);
      assert.deepEqual(await replayed.replayed(steps), losses);
      assert.deepEqual(await replayed.weights(), await eager.weights());
      assert.ok((losses.at(-1) as number) < losses[0], `${losses}`);
      if (steps === 30) assert.ok((losses.at(-1) as number) < 0.5 * losses[0], `${losses}`);
    });

    if (device.name !== 'reference') {
      test('one thread = two threads, to the bit', async () => {
        const alone = openDevice({ device: device.name, isa: device.isa, threads: 1 });
        const [one, two] = [new Trainer(alone), new Trainer(device)];
        assert.deepEqual(await one.eager(5), await two.eager(5));
        assert.deepEqual(await one.weights(), await two.weights());
        await alone.close();
      });

      test('live bytes return to the baseline over 100 steps', async () => {
        const trainer = new Trainer(device);
        await trainer.eager(1);
        const baseline = device.liveBytes;
        for (let i = 0; i < 100; i++) {
          await trainer.eager(1);
          assert.equal(device.liveBytes, baseline);
        }
        await trainer.replayed(3);
        assert.equal(device.liveBytes, baseline);
      });
    }
  });
}
