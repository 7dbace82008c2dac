// What a run leaves, begun, failed and gone on with. npm test -- train/records
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { type Device, openDevice } from '../../kernels/index.ts';
import { initialWeights, preset } from '../../model/index.ts';
import { useDevice } from '../../tensor/index.ts';
import { eventSchema, type TrainEvent } from '../events.ts';
import { Optimizer } from '../optimizer.ts';
import { readEvents } from './event-log.ts';
import { readLineage } from './lineage.ts';
import { beginRun, Records, resumeRun } from './records.ts';

describe('the records of a run', () => {
  const root = mkdtempSync(join(tmpdir(), 'minke-records-'));
  const folder = join(root, 'run');
  const recipe = { seed: 3, pricePerHour: 36, currency: 'EUR', colour: 'blue' };
  const recipeFile = 'recipe.json';
  const hour = 3_600_000;
  let device: Device;
  before(() => {
    device = openDevice();
    useDevice(device);
  });
  after(async () => {
    await device.close();
    rmSync(root, { recursive: true });
  });

  const opened = (last?: Parameters<typeof Records.open>[0]['last']) =>
    Records.open<TrainEvent>({
      folder,
      device,
      schema: eventSchema,
      kind: 'pretraining',
      recipeFile,
      recipe,
      initial: null,
      last,
      began: performance.now() - hour,
      flopsPerToken: 2,
    });
  const resume = () =>
    resumeRun(folder, recipeFile, z.object({ colour: z.string() }), async ({ colour }, last) => ({ colour, ...last }));
  const events = () => readEvents(join(folder, 'events.jsonl'));

  test('begun: recipe and lineage stand there, the hours since it began are paid; nothing begins there again', async () => {
    await assert.rejects(resume, /holds no run; start one without --resume/);
    const records = await beginRun(folder, recipeFile, () => opened());
    assert.equal(records.isResumed, false);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, recipeFile), 'utf8')), recipe);
    const { status, config, hours, cost, weights } = readLineage(folder) as NonNullable<ReturnType<typeof readLineage>>;
    assert.deepEqual([status, weights, config], ['running', null, { ...recipe, initial: null }]);
    assert.ok(hours >= 1 && hours < 1.01 && Math.abs(cost.amount - 36 * hours) < 1e-9);
    await assert.rejects(beginRun(folder, recipeFile, assert.fail), /holds a run already; resume it with --resume/);
  });

  test('saved and failed: the checkpoint has the lineage of its moment, the run says why it ended', async () => {
    const records = await opened();
    const config = preset('nano', { vocabSize: 40 });
    const weights = initialWeights(config, 1);
    const trained = new Map([...weights].filter(([name]) => !name.endsWith('correction_bias')));
    const options = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, maxGradNorm: 1, moments: 'f32' } as const;
    const saving = { config, weights, optimizer: new Optimizer(trained, options), data: {}, beside: () => undefined };
    await records.save({ ...saving, step: 4, tokens: 40 }, 2);
    await records.fail({ step: 6, tokens: 60 }, new Error('the roof fell in'));
    const [inside, own] = [readLineage(join(folder, 'checkpoints/step-00000004')), readLineage(folder)];
    assert.deepEqual([inside?.status, inside?.steps, inside?.tokens, inside?.flops], ['running', 4, 40, 80]);
    assert.deepEqual([own?.status, own?.reason, own?.steps, own?.flops], ['failed', 'the roof fell in', 6, 120]);
    assert.equal(own?.weights, inside?.weights);
    const told = events().map((event) => [event.event, 'step' in event && event.step]);
    assert.deepEqual(told, [
      ['saved', 4],
      ['ended', 6],
    ]);
  });

  test('gone on with: another session, and what is wrong with checkpoints is told', async () => {
    const { colour, checkpoint } = await resume();
    assert.deepEqual([colour, checkpoint?.state.tokens], ['blue', 40]);
    const records = await opened({ checkpoint, damaged: ['step-00000006 is half a file'] });
    assert.equal(records.isResumed, true);
    const lineage = readLineage(folder);
    assert.deepEqual([lineage?.status, lineage?.sessions.at(-1)?.fromStep, lineage?.flops], ['running', 4, 120]);
    assert.ok((lineage?.sessions.length as number) > 1);
    assert.equal(await records.end({ step: 4, tokens: 40 }, 'stopped'), 'stopped');
    const last = events().slice(-2);
    assert.deepEqual(
      last.map((event) => [event.event, 'message' in event ? event.message : 'reason' in event && event.reason]),
      [
        ['alarm', 'step-00000006 is half a file'],
        ['ended', 'asked to stop'],
      ],
    );
  });
});
