// A step of pretraining: recorded = plain ops, micro-batches = one batch, NaN changes nothing and is found.
// npm test -- train-step
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../kernels/index.ts';
import {
  createModel,
  initialWeights,
  type Model,
  packDocuments,
  precisions,
  preset,
  type WeightMap,
} from '../model/index.ts';
import * as t from '../tensor/index.ts';
import { findBadOp } from './alarms.ts';
import type { OptimizerOptions } from './optimizer.ts';
import { type BalanceMethod, PretrainObjective, shiftedWindows, windowLength } from './pretrain-objective.ts';
import { TrainStep } from './train-step.ts';

const config = preset('nano', { vocabSize: 40 });
const S = 12;
const adamw: OptimizerOptions = {
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weightDecay: 0.1,
  maxGradNorm: 1,
  moments: 'f32',
};

function makeWindows(count: number, step = 0): Int32Array[] {
  const length = windowLength(config, S);
  return Array.from({ length: count }, (_, b) =>
    Int32Array.from({ length }, (_, i) => (b * 7 + i * 3 + step * 5 + ((i * i) % 5)) % 40),
  );
}

interface Made {
  readonly model: Model;
  readonly weights: WeightMap;
  readonly objective: PretrainObjective;
  readonly step: TrainStep;
}

function make(
  sequences: number,
  microBatches: number,
  balance: BalanceMethod = 'bias',
  optimizer: Partial<OptimizerOptions> = {},
  gradientCheckpointing = false,
): Made {
  const weights = initialWeights(config, 3);
  const model = createModel(config, weights, S + 1);
  const objective = new PretrainObjective(model, {
    sequences,
    sequenceLength: S,
    policy: precisions.bf16,
    balance,
    alpha: 1e-3,
  });
  objective.mtpWeight = 0.3;
  return {
    model,
    weights,
    objective,
    step: new TrainStep(config, weights, { ...adamw, ...optimizer }, microBatches, objective, {
      gradientCheckpointing,
    }),
  };
}

function free({ model, weights, objective, step }: Made): void {
  for (const owned of [step, objective, model, ...weights.values()]) owned.dispose();
}

const rates = (step: number) => ({ step, learningRate: 3e-3, biasUpdateSpeed: 0.001 });

/** All but the correction biases. */
const trainedWeights = (weights: WeightMap) => [...weights].filter(([name]) => !name.endsWith('correction_bias'));

async function readValues(weights: WeightMap): Promise<Map<string, number[]>> {
  const values = new Map<string, number[]>();
  for (const [name, tensor] of weights) values.set(name, await tensor.toArray());
  return values;
}

