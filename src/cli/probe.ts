// minke probe: measures this machine for `minke plan`, in about a minute, and writes a row of the hardware table.
//
// Arithmetic and memory are those of `minke doctor`. Training is measured on models of a few layers and several widths,
// the widest too large for a cache, with experts and without, each with two sizes of micro-batch: the difference is
// what tokens take, the rest what a step takes for its parameters. Memory is what the device has reserved after each.
import { writeFileSync } from 'node:fs';
import { type Device, describeMachine, measure, openDevice, openYardsticks } from '../kernels/index.ts';
import { formatBytes, median, Random } from '../math/index.ts';
import {
  countParameters,
  createModel,
  flopsPerToken,
  initialWeights,
  type ModelConfig,
  precisions,
  preset,
  readConfig,
  writeConfig,
} from '../model/index.ts';
import { countedTokenBytes, type Market, type MeasuredStep } from '../planner/index.ts';
import { scope, useDevice } from '../tensor/index.ts';
import { PretrainObjective, shiftedWindows, TrainStep, windowLength } from '../train/index.ts';
import { compileKernels } from './long-work.ts';

/** Tokens of a sequence in the measured steps. */
export const sequence = 256;
/** Layers of narrow models, and of the widest, whose parameters come from memory as those of real ones do. */
const layers = { few: 2, many: 8 } as const;
const round = (value: number) => Number(value.toPrecision(3));

/** Sequences of the two micro-batches. */
const sizes = [1, 4] as const;

/** A preset with few layers and without MTP modules. */
function shallow(name: string): ModelConfig {
  const count = name === 'small' ? layers.many : layers.few;
  const fields = name === 'smollm2-135m' ? {} : { num_nextn_predict_layers: 0 };
  return readConfig({ ...writeConfig(preset(name)), ...fields, num_hidden_layers: count }, name);
}

/** SmolLM2's layers at another width; narrow models have a vocabulary of bytes, wide ones one of words. */
function dense(width: number): ModelConfig {
  const [count, words] = width < 512 ? [layers.few, 256] : [layers.many, 32_768];
  const heads = width / 64;
  const shape = { hidden_size: width, intermediate_size: Math.round(2.7 * width), num_attention_heads: heads };
  const fields = { ...writeConfig(preset('smollm2-135m')), ...shape, num_key_value_heads: heads, vocab_size: words };
  return readConfig({ ...fields, num_hidden_layers: count }, `dense ${width}`);
}

interface Sample {
  readonly seconds: number;
  readonly bytes: number;
}

/** Trains a few steps on random ids, each of one micro-batch of `batch` sequences. */
export async function sampleSteps(config: ModelConfig, batch: number, steps: number): Promise<Sample> {
  const device = openDevice();
  try {
    useDevice(device);
    const weights = initialWeights(config, 1, device);
    const objective = new PretrainObjective(createModel(config, weights, sequence), {
      sequences: batch,
      sequenceLength: sequence,
      policy: precisions.bf16,
      balance: 'bias',
      alpha: 1e-4,
    });
    const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, maxGradNorm: 1, moments: 'f32' } as const;
    const trainStep = new TrainStep(config, weights, adamw, 1, objective);
    const random = new Random(1);
    const seconds: number[] = [];
    for (let step = 1; step <= steps + 1; step++) {
      const windows = Array.from({ length: batch }, () =>
        Int32Array.from({ length: windowLength(config, sequence) }, () => random.below(config.vocabSize)),
      );
      const start = performance.now();
      const { report } = scope(() => ({
        report: trainStep.run([[shiftedWindows(windows, sequence, device)]], {
          step,
          learningRate: 1e-4,
          biasUpdateSpeed: 0.001,
        }),
      }));
      await report;
      if (step > 1) seconds.push((performance.now() - start) / 1000); // the first one records
    }
    return { seconds: median(seconds), bytes: device.memory.reserved };
  } finally {
    await device.close();
  }
}

