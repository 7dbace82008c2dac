// A step of reinforcement learning: rollouts beside the engine's plain batches, the whole step beside peers' steps.
//
// The shape is the Countdown recipe's model with random weights; prompts are random ids, responses have a fixed length
// on both sides. The peers are those of bench/peers/rl.py: transformers' generate with plain autograd in its fastest
// way of running, and TRL's GRPOTrainer. Steps of both sides run in turn, so that a busy neighbor hits both.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recipe } from '../recipes/00-countdown-base.ts';
import { LatentPages, type Rollout, Rollouts } from '../src/engine/index.ts';
import { Random } from '../src/math/index.ts';
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
import { TrainPeer } from './train-peer.ts';

const [prompts, group, promptLength, tokens, parallel] = [16, 16, 20, 64, 128];
const responses = prompts * group;
const amount = responses * tokens;
const contextLength = promptLength + tokens;
/** An id that is never drawn, so that every response has all its tokens. */
const endId = -1;

/** Generates groups of responses to new prompts of random ids, which depend on `round`. */
function generateAll(rollouts: Rollouts, vocabSize: number, round: number): Promise<Rollout[]> {
  const random = new Random(round + 1);
  const asked = Array.from({ length: prompts }, () =>
    Int32Array.from({ length: promptLength }, () => random.whole(3, vocabSize - 1)),
  );
  return Promise.all(
    Array.from({ length: responses }, (_, i) =>
      rollouts.generate(asked[Math.floor(i / group)], { temperature: 1, maxTokens: tokens, seed: i }),
    ),
  );
}

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
  const shape = { tokens: 2048, sequences: 128, longest: contextLength, columns: grpoColumns, aheadDepth: 0 };
  const objective = new GrpoObjective(model, model, {
    shape,
    policy,
    temperature: 1,
    clipLow: 0.2,
    clipHigh: 0.2,
    klBeta: 0,
    mtpWeight: 0,
  });
  const optimizer = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, maxGradNorm: 1, moments: 'f32' } as const;
  const step = new TrainStep(config, weights, optimizer, 'sum', objective);
  let [count, round] = [0, 0];
  return {
    rollout: () => generateAll(rollouts, config.vocabSize, round++),
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
      await generateAll(plain, config.vocabSize, round++);
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

/** The last never ends with much more than a few responses. */
const modes = ['f32+grouped_mm', 'f32+eager', 'bf16+grouped_mm', 'f32+batched_mm'];
/** When a peer that hangs is ended. */
const limitSeconds = 600;

/** The names of peers, as bench/peers/rl.py knows them, with the ratio that is asked for. */
const peers = [
  { name: 'generate', title: 'PyTorch with generate', atLeast: 3.5 },
  { name: 'trl', title: "TRL's GRPOTrainer", atLeast: 6 },
] as const;

/** Takes whole steps in turn with each peer: PyTorch in its fastest way of running, which TRL then runs in as well. */
async function besidePeers(bench: Bench, python: string, config: ModelConfig, own: () => Promise<number>) {
  const folder = mkdtempSync(join(tmpdir(), 'minke-bench-'));
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(writeConfig(config)));
  const sizes = { config: file, prompts, group, prompt: promptLength, tokens, threads: bench.device.threads };
  const args = Object.entries(sizes).flatMap(([name, value]) => [`--${name}`, String(value)]);
  try {
    const search = new TrainPeer(python, ['generate', ...args], 'rl.py');
    const way = await search.findBest(modes);
    for (const { name, title, atLeast } of peers) {
      const peer = new TrainPeer(python, [name, ...args], 'rl.py').start(way, limitSeconds);
      try {
        await peer.ready();
        await peer.run(); // warms up
        const [seconds, theirs]: [number[], number[]] = [[], []];
        for (let i = 0; i < Math.min(5, bench.rounds); i++) {
          seconds.push(await own());
          theirs.push(await peer.run());
        }
        bench.beside({
          name: `GRPO step, ${prompts} x ${group} responses of ${tokens} tokens, by ${name}`,
          unit: 'tokens/s',
          amount,
          seconds,
          yardstick: { name: `${title} ${way.mode}, ${way.allocator}`, amount, seconds: theirs },
          required: { atLeast },
        });
      } catch (error) {
        console.log(`  ${title}: ${(error as Error).message}`);
      } finally {
        peer.end();
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function benchRlSteps(bench: Bench, python?: string): Promise<void> {
  useDevice(bench.device);
  const config = toModelConfig(resolveRecipe(pretrain, recipe), 512);
  const own = await openOwnSteps(bench, config);
  const wholeStep = () => measureSeconds(async () => own.train(await own.rollout()));
  try {
    await wholeStep();
    await own.plain();
    const [exact, plain]: [number[], number[]] = [[], []];
    for (let i = 0; i < bench.rounds; i++) {
      exact.push(await measureSeconds(own.rollout));
      plain.push(await measureSeconds(own.plain));
    }
    bench.beside({
      name: `exact rollouts, ${prompts} x ${group} responses of ${tokens} tokens, ${parallel} at once`,
      unit: 'tokens/s',
      amount,
      seconds: exact,
      yardstick: { name: 'plain batches, bf16', amount, seconds: plain },
      required: { atLeast: 0.8 },
    });
    if (python) await besidePeers(bench, python, config, wholeStep);
  } finally {
    own.free();
  }
}
