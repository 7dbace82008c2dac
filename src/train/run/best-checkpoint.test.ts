// The best checkpoint of a run, and runs that end early. npm test -- train/run/best
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { type Device, openDevice } from '../../kernels/index.ts';
import { initialWeights, preset } from '../../model/index.ts';
import { useDevice } from '../../tensor/index.ts';
import { Optimizer } from '../optimizer.ts';
import { findBestCheckpoint, readBestCheckpoint } from './best-checkpoint.ts';
import { heldOutAccuracy } from './charts.ts';
import { readEvents } from './event-log.ts';
import { eventHead, sharedEvents, stepHead, taskEvaluated } from './event-schema.ts';
import { eventsNamed } from './facts.ts';
import type { Run, RunKind, Trainer } from './kind.ts';
import { resolveRecipe, runFields } from './recipe.ts';
import { resumeRun, startRun } from './run.ts';

const recipeSchema = z.strictObject({ ...runFields, scores: z.array(z.number()), saveEvery: z.number().default(100) });
const events = z.discriminatedUnion('event', [
  z.object({ ...eventHead('started'), run: z.string(), device: z.string() }),
  z.object(stepHead('step')),
  taskEvaluated,
  ...sharedEvents,
]);
type Recipe = z.infer<typeof recipeSchema>;
type Event = z.infer<typeof events>;

/** A kind of run whose evaluation after step n gives the n-th score of its recipe. */
const scripted: RunKind<Recipe, Event> = {
  name: 'scripted',
  title: 'Scripted',
  about: 'give the scores of the recipe',
  recipeFile: 'scripted.json',
  recipe: recipeSchema,
  events,
  fixedFields: [],
  mainFields: [],
  arguments: [],
  examples: [{ line: 'scripted', about: 'scores' }],
  charts: [],
  headline: [],
  heldOut: heldOutAccuracy,
  open,
  facts: () => [],
  line: () => null,
};

async function open({ scores, saveEvery }: Recipe, run: Run<Event>): Promise<Trainer> {
  const config = preset('nano', { vocabSize: 40 });
  const weights = initialWeights(config, 1);
  const options = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, maxGradNorm: 1, moments: 'f32' } as const;
  const optimizer = new Optimizer(new Map([...weights].slice(0, 1)), options);
  const counts = { tokens: 1, problems: 64, samples: 1, faults: 0, format: 1, margin: 0.05 };
  return {
    origin: { initial: null },
    started: {},
    steps: scores.length - 1,
    every: { evaluate: 1, save: saveEvery },
    step: async (step) => {
      run.emit({ event: 'step', step });
      return 1;
    },
    evaluate: async (step) => {
      run.emit({ event: 'evaluated', step, task: 'gcd', difficulty: 1, passAt1: scores[step], ...counts });
    },
    snapshot: () => ({ config, weights, optimizer, data: null, writeBeside: () => undefined }),
    close: async () => undefined,
  };
}

describe('the best checkpoint', () => {
  const root = mkdtempSync(join(tmpdir(), 'minke-best-'));
  let device: Device;
  before(() => {
    device = openDevice();
    useDevice(device);
  });
  after(async () => {
    await device.close();
    rmSync(root, { recursive: true });
  });

  const start = async (name: string, fields: Partial<Recipe>) => {
    const folder = join(root, name);
    await startRun(scripted, resolveRecipe(scripted, fields), { folder, device });
    return folder;
  };
  const checkpoints = (folder: string) => readdirSync(join(folder, 'checkpoints')).map((name) => Number(name.slice(5)));
  const log = (folder: string) => readEvents(join(folder, 'events.jsonl'), events);
  const reason = (folder: string) => eventsNamed(log(folder), 'ended').at(-1)?.reason;

  test('is saved at its evaluation, kept beyond the usual pruning, and named', async () => {
    const folder = await start('kept', { scores: [0.1, 0.5, 0.7, 0.4, 0.4, 0.6], saveEvery: 2, keepCheckpoints: 1 });
    assert.deepEqual(checkpoints(folder), [2, 5]);
    assert.deepEqual(readBestCheckpoint(folder), { step: 2, metric: 'held-out accuracy', score: 0.7 });
    assert.equal(await findBestCheckpoint(folder), join(folder, 'checkpoints', 'step-00000002'));
    assert.equal(
      reason(folder),
      'all steps are done; the best held-out accuracy is 70.0 % at step 2, in checkpoints/step-00000002',
    );
    const alarms = eventsNamed(log(folder), 'alarm');
    assert.deepEqual(
      alarms.map(({ step, message }) => `${step}: ${message.slice(0, 86)}`),
      [
        '3: the held-out accuracy of gcd 1 fell from 70.0 % ± 5.0 % at step 2 to 40.0 % ± 5.0 % at',
        '5: the held-out accuracy of gcd 1 fell from 70.0 % ± 5.0 % at step 2 to 60.0 % ± 5.0 % at',
      ],
    );
  });

  test('a resumed run raises no alarm a second time', async () => {
    const folder = join(root, 'kept');
    const count = eventsNamed(log(folder), 'alarm').length;
    assert.equal(await resumeRun(scripted, { folder, device }), 'completed');
    assert.equal(eventsNamed(log(folder), 'alarm').length, count);
  });

  test('where no evaluation exceeds the first, none is named, in words', async () => {
    const folder = await start('never', { scores: [0.5, 0.5, 0.45] });
    assert.match(reason(folder) ?? '', /is 50\.0 % at step 0, that of the model that the run began from$/);
    await assert.rejects(findBestCheckpoint(folder), /never exceeded the held-out accuracy of the model that it began/);
    await assert.rejects(findBestCheckpoint(root), /has no best checkpoint; name a run with evaluations/);
  });

  test('a run ends early once no evaluation was better, and says which checkpoint to take', async () => {
    const scores = [0.1, 0.3, 0.6, 0.6, 0.5, 0.9];
    const folder = await start('early', { scores, earlyStopping: { patience: 2 } });
    assert.equal(
      reason(folder),
      'stopped early: none of the 2 evaluations since the best one was better; the best held-out accuracy is 60.0 % ' +
        'at step 2, in checkpoints/step-00000002',
    );
    assert.deepEqual(checkpoints(folder), [2, 4]);
    assert.equal(await resumeRun(scripted, { folder, device }), 'completed');
    assert.deepEqual(checkpoints(folder), [2, 4]);
    await resumeRun(scripted, { folder, device }, ['earlyStopping.patience=9']);
    assert.equal(readBestCheckpoint(folder)?.step, 5);
  });

  test('a run that is stopped knows its best checkpoint when it resumes', async () => {
    const folder = join(root, 'stopped');
    const stop = new AbortController();
    const scores = [0.1, 0.8, 0.5, 0.5];
    const listen = ({ event, step = 0 }: Event & { step?: number }) => event === 'step' && step === 2 && stop.abort();
    const recipe = resolveRecipe(scripted, { scores, keepCheckpoints: 1 });
    assert.equal(await startRun(scripted, recipe, { folder, device, signal: stop.signal, listen }), 'stopped');
    assert.equal(reason(folder), 'asked to stop');
    rmSync(join(folder, 'best.json')); // as if it had been killed before it was written
    assert.equal(await resumeRun(scripted, { folder, device }), 'completed');
    assert.equal(readBestCheckpoint(folder)?.step, 1);
    assert.ok(existsSync(await findBestCheckpoint(folder)));
    assert.deepEqual(checkpoints(folder), [1, 3]);
  });
});
