// Whole training steps: taking turns with PyTorch's, and relative to the bf16 GEMM rate of the machine (MFU).
//
// PyTorch runs bench/peers/train.py at its best: each way of running it (f32, bf16 autocast, compiled, implementations
// of the experts) is timed first, and the fastest then takes turns with ours. Ours is the recorded step in bf16. Model
// FLOPs follow flopsPerToken (causal attention counted once), with MTP where the model has it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../src/kernels/root.ts';
import {
  createModel,
  flopsPerToken,
  initialWeights,
  type ModelConfig,
  precisions,
  preset,
  readConfig,
  writeConfig,
} from '../src/model/index.ts';
import { keep, scope, type Tensor, useDevice } from '../src/tensor/index.ts';
import { PretrainObjective, shiftedWindows, TrainStep, windowLength } from '../src/train/index.ts';
import { gemmWork } from './gemm.ts';
import type { Bench, Required } from './harness.ts';

interface Shape {
  readonly name: string;
  readonly config: ModelConfig;
  readonly batch: number;
  readonly sequence: number;
}

const withoutMtp = (config: ModelConfig) =>
  readConfig({ ...writeConfig(config), num_nextn_predict_layers: 0 }, 'without MTP');

/** nanoGPT's CPU Shakespeare shape as a Llama: the same width, depth, heads and about the same parameters. */
const nanoGpt = readConfig(
  {
    model_type: 'llama',
    vocab_size: 65,
    hidden_size: 128,
    intermediate_size: 344,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
  },
  'nanoGPT',
);

const optimizer = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, maxGradNorm: 1, moments: 'f32' } as const;

interface OwnTraining {
  readonly step: () => Promise<number>;
  readonly free: () => void;
}

function openTraining(bench: Bench, { config, batch, sequence }: Shape): OwnTraining {
  const { device } = bench;
  const weights = initialWeights(config, 1, device);
  const model = createModel(config, weights, sequence);
  const objective = new PretrainObjective(model, {
    sequences: batch,
    sequenceLength: sequence,
    policy: precisions.bf16,
    balance: 'bias',
    alpha: 1e-4,
  });
  objective.mtpWeight = 0.3;
  const trainStep = new TrainStep(config, weights, optimizer, 1, objective);
  const windows = Array.from({ length: batch }, (_, b) =>
    Int32Array.from({ length: windowLength(config, sequence) }, (_, i) => (i * 7 + b * 13 + ((i * i) % 11)) % 65),
  );
  const shifted: Tensor = scope(() => keep(shiftedWindows(windows, sequence, device)));
  let count = 0;
  return {
    step: async () => {
      const start = performance.now();
      await trainStep.run([[shifted]], { step: ++count, learningRate: 1e-4, biasUpdateSpeed: 0.001 });
      return (performance.now() - start) / 1000;
    },
    free: () => {
      for (const owned of [trainStep, objective, model, shifted, ...weights.values()]) owned.dispose();
    },
  };
}

/** A PyTorch process that runs steps when it is asked to. */
class Peer {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(python: string, args: readonly string[]) {
    this.#child = spawn(python, [script, ...args, '--serve'], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#answers = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  async ready(): Promise<void> {
    await this.#answers.next();
  }

