// For tests: a small model with seeded weights, one that has read well-formed answers, and a short run on it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../kernels/index.ts';
import { createModel, initialWeights, type Model, preset, type WeightMap } from '../model/index.ts';
import { keep } from '../tensor/index.ts';
import { pretrain, resolveRecipe, startRun } from '../train/index.ts';
import { grpoColumns } from './grpo-objective.ts';
import type { RlRecipe } from './rl-recipe.ts';

export const vocabulary = 40;
export const config = preset('nano', { vocabSize: vocabulary });
export const shape = { tokens: 48, sequences: 4, longest: 24, columns: grpoColumns, aheadDepth: 0 };
export const adamw = {
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weightDecay: 0,
  maxGradNorm: 1e9,
  moments: 'f32',
} as const;

export function close(found: ArrayLike<number>, expected: ArrayLike<number>, within = 1e-6): void {
  assert.equal(found.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    const [value, wanted] = [found[i], expected[i]];
    assert.ok(Math.abs(value - wanted) <= within, `${i}: ${value} is not ${wanted}`);
  }
}

export function made(seed: number, device: Device): { model: Model; weights: WeightMap } {
  const weights = initialWeights(config, seed, device);
  for (const weight of weights.values()) keep(weight);
  return { model: createModel(config, weights, 64), weights };
}

/** Writes well-formed answers to a corpus; returns its path. */
export function writeFormattedCorpus(folder: string): string {
  const corpus = join(folder, 'corpus.jsonl');
  const page = (i: number) => {
    const [a, b] = [10 + ((i * 37) % 45), 10 + ((i * 11) % 44)];
    return `User: Make ${a + b} from ${a}, ${b}.\nAssistant: <think>\n${b}*0\n</think>\n<answer>${a}+${b}</answer>`;
  };
  writeFileSync(corpus, Array.from({ length: 600 }, (_, i) => JSON.stringify({ text: page(i) })).join('\n'));
  return corpus;
}

/** Trains a model on well-formed answers, so that some of its own are well-formed; returns its checkpoint. */
export async function trainFormattedModel(
  folder: string,
  device: Device,
  { steps = 150, mtpModules = 0 } = {},
): Promise<string> {
  const corpus = writeFormattedCorpus(folder);
  const fields = { preset: 'nano', num_nextn_predict_layers: mtpModules };
  const run = join(folder, 'base');
  await startRun(
    pretrain,
    resolveRecipe(pretrain, {
      model: fields,
      data: { inputs: [corpus], tokenizer: 'characters', validationFraction: 0 },
      steps,
      batchSize: 16,
      sequenceLength: 96,
      every: { evaluate: steps, sample: steps, save: steps },
      schedule: { learningRate: 4e-3, minLearningRate: 1e-3, warmupSteps: 10 },
    }),
    { folder: run, device },
  );
  return join(run, 'checkpoints', `step-${`${steps}`.padStart(8, '0')}`);
}

/** Returns the recipe of four steps on it. */
export const shortRun = (model: string): RlRecipe => ({
  model,
  tasks: [{ task: 'countdown', difficulty: 2 }],
  steps: 4,
  questions: 4,
  groupSize: 8,
  maxTokens: 60,
  microBatchTokens: 256,
  parallel: 8,
  evaluation: { problems: 3, samples: 2 },
  learningRate: 1e-3,
  every: { evaluate: 2, sample: 1, save: 2 },
  gate: { samples: 0 },
});
