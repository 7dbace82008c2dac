// The reward model: its loss by the formula, scores that do not depend on their batch, what it learns, resuming.
// npm test -- reward
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadBaseVocabulary } from '../corpus/index.ts';
import { type Device, openDevice } from '../kernels/index.ts';
import { toChatTemplate } from '../tasks/index.ts';
import { useDevice } from '../tensor/index.ts';
import { findResumePoint, pretrain, readEvents, resolveRecipe, resumeRun, startRun } from '../train/index.ts';
import { encodePairs } from './pairs.ts';
import { reward } from './reward.ts';
import { RewardModel } from './reward-model.ts';
import type { RewardRecipe } from './reward-recipe.ts';
import { packTexts, scoreShape } from './score-batch.ts';

let device: Device;
let folder: string;
let base: string;

before(async () => {
  device = openDevice();
  useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-reward-'));
  const run = join(folder, 'base');
  const recipe = {
    model: { preset: 'nano', num_nextn_predict_layers: 0 },
    data: { inputs: [{ workedExamples: 'countdown', count: 300 }], tokenizer: { size: 300, preTokenizer: 'qwen2' } },
    steps: 2,
    schedule: { warmupSteps: 1 },
    batchSize: 2,
    sequenceLength: 32,
    sampleTokens: 1,
    every: { evaluate: 2, sample: 2, save: 2 },
  };
  await startRun(pretrain, resolveRecipe(pretrain, recipe), { folder: run, device });
  base = join(run, 'checkpoints', 'step-00000002');
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

const short = (): RewardRecipe => ({
  model: base,
  pairs: 400,
  heldOut: 100,
  batchSize: 16,
  microBatchTokens: 1024,
  learningRate: 3e-3,
  warmupSteps: 3,
  every: { evaluate: 100, save: 10 },
});

const readRun = (run: string) => readEvents(join(run, 'events.jsonl'), reward.events);
const lastCheckpoint = async (run: string) => (await findResumePoint(run)).checkpoint?.folder ?? '';
const weights = async (run: string) => readFileSync(join(await lastCheckpoint(run), 'model.safetensors'));

describe('a reward model', () => {
  test('learns which reply fits, on what no training says; stopped and resumed it has the same bits', async () => {
    const [whole, stopped] = [join(folder, 'whole'), join(folder, 'stopped')];
    assert.equal(await startRun(reward, resolveRecipe(reward, short()), { folder: whole, device }), 'completed');
    const [before, after] = readRun(whole).flatMap((event) => (event.event === 'evaluated' ? [event] : []));
    assert.equal(before.step, 0);
    assert.ok(after.accuracy >= 0.75, `${after.accuracy} of held-out pairs`);
    assert.ok(after.accuracy > before.accuracy);
    const stopping = new AbortController();
    const listen = (event: { event: string; step?: number }) =>
      event.event === 'step' && event.step === 13 && stopping.abort();
    const options = { folder: stopped, device, signal: stopping.signal, listen };
    assert.equal(await startRun(reward, resolveRecipe(reward, short()), options), 'stopped');
    assert.equal((await findResumePoint(stopped)).checkpoint?.state.step, 13);
    assert.equal(await resumeRun(reward, { folder: stopped, device }), 'completed');
    assert.ok((await weights(whole)).equals(await weights(stopped)));
  });

  test('scores a reply alone as in a batch; the first loss is the formula of these scores', async () => {
    const vocabulary = loadBaseVocabulary(base, toChatTemplate('short'));
    const options = { scored: base, precision: 'bf16', microBatchTokens: 1024, device } as const;
    const model = await RewardModel.open(await lastCheckpoint(join(folder, 'whole')), options);
    const pairs = encodePairs(vocabulary, { template: 'short', seed: 4 }, 40, 'train').filter(
      ({ good, bad }) => good.length <= 256 && bad.length <= 256,
    );
    const texts = pairs.flatMap(({ good, bad }) => [good, bad]);
    const scores = await model.score(texts);
    for (const i of [0, 7, texts.length - 1]) assert.deepEqual(await model.score([texts[i]]), [scores[i]]);
    const logit = (p: number) => Math.log(p / (1 - p));
    const losses = pairs.map((_, i) => Math.log(1 + Math.exp(logit(scores[2 * i + 1]) - logit(scores[2 * i]))));
    model.dispose();
    const run = join(folder, 'formula');
    const recipe = {
      ...short(),
      model: await lastCheckpoint(join(folder, 'whole')),
      pairs: 40,
      batchSize: 40,
      epochs: 1,
      seed: 4,
    };
    await startRun(reward, resolveRecipe(reward, recipe), { folder: run, device });
    const [step] = readRun(run).flatMap((event) => (event.event === 'step' ? [event] : []));
    const expected = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    assert.ok(Math.abs((step.loss as number) - expected) < 1e-3, `${step.loss} is not ${expected}`);
  });

  test('what is no reward model, or has another vocabulary, is refused', async () => {
    const options = { scored: base, precision: 'bf16', microBatchTokens: 1024, device } as const;
    await assert.rejects(RewardModel.open(base, options), /is no reward model; name a checkpoint of minke reward/);
    const own = await lastCheckpoint(join(folder, 'whole'));
    await assert.rejects(RewardModel.open(own, { ...options, scored: folder }), /ENOENT|has another vocabulary/);
    const shape = scoreShape(64, 512);
    assert.throws(() => packTexts([new Int32Array(65)], (ids) => [ids], shape), /a text of 65 tokens, at most 64/);
  });

  test('pairs are packed whole and in order', () => {
    const shape = scoreShape(128, 512);
    assert.deepEqual(shape, { tokens: 128, texts: 4, longest: 128 });
    const pair = (n: number) => ({ good: new Int32Array(n), bad: new Int32Array(n) });
    const all = [30, 30, 5, 5, 5, 60].map(pair);
    const bins = packTexts(all, ({ good, bad }) => [good, bad], shape);
    assert.deepEqual(
      bins.map((bin) => bin.map(({ good }) => good.length)),
      [[30, 30], [5, 5], [5], [60]],
    );
  });
});
