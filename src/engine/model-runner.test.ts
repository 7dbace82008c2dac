// A decode step whose chunks differ in rows: a chunk without a draft is filled up, and its table is wide enough for
// what fills it. npm test -- engine/model-runner
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { blockTokens, openDevice } from '../kernels/index.ts';
import { createModel, initialWeights, preset, servingPrecision } from '../model/index.ts';
import { keep, useDevice } from '../tensor/index.ts';
import { ModelRunner } from './model-runner.ts';
import { LatentPages } from './paged-cache.ts';
import type { ScheduledChunk } from './runner.ts';
import { createSequence } from './test-runner.ts';

const device = openDevice();
useDevice(device);
after(() => device.close());

test('the last token of the fourth block gets what it gets alone, beside a chunk with a draft', async () => {
  const config = preset('nano', { vocabSize: 60 });
  const weights = initialWeights(config, 1, device);
  for (const weight of weights.values()) keep(weight);
  const model = createModel(config, weights, 8 * blockTokens);
  const runner = new ModelRunner(model, { cache: new LatentPages(config, 8), policy: servingPrecision });
  const prompt = (length: number) => Array.from({ length }, (_, p) => (7 * p) % 60);
  const [long, short] = [createSequence(prompt(4 * blockTokens)), createSequence(prompt(9))];
  long.blocks.push(0, 1, 2, 3, 4);
  short.blocks.push(5);
  const chunk = (sequence: typeof long, from: number, to: number, sampleFrom: number): ScheduledChunk => ({
    sequence,
    from,
    ids: sequence.tokens.slice(from, to),
    sampleFrom,
  });
  const last = 4 * blockTokens - 1;
  await runner.run('prefill', [chunk(long, 0, last, last), chunk(short, 0, 7, 7)], true);
  const decode = async (...chunks: ScheduledChunk[]) => (await runner.run('decode', chunks, true))[0];
  const alone = await decode(chunk(long, last, last + 1, 0));
  assert.deepEqual(await decode(chunk(long, last, last + 1, 0), chunk(short, 7, 9, 0)), alone);
  runner.dispose();
  model.dispose();
  for (const weight of weights.values()) weight.dispose();
});
