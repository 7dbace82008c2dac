// Twenty training steps equal PyTorch's: losses, gradient norms, and the final weights and biases. npm test -- golden
// Fixture: scripts/parity/train.py (it names its versions). FP8 and BF16 follow the same curve within the error of the
// format: a product of numbers with 8 bits of mantissa is off by 2^-8 at most, with 4 bits (E4M3) by 2^-4, and a loss
// is a mean over many of them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../src/kernels/index.ts';
import { packageRoot } from '../src/kernels/root.ts';
import { bestDevices } from '../src/kernels/test-devices.ts';
import { createModel, type PrecisionName, precisions, readConfig } from '../src/model/index.ts';
import { scope, useDevice } from '../src/tensor/index.ts';
import {
  learningRateAt,
  PretrainObjective,
  type StepReport,
  shiftedWindows,
  TrainStep,
  windowLength,
} from '../src/train/index.ts';
import { parityWeights } from './parity-weights.ts';

interface Fixture {
  readonly config: { readonly vocab_size: number };
  readonly recipe: Readonly<Record<string, number>>;
  readonly curve: readonly Readonly<Record<'loss' | 'mtpLoss' | 'balanceLoss' | 'gradientNorm', number>>[];
  readonly weight_norms: Readonly<Record<string, number>>;
  readonly biases: readonly (readonly number[])[];
}

const fixture: Fixture = JSON.parse(readFileSync(join(packageRoot(), 'test/fixtures/training.json'), 'utf8'));
const of = (name: string) => fixture.recipe[name];
const config = readConfig(fixture.config, 'training.json');
const S = of('sequence_length');

function windows(step: number): Int32Array[] {
  const V = fixture.config.vocab_size;
  return Array.from({ length: of('sequences') }, (_, b) =>
    Int32Array.from({ length: windowLength(config, S) }, (_, i) => (b * 7 + i * 3 + step * 5 + ((i * i) % 5)) % V),
  );
}

interface Trained {
  readonly curve: readonly StepReport[];
  readonly norms: ReadonlyMap<string, number>;
  readonly biases: readonly (readonly number[])[];
}

async function train(device: Device, precision: PrecisionName): Promise<Trained> {
  const weights = parityWeights(config, 0);
  const model = createModel(config, weights, S);
  const sizes = { sequences: of('sequences'), sequenceLength: S };
  const objective = new PretrainObjective(model, {
    ...sizes,
    policy: precisions[precision],
    balance: 'bias',
    alpha: of('alpha'),
  });
  objective.mtpWeight = of('mtp_weight');
  const optimizer = { beta1: of('beta1'), beta2: of('beta2'), eps: of('eps'), weightDecay: of('weight_decay') };
  const step = new TrainStep(
    config,
    weights,
    { ...optimizer, maxGradNorm: of('max_grad_norm'), moments: 'f32' },
    1,
    objective,
  );
  const [peak, warmupSteps] = [of('learning_rate'), of('warmup_steps')];
  const schedule = { learningRate: peak, minLearningRate: peak, warmupSteps, decay: 'constant', decayFrom: 0 } as const;
  const curve: StepReport[] = [];
  for (let i = 1; i <= of('steps'); i++) {
    const rates = { learningRate: learningRateAt(schedule, i, of('steps')), biasUpdateSpeed: of('bias_update_speed') };
    const { report } = scope(() => ({
      report: step.run([[shiftedWindows(windows(i), S, device)]], { step: i, ...rates }),
    }));
    curve.push(await report);
  }
  const norms = new Map<string, number>();
  const biases: number[][] = [];
  for (const [name, weight] of weights) {
    const values = await weight.toArray();
    norms.set(name, Math.sqrt(values.reduce((sum, x) => sum + x * x, 0)));
    if (name.endsWith('correction_bias')) biases.push(values);
  }
  for (const owned of [step, objective, model, ...weights.values()]) owned.dispose();
  return { curve, norms, biases };
}

describe('twenty steps in PyTorch', () => {
  let device: Device;
  before(() => {
    device = openDevice();
    useDevice(device);
  });
  after(() => device.close());

  function compare({ curve }: Trained, tolerance: number): void {
    for (const [i, expected] of fixture.curve.entries()) {
      const { metrics, gradientNorm } = curve[i];
      for (const [name, ours] of Object.entries({ ...metrics, gradientNorm })) {
        const theirs = expected[name as keyof typeof expected];
        assert.ok(Math.abs(ours / theirs - 1) < tolerance, `step ${i + 1}, ${name}: ${ours}, expected ${theirs}`);
      }
    }
  }

  /**
   * Compares losses at every step within half of `tolerance`, and gradient norms within it in the mean over the steps:
   * where rounding sends one token to another expert, the norm of that step alone moves by several percent.
   */
  function follow({ curve }: Trained, tolerance: number): void {
    const deviations: number[] = [];
    for (const [i, expected] of fixture.curve.entries()) {
      const { metrics, gradientNorm } = curve[i];
      deviations.push(Math.abs(gradientNorm / expected.gradientNorm - 1));
      for (const [name, ours] of Object.entries(metrics)) {
        const theirs = expected[name as keyof typeof expected];
        assert.ok(Math.abs(ours / theirs - 1) < tolerance / 2, `step ${i + 1}, ${name}: ${ours}, expected ${theirs}`);
      }
    }
    const mean = deviations.reduce((sum, deviation) => sum + deviation, 0) / deviations.length;
    assert.ok(mean < tolerance, `gradient norms differ by ${mean} in the mean`);
  }

  test('the curve falls', () => {
    const [first, last] = [fixture.curve[0], fixture.curve.at(-1)] as [{ loss: number }, { loss: number }];
    assert.ok(last.loss < 0.9 * first.loss);
  });

  const others = bestDevices().filter(({ name }) => name !== 'reference');
  after(() => Promise.all(others.map((other) => other.close())));
  for (const other of others)
    test(`f32 on ${other.name} ${other.isa}: every loss and norm, the weights and the biases at the end`, async () => {
      useDevice(other);
      const trained = await train(other, 'f32').finally(() => useDevice(device));
      compare(trained, 1e-3);
      for (const [name, theirs] of Object.entries(fixture.weight_norms)) {
        const ours = trained.norms.get(name) as number;
        assert.ok(Math.abs(ours / theirs - 1) < 1e-4, `${name}: ${ours}, expected ${theirs}`);
      }
      for (const [layer, theirs] of fixture.biases.entries())
        for (const [e, bias] of theirs.entries())
          assert.ok(Math.abs(trained.biases[layer]?.[e] - bias) < 1e-6, `layer ${layer}, expert ${e}`);
    });

  test('bf16 follows the curve', async () => follow(await train(device, 'bf16'), 2 ** -5));
  test('fp8 follows the curve', async () => follow(await train(device, 'fp8'), 2 ** -4));
});
