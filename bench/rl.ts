// A step of reinforcement learning: rollouts beside the engine's plain batches, the whole step beside PyTorch's.
//
// The shape is the Countdown recipe's model with random weights; responses have a fixed length on both sides. The peer
// is bench/peers/rl.py: transformers' generate and plain autograd, in its fastest implementation of the experts. Our
// steps run before and after the peer's, so that a busy neighbor hits both.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recipe } from '../recipes/00-countdown-base.ts';
import { LatentPages, type Rollout, Rollouts } from '../src/engine/index.ts';
import { packageRoot } from '../src/kernels/root.ts';
import { exportWeights, openCheckpoint, servingWeights, writeCheckpoint } from '../src/model/checkpoint/index.ts';
import {
  createModel,
  initialWeights,
  type ModelConfig,
  precisions,
  type WeightMap,
  writeConfig,
} from '../src/model/index.ts';
import { GrpoObjective, grpoColumns } from '../src/rl/index.ts';
import { keep, scope, useDevice } from '../src/tensor/index.ts';
import { pack, pretrain, resolveRecipe, sequenceInputs, TrainStep, toModelConfig } from '../src/train/index.ts';
import type { Bench } from './harness.ts';

const [responses, promptLength, tokens, parallel] = [512, 20, 64, 128];
const contextLength = promptLength + tokens;
/** An id that is never drawn, so that every response has all its tokens. */
const endId = -1;

const asks = Array.from({ length: responses }, (_, i) => ({
  prompt: Int32Array.from({ length: promptLength }, (_, j) => 3 + ((i * 31 + j * 7) % 500)),
  seed: i,
}));

const generateAll = (rollouts: Rollouts) =>
  Promise.all(asks.map(({ prompt, seed }) => rollouts.generate(prompt, { temperature: 1, maxTokens: tokens, seed })));

interface OwnSteps {
  readonly rollout: () => Promise<Rollout[]>;
  readonly train: (made: readonly Rollout[]) => Promise<void>;
  readonly plain: () => Promise<void>;
  readonly free: () => void;
}