describe('a training step', () => {
  let device: Device;
  before(() => {
    device = openDevice();
    t.useDevice(device);
  });
  after(() => device.close());

  const run = (made: Made, windows: readonly Int32Array[], step: number, size = windows.length) =>
    t.scope(() => {
      const batches = Array.from({ length: windows.length / size }, (_, i) => [
        shiftedWindows(windows.slice(i * size, (i + 1) * size), S, device),
      ]);
      return { report: made.step.run(batches, rates(step)) };
    }).report;

  test('the losses of windows are those of the documents, targets at the end added', async () => {
    const made = make(2, 1);
    const windows = makeWindows(2);
    const [ours, theirs] = await t.asyncScope(async (inside) => {
      const losses = inside(() => {
        const { metrics } = made.objective.losses(shiftedWindows(windows, S, device));
        const whole = packDocuments(
          windows.map((w) => w.subarray(0, S + 1)),
          1,
        );
        return [metrics.loss, made.model.loss(whole, precisions.bf16).main] as [t.Tensor, t.Tensor];
      });
      return [await losses[0].item(), await losses[1].item()];
    });
    assert.ok(Math.abs(ours - theirs) < 1e-5 * theirs, `${ours} ${theirs}`);
    free(made);
  });

  for (const matrices of ['adamw', 'muon'] as const)
    test(`recorded = the same ops one by one, to the bit, over several steps of ${matrices}`, async () => {
      const [recorded, plain] = [make(4, 1, 'bias', { matrices }), make(4, 1, 'bias', { matrices })];
      for (let step = 1; step <= 3; step++) {
        await run(recorded, makeWindows(4, step), step);
        await t.asyncScope(async (inside) => {
          inside(() => {
            const { optimizer } = plain.step;
            optimizer.prepare(step, rates(step).learningRate);
            const trained = trainedWeights(plain.weights).map(([, weight]) => weight);
            const tape = new t.Tape(trained);
            let routings: readonly { readonly indices: t.Tensor }[] = [];
            const total = tape.run(() => {
              const losses = plain.objective.losses(shiftedWindows(makeWindows(4, step), S, device));
              routings = losses.routings;
              return losses.total;
            });
            optimizer.update(tape.backward(total));
            const biases = [...plain.weights].filter(([name]) => name.endsWith('correction_bias'));
            biases.forEach(([, bias], layer) => {
              const counts = t.zeros(bias.shape, { dtype: 'i32' });
              t.countExperts(routings[layer]?.indices, counts);
              t.balanceBias(bias, counts, t.fromArray(Float32Array.of(0.001), [1]));
            });
          });
          await device.flush();
        });
      }
      assert.deepEqual(await readValues(recorded.weights), await readValues(plain.weights));
      free(recorded);
      free(plain);
    });

  test('two micro-batches = one batch, within f32', async () => {
    const [whole, halves] = [make(4, 1), make(2, 2)];
    const windows = makeWindows(4);
    const [a, b] = [await run(whole, windows, 1), await run(halves, windows, 1, 2)];
    assert.ok(Math.abs(a.gradientNorm - b.gradientNorm) < 1e-3 * a.gradientNorm, `${a.gradientNorm} ${b.gradientNorm}`);
    for (const name of Object.keys(a.metrics))
      assert.ok(Math.abs(a.metrics[name] - b.metrics[name]) < 1e-4 * Math.abs(a.metrics[name]), name);
    assert.deepEqual(a.load, b.load);
    const second = await run(halves, makeWindows(4, 9), 2, 2);
    assert.notEqual(second.metrics.loss, b.metrics.loss); // sums began at zero again
    assert.ok(second.metrics.loss < 2 * b.metrics.loss);
    free(whole);
    free(halves);
  });

  test('a step of five micro-batches is one on the tree of their gradients, to the bit', async () => {
    const [whole, apart] = [make(1, 5), make(1, 5)];
    const windows = makeWindows(5);
    const report = await run(whole, windows, 1, 1);
    const norm = await t.asyncScope(async (inside) => {
      const update = inside(() => {
        const { optimizer } = apart.step;
        optimizer.prepare(1, rates(1).learningRate, 1 / 5);
        const gradients = windows.map((window) => apart.step.gradients([shiftedWindows([window], S, device)]));
        const [a, b, c, d, e] = gradients;
        return optimizer.update(a.map((_, i) => t.add(t.add(t.add(a[i], b[i]), t.add(c[i], d[i])), e[i])));
      });
      return (await update.norm.read())[0];
    });
    assert.equal(report.gradientNorm, norm);
    const [own, others] = [await readValues(whole.weights), await readValues(apart.weights)];
    for (const [name] of trainedWeights(whole.weights)) assert.deepEqual(own.get(name), others.get(name), name);
    free(whole);
    free(apart);
  });

  test('gradient checkpointing: the same bits and counts, and less memory', async () => {
    const [kept, again] = [make(4, 2), make(4, 2, 'bias', {}, true)];
    const memory: number[] = [];
    for (const made of [kept, again]) {
      const before = device.memory.reserved;
      await run(made, makeWindows(8, 1), 1, 4);
      memory.push(device.memory.reserved - before);
    }
    for (let step = 2; step <= 3; step++)
      assert.deepEqual(
        await run(kept, makeWindows(8, step), step, 4),
        await run(again, makeWindows(8, step), step, 4),
        `step ${step}`,
      );
    assert.deepEqual(await readValues(kept.weights), await readValues(again.weights));
    assert.ok(memory[1] < memory[0], `${memory}`);
    free(kept);
    free(again);
  });

  test('load counts every choice; biases move by their speed against it', async () => {
    const made = make(4, 1);
    const report = await run(made, makeWindows(4), 1);
    assert.equal(report.routerGradientNorms.length, report.load.length);
    assert.ok(report.routerGradientNorms.every((norm) => norm > 0));
    const biases = [...made.weights].filter(([name]) => name.endsWith('correction_bias')).map(([, bias]) => bias);
    for (const [layer, load] of report.load.entries()) {
      assert.equal(
        load.reduce((sum, n) => sum + n, 0),
        4 * S * 4,
      );
      const mean = (4 * S * 4) / load.length;
      const moved = await biases[layer].toArray();
      moved.forEach((bias, e) => {
        assert.ok(Math.abs(bias - 0.001 * Math.sign(mean - load[e])) < 1e-9);
      });
    }
    free(made);
  });

  test('none leaves biases and loss alone; the auxiliary loss moves the gates', async () => {
    const [none, loss] = [make(4, 1, 'none'), make(4, 1, 'loss')];
    const [a, b] = [await run(none, makeWindows(4), 1), await run(loss, makeWindows(4), 1)];
    assert.equal(a.metrics.loss, b.metrics.loss);
    assert.notDeepEqual(a.routerGradientNorms, b.routerGradientNorms);
    free(none);
    free(loss);
  });

  test('moments in bf16 learn about as well', async () => {
    const [full, half] = [make(4, 1), make(4, 1, 'bias', { moments: 'bf16' })];
    const losses: [number, number][] = [];
    for (let step = 1; step <= 20; step++) {
      const [a, b] = [await run(full, makeWindows(4), step), await run(half, makeWindows(4), step)];
      losses.push([a.metrics.loss, b.metrics.loss]);
    }
    const [[start], [end, endInHalf]] = [losses[0], losses.at(-1)] as [[number, number], [number, number]];
    // Both are falling by a tenth each step; rounding sends a token to another expert in one of them.
    assert.ok(end < 0.1 * start && Math.abs(end - endInHalf) < 0.02 * start, `${start} ${end} ${endInHalf}`);
    free(full);
    free(half);
  });

  test('Muon learns, and leaves embeddings, head, gates and gains to AdamW', async () => {
    const made = make(4, 1, 'bias', { matrices: 'muon' });
    const losses: number[] = [];
    for (let step = 1; step <= 20; step++) losses.push((await run(made, makeWindows(4), step)).metrics.loss);
    assert.ok((losses.at(-1) as number) < 0.2 * losses[0], `${losses}`);
    const names = [...made.step.optimizer.moments.keys()];
    const withSecond = names.filter((name) => name.endsWith('.v'));
    for (const name of withSecond) assert.match(name, /embed_tokens|lm_head|norm|mlp\.gate\.weight|shared_head\.head/);
    assert.ok(names.some((name) => name.endsWith('experts.gate_up_proj.m')));
    free(made);
  });

  test('steps queue: two runs before the first is read', async () => {
    const [queued, waited] = [make(4, 1), make(4, 1)];
    const reports = await Promise.all([run(queued, makeWindows(4, 1), 1), run(queued, makeWindows(4, 2), 2)]);
    assert.deepEqual(reports, [await run(waited, makeWindows(4, 1), 1), await run(waited, makeWindows(4, 2), 2)]);
    free(queued);
    free(waited);
  });

  test('a gradient that is not finite changes no weight, and its first op is named', async () => {
    const made = make(4, 1);
    const norm = made.weights.get('model.layers.0.input_layernorm.weight') as t.Tensor;
    norm.write(new Float32Array(norm.size).fill(3e38));
    const before = await readValues(made.weights);
    await assert.rejects(run(made, makeWindows(4), 1), /router_f32\] element \d+ is not finite/);
    const after = await readValues(made.weights);
    for (const [name] of trainedWeights(made.weights)) assert.deepEqual(after.get(name), before.get(name), name);
    const find = () =>
      findBadOp(made.weights, () => void made.step.gradients([shiftedWindows(makeWindows(4), S, device)]));
    assert.match(
      (await find()) as string,
      /^(rmsNorm|addRmsNorm|linear) \(output \d+ of \d+, Tensor (f32|bf16) .*is the first that is not finite/,
    );
    norm.write(new Float32Array(norm.size).fill(Number.NaN));
    assert.equal(await find(), 'the weight model.layers.0.input_layernorm.weight is not finite');
    norm.write(new Float32Array(norm.size).fill(1));
    assert.equal(await find(), null);
    free(made);
  });

  test('a step that does not fit is refused before it runs, with what helps', async () => {
    const small = openDevice({ memoryBytes: 2 ** 27 });
    t.useDevice(small);
    const made = make(600, 1);
    try {
      assert.throws(() => t.scope(() => void made.step.run([[shiftedWindows(makeWindows(600), S, small)]], rates(1))), {
        name: 'TrainError',
        message:
          /^\[memory\] a micro-batch does not fit beside the \d+ MiB of weights and moments; the limit is \d+ MiB; /,
      });
      assert.ok(small.memory.reserved < small.memory.limit);
    } finally {
      t.useDevice(device);
      await small.close();
    }
  });

  test('everything is given back', async () => {
    const baseline = device.liveBytes;
    const made = make(2, 2);
    for (let step = 1; step <= 3; step++) await run(made, makeWindows(4), step, 2);
    free(made);
    await device.flush();
    assert.equal(device.liveBytes, baseline);
  });
});