  async step(): Promise<number> {
    this.#child.stdin?.write('1\n');
    return (JSON.parse((await this.#answers.next()).value as string) as { seconds: number }).seconds;
  }

  end(): void {
    this.#child.stdin?.end();
  }
}

const script = join(packageRoot(), 'bench', 'peers', 'train.py');

/** The fastest of a peer's modes; all of them are printed. */
function fastest(python: string, args: readonly string[], modes: readonly string[]): string {
  const { stdout, stderr } = spawnSync(python, [script, ...args, '--steps', '7', '--modes', ...modes], {
    encoding: 'utf8',
  });
  const found = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { mode: string; tokensPerSecond?: number; error?: string });
  for (const { mode, tokensPerSecond, error } of found)
    console.log(`  PyTorch ${args[0]} ${mode}: ${error ?? `${Math.round(tokensPerSecond as number)} tokens/s`}`);
  const best = found.toSorted((a, b) => (b.tokensPerSecond ?? 0) - (a.tokensPerSecond ?? 0))[0];
  if (!best?.tokensPerSecond) throw new Error(`no way of running PyTorch works: ${stderr.slice(-500)}`);
  return best.mode;
}

interface PeerOptions {
  readonly model: 'deepseek' | 'gpt' | 'llama';
  readonly modes: readonly string[];
  readonly required?: Required;
}

async function beside(
  bench: Bench,
  python: string,
  shape: Shape,
  { model, modes, required }: PeerOptions,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'minke-bench-'));
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(writeConfig(shape.config)));
  const sizes = ['--batch', String(shape.batch), '--sequence', String(shape.sequence)];
  const args = [model, '--config', file, ...sizes, '--threads', String(bench.device.threads)];
  const mode = fastest(python, args, modes);
  const peer = new Peer(python, [...args, '--modes', mode]);
  const own = openTraining(bench, shape);
  try {
    await peer.ready();
    for (let i = 0; i < 3; i++) await own.step();
    const [seconds, theirs]: [number[], number[]] = [[], []];
    for (let round = 0; round < bench.rounds; round++) {
      seconds.push(await own.step());
      theirs.push(await peer.step());
    }
    const amount = shape.batch * shape.sequence;
    bench.beside({
      name: `${shape.name}, ${shape.batch} x ${shape.sequence}`,
      unit: 'tokens/s',
      amount,
      seconds,
      yardstick: { name: `PyTorch ${model} ${mode}`, amount, seconds: theirs },
      ...(required && { required }),
    });
  } finally {
    peer.end();
    await bench.device.flush();
    own.free();
    rmSync(folder, { recursive: true });
  }
}

/** Measures the share of the bf16 GEMM rate that becomes model FLOPs. */
async function measureShare(bench: Bench, shape: Shape, required: Required): Promise<void> {
  const own = openTraining(bench, shape);
  const gemm = gemmWork(bench, 'bf16', 1024, 1024, 1024);
  const { training, mtpTraining } = flopsPerToken(shape.config, shape.sequence);
  const gemms = 10;
  for (let i = 0; i < 2; i++) await own.step();
  const [seconds, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < bench.rounds; round++) {
    seconds.push(await own.step());
    const start = performance.now();
    for (let i = 0; i < gemms; i++) gemm.encode();
    await bench.device.flush();
    theirs.push((performance.now() - start) / 1000 / gemms);
  }
  bench.beside({
    name: `${shape.name}, ${shape.batch} x ${shape.sequence}, MFU`,
    unit: 'GFLOP/s',
    seconds,
    required,
    amount: (training + mtpTraining) * shape.batch * shape.sequence,
    yardstick: { name: 'bf16 GEMM 1024', amount: gemm.amount, seconds: theirs },
  });
  own.free();
}

/** The implementations of the experts that came near the best; `eager` and `batched_mm` did not. */
const experts = ['f32+grouped_mm', 'bf16+grouped_mm', 'bf16+grouped_mm+compile'];
const plain = ['f32', 'bf16', 'f32+compile', 'bf16+compile'];

export async function training(bench: Bench, python?: string): Promise<void> {
  useDevice(bench.device);
  const tiny = preset('tiny');
  await measureShare(bench, { name: 'tiny', config: tiny, batch: 16, sequence: 256 }, { atLeast: 0.3 });
  await measureShare(bench, { name: 'small', config: preset('small'), batch: 8, sequence: 512 }, { atLeast: 0.45 });
  if (python === undefined) return;
  const deepseek = { name: 'tiny without MTP', config: withoutMtp(tiny), batch: 8, sequence: 128 };
  await beside(bench, python, deepseek, { model: 'deepseek', modes: experts, required: { atLeast: 4 } });
  const shape = { name: "dense, nanoGPT's shape", config: nanoGpt, batch: 12, sequence: 64 };
  await beside(bench, python, shape, { model: 'gpt', modes: plain, required: { atLeast: 3 } });
}