/** Returns what a step of a configuration takes for its tokens, and for its parameters. */
async function measureStep(config: ModelConfig, experts: boolean): Promise<MeasuredStep> {
  const [few, many] = [await sampleSteps(config, sizes[0], 5), await sampleSteps(config, sizes[1], 5)];
  const tokens = (sizes[1] - sizes[0]) * sequence;
  const { total, mtp } = countParameters(config);
  const parameters = total + mtp;
  const perToken = Math.max(1e-12, (many.seconds - few.seconds) / tokens);
  const bytesPerToken = Math.max(1, (many.bytes - few.bytes) / tokens);
  const once = few.seconds - perToken * sizes[0] * sequence;
  const step = {
    experts,
    width: config.hiddenSize,
    flops: round(flopsPerToken(config, sequence).training / perToken),
    secondsPerParameter: round(Math.max(0, once) / parameters),
    bytesPerParameter: round(Math.max(1, few.bytes - bytesPerToken * sizes[0] * sequence) / parameters),
    activationRatio: round(bytesPerToken / countedTokenBytes(config)),
  };
  console.log(
    `  ${(experts ? 'experts' : 'dense').padEnd(7)} ${String(step.width).padStart(4)} wide: training ` +
      `${round(step.flops / 1e9)} GFLOP/s, memory ${step.activationRatio}x of what is counted for a token`,
  );
  return step;
}

/**
 * Returns rows with the memory that a further parameter takes, from the least and the largest model: what the device
 * reserves for any model, some 50 MB, is no part of it.
 */
function withoutBase(steps: readonly MeasuredStep[], [least, largest]: readonly ModelConfig[]): MeasuredStep[] {
  const counts = [least, largest].map((config) => countParameters(config).total);
  const bytes = [steps[0], steps[steps.length - 1]].map((step, i) => step.bytesPerParameter * counts[i]);
  const each = Math.max(1, (bytes[1] - bytes[0]) / (counts[1] - counts[0]));
  return steps.map((step) => ({ ...step, bytesPerParameter: round(each) }));
}

async function measureRates(device: Device) {
  const yardsticks = openYardsticks(device);
  try {
    const [arithmetic, read] = await measure(device, [
      yardsticks.arithmetic('probe_dot_bf16', device.threads),
      yardsticks.read(device.threads),
    ]);
    return { flops: arithmetic.median, bandwidth: read.median };
  } finally {
    yardsticks.free();
  }
}

export async function probeCommand(file: string): Promise<void> {
  const machine = describeMachine();
  await compileKernels(true);
  const device = openDevice();
  const rates = await measureRates(device);
  const memoryBytes = device.memory.limit;
  await device.close();
  const threads = `${machine.cpu}, ${device.threads} threads`;
  console.log(`${threads}: ${round(rates.flops / 1e9)} GFLOP/s in BF16, ${round(rates.bandwidth / 1e9)} GB/s read`);
  const experts: MeasuredStep[] = [];
  for (const name of ['nano', 'tiny', 'small']) experts.push(await measureStep(shallow(name), true));
  const plain: MeasuredStep[] = [];
  for (const width of [128, 576]) plain.push(await measureStep(dense(width), false));
  const measured = [
    ...withoutBase(experts, ['nano', 'small'].map(shallow)),
    ...withoutBase(plain, [128, 576].map(dense)),
  ];
  const row: Market['hardware'][number] = {
    name: 'this-machine',
    kind: 'cpu',
    flops: { bf16: round(rates.flops), fp8: null },
    memoryBytes,
    bandwidth: round(rates.bandwidth),
    linkBandwidth: null,
    networkBandwidth: null,
    devicesPerNode: 1,
    watts: null,
    price: null,
    measured,
    date: new Date().toISOString().slice(0, 10),
    source: threads,
  };
  writeFileSync(file, `${JSON.stringify({ hardware: [row] }, null, 2)}\n`);
  console.log(`${formatBytes(memoryBytes)} of memory; written to ${file}`);
  console.log(`next: minke plan train tiny --tokens 10M --market ${file} --device this-machine`);
}
