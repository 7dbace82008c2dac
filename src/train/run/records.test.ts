// The files of a run, begun, failed and resumed. npm test -- train/run/records
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../../kernels/index.ts';
import { initialWeights, preset } from '../../model/index.ts';
import { useDevice } from '../../tensor/index.ts';
import { pretrainEvents } from '../events.ts';
import { Optimizer } from '../optimizer.ts';
import { readEvents } from './event-log.ts';
import type { Snapshot } from './kind.ts';
import { readLineage } from './lineage.ts';
import { Records, type ResumePoint } from './records.ts';
import { findResumePoint } from './run.ts';

describe('the records of a run', () => {
  const root = mkdtempSync(join(tmpdir(), 'minke-records-'));
  const folder = join(root, 'run');
  const recipe = { seed: 3, pricePerHour: 36, currency: 'EUR', keepCheckpoints: 2, saveMinutes: 5, color: 'blue' };
  const kind = { name: 'pretrain', recipeFile: 'recipe.json', events: pretrainEvents };
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

  const open = (resume: ResumePoint = { checkpoint: null, damaged: [] }) =>
    Records.open({
      folder,
      device,
      kind,
      recipe,
      origin: { initial: null, predicted: { flops: 100, hours: null, assumes: [] } },
      resume,
      began: performance.now() - hour,
    });
  const events = () => readEvents(join(folder, 'events.jsonl'), pretrainEvents);

  test('begun: recipe and lineage are there, the hours since it began are paid', async () => {
    const records = await open();
    assert.equal(records.isResumed, false);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, kind.recipeFile), 'utf8')), recipe);
    const { status, config, hours, cost, weights } = readLineage(folder) as NonNullable<ReturnType<typeof readLineage>>;
    assert.deepEqual([status, weights, config], ['running', null, { ...recipe, initial: null }]);
    assert.ok(hours >= 1 && hours < 1.01 && Math.abs(cost.amount - 36 * hours) < 1e-9);
  });

  test('saved and failed: the checkpoint has the lineage of its moment, the run says why it ended', async () => {
    const records = await open();
    const config = preset('nano', { vocabSize: 40 });
    const weights = initialWeights(config, 1);
    const trained = new Map([...weights].filter(([name]) => !name.endsWith('correction_bias')));
    const options = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, maxGradNorm: 1, moments: 'f32' } as const;
    const optimizer = new Optimizer(trained, options);
    const snapshot: Snapshot = { config, weights, optimizer, data: {}, writeBeside: () => undefined };
    records.count({ training: 80, generated: 3 });
    await records.save(snapshot, { step: 4, tokens: 40 }, 2);
    records.count({ training: 40, evaluation: 7 });
    await records.end({ step: 6, tokens: 60 }, 'failed', 'the roof fell in');
    const [inside, own] = [readLineage(join(folder, 'checkpoints/step-00000004')), readLineage(folder)];
    assert.deepEqual([inside?.status, inside?.steps, inside?.tokens, inside?.flops], ['running', 4, 40, 80]);
    assert.deepEqual([own?.status, own?.reason, own?.steps, own?.flops], ['failed', 'the roof fell in', 6, 127]);
    assert.equal(own?.work?.generated, 3);
    assert.equal(own?.weights, inside?.weights);
    const found = events().map((event) => [event.event, 'step' in event && event.step]);
    assert.deepEqual(found, [
      ['saved', 4],
      ['ended', 6],
    ]);
    const end = events().find((event) => event.event === 'ended');
    const bill = '1.20e+2 FLOPs (1.00e+2 predicted, for all steps) and 7.00e+0 for evaluations and lost steps; ';
    assert.ok(end?.bill?.startsWith(bill), end?.bill);
  });

  test('resumed: another session, and damaged checkpoints are reported', async () => {
    const { checkpoint } = await findResumePoint(folder);
    assert.equal(checkpoint?.state.tokens, 40);
    const records = await open({ checkpoint, damaged: ['step-00000006 is half a file'] });
    assert.equal(records.isResumed, true);
    const lineage = readLineage(folder);
    assert.deepEqual([lineage?.status, lineage?.sessions.at(-1)?.fromStep, lineage?.flops], ['running', 4, 127]);
    assert.ok((lineage?.sessions.length as number) > 1);
    await records.end({ step: 4, tokens: 40 }, 'stopped', 'asked to stop');
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