/** Packs the same weights as for serving. */
async function servedFrom(config: ModelConfig, weights: WeightMap) {
  const folder = mkdtempSync(join(tmpdir(), 'minke-bench-'));
  try {
    const tensors = exportWeights(config, weights, 'bf16');
    await writeCheckpoint(folder, writeConfig(config), tensors, { shardBytes: Number.POSITIVE_INFINITY });
    const source = await openCheckpoint(folder);
    const { weights: served } = await servingWeights(config, source, { format: 'bf16' });
    await source.close();
    return served;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function openOwnSteps({ device }: Bench, config: ModelConfig): Promise<OwnSteps> {
  const weights = initialWeights(config, 1, device);
  for (const weight of weights.values()) keep(weight);
  const policy = precisions.bf16;
  const options = { policy, maxSequences: parallel, contextLength: contextLength + 1, endId };
  const model = createModel(config, weights, contextLength + 2);
  const rollouts = new Rollouts(model, options);
  const served = await servedFrom(config, weights);
  const servedModel = createModel(config, served, contextLength + 2);
  const plain = new Rollouts(servedModel, options, (blocks) => new LatentPages(config, blocks));
  const shape = { tokens: 4096, sequences: 64, longest: contextLength, columns: grpoColumns };
  const objective = new GrpoObjective(model, model, {
    shape,
    policy,
    temperature: 1,
    clipLow: 0.2,
    clipHigh: 0.2,
    klBeta: 0,
  });
  const optimizer = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, maxGradNorm: 1, moments: 'f32' } as const;
  const step = new TrainStep(config, weights, optimizer, 'sum', objective);
  let count = 0;
  return {
    rollout: () => generateAll(rollouts),
    train: async (made) => {
      const sequences = made.map(({ prompt, ids, logprobs }, r) => {
        const each = (value: number) => new Float32Array(ids.length).fill(value);
        const columns = {
          rolloutLogprob: logprobs,
          advantage: each(r % 2 ? 1 : -1),
          weight: each(1 / (responses * tokens)),
          mask: each(1),
        };
        return { ids: [...prompt, ...ids], promptLength, columns };
      });
      const { report } = scope(() => ({
        report: step.run(
          pack(sequences, shape).map((bin) => sequenceInputs(bin, shape, device)),
          { step: ++count, learningRate: 1e-4, biasUpdateSpeed: 0 },
        ),
      }));
      const { metrics } = await report;
      if (metrics.mismatch !== 0) throw new Error(`${metrics.mismatch} tokens differ between rollout and training`);
    },
    plain: async () => {
      await generateAll(plain);
    },
    free: () => {
      for (const owned of [rollouts, plain, step, model, servedModel]) owned.dispose();
      for (const weight of [...weights.values(), ...served.values()]) weight.dispose();
    },
  };
}

async function measureSeconds(body: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await body();
  return (performance.now() - start) / 1000;
}

/** Returns the seconds of the peer's whole steps, with its fastest implementation of experts. */
function peerSteps(
  python: string,
  config: ModelConfig,
  threads: number,
  steps: number,
): { name: string; seconds: number[] } {
  const folder = mkdtempSync(join(tmpdir(), 'minke-bench-'));
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(writeConfig(config)));
  const sizes = { responses, prompt: promptLength, tokens, threads, steps };
  const flags = Object.entries(sizes).flatMap(([name, value]) => [`--${name}`, String(value)]);
  try {
    const found = ['grouped_mm', 'batched_mm', 'eager'].flatMap((experts) => {
      const script = join(packageRoot(), 'bench', 'peers', 'rl.py');
      const { stdout } = spawnSync(python, [script, '--config', file, ...flags, '--experts', experts], {
        encoding: 'utf8',
      });
      const text = stdout.trim().split('\n').at(-1) ?? '';
      if (!text.startsWith('{')) return [];
      const { rollout, train } = JSON.parse(text) as { rollout: number[]; train: number[] };
      return [{ name: `PyTorch ${experts}`, seconds: rollout.map((r, i) => r + train[i]) }];
    });
    if (found.length === 0) throw new Error('no way of running the peer works');
    for (const { name, seconds } of found)
      console.log(`  ${name}: ${seconds.map((s) => s.toFixed(1)).join(', ')} s a step`);
    return found.reduce((a, b) => (Math.min(...a.seconds) <= Math.min(...b.seconds) ? a : b));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function benchRlSteps(bench: Bench, python?: string): Promise<void> {
  useDevice(bench.device);
  const config = toModelConfig(resolveRecipe(pretrain, recipe), 512);
  const own = await openOwnSteps(bench, config);
  try {
    await own.train(await own.rollout());
    await own.plain();
    const [rollouts, plain, steps]: [number[], number[], number[]] = [[], [], []];
    const round = async () => {
      let made: Rollout[] = [];
      const rolled = await measureSeconds(async () => {
        made = await own.rollout();
      });
      rollouts.push(rolled);
      plain.push(await measureSeconds(own.plain));
      steps.push(rolled + (await measureSeconds(() => own.train(made))));
    };
    for (let i = 0; i < bench.rounds; i++) await round();
    const amount = responses * tokens;
    bench.beside({
      name: `rollouts, ${responses} responses of ${tokens} tokens, ${parallel} at once`,
      unit: 'tokens/s',
      amount,
      seconds: rollouts,
      yardstick: { name: 'plain batches, bf16', amount, seconds: plain },
      required: { atLeast: 0.5 },
    });
    if (!python) return;
    const peer = peerSteps(python, config, bench.device.threads, 3);
    for (let i = 0; i < bench.rounds; i++) await round();
    bench.beside({
      name: `GRPO step, ${responses} responses of ${tokens} tokens`,
      unit: 'tokens/s',
      amount,
      seconds: steps.slice(-peer.seconds.length),
      yardstick: { name: peer.name, amount, seconds: peer.seconds },
      required: { atLeast: 5 },
    });
  } finally {
    own.free();
  }
}
