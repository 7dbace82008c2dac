// Runs with a curriculum, early stops, a growing length budget and MTP: resumed to the bit; runs that end in words.
// npm test -- rl/robust
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../kernels/index.ts';
import { openSafetensors } from '../model/checkpoint/index.ts';
import { createModel, initialWeights, precisions, preset } from '../model/index.ts';
import * as t from '../tensor/index.ts';
import {
  readEvents,
  readLineage,
  resolveRecipe,
  resumeRun,
  sequenceInputs,
  startRun,
  TrainStep,
} from '../train/index.ts';
import { GrpoObjective } from './grpo-objective.ts';
import { rl } from './rl.ts';
import type { RlRecipe } from './rl-recipe.ts';
import { adamw, shape, shortRun, trainFormattedModel, vocabulary } from './test-model.ts';

let device: Device;
let folder: string;
let model: string;
before(async () => {
  device = openDevice();
  t.useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-rl-robust-'));
  model = await trainFormattedModel(folder, device, { steps: 40, mtpModules: 1 });
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

const read = (run: string) => readEvents(join(folder, run, 'events.jsonl'), rl.events);
const readSteps = (run: string) => read(run).flatMap((event) => (event.event === 'step' ? [event] : []));
const file = (run: string, step: number, name: string) =>
  readFileSync(join(folder, run, 'checkpoints', `step-0000000${step}`, name));

const start = (run: string, recipe: RlRecipe, more: object = {}) =>
  startRun(rl, resolveRecipe(rl, recipe), { folder: join(folder, run), device, ...more });

const small = (): RlRecipe => ({
  ...shortRun(model),
  questions: 3,
  groupSize: 6,
  evaluation: { problems: 1, samples: 1 },
});

const recipe = (): RlRecipe => ({
  ...small(),
  tasks: [
    { task: 'countdown', difficulty: 2 },
    { task: 'countdown', difficulty: 3 },
  ],
  gate: { samples: 8, wellFormed: 0, correct: 0 },
  curriculum: 'success',
  pilot: { responses: 3, keep: 0.5 },
  maxTokens: 32,
  maxTokensLimit: 60,
  maxTruncated: 0,
  steps: 6,
  every: { evaluate: 6, sample: 6, save: 6 },
});

describe('a run with all of it', () => {
  test('stopped after the budget has grown, and resumed: the same bits and the same state', async () => {
    assert.equal(await start('whole', recipe()), 'completed');
    const stopping = new AbortController();
    const listen = (event: { event: string }) => event.event === 'lengthened' && stopping.abort();
    assert.equal(await start('stopped', recipe(), { signal: stopping.signal, listen }), 'stopped');
    assert.equal(readSteps('stopped').length, 5);
    assert.equal(await resumeRun(rl, { folder: join(folder, 'stopped'), device }), 'completed');
    for (const name of ['model.safetensors', 'optimizer.safetensors', 'reference.safetensors'])
      assert.ok(file('whole', 6, name).equals(file('stopped', 6, name)), name);
    const readState = (run: string) => JSON.parse(file(run, 6, 'training.json').toString()).data;
    assert.deepEqual(readState('stopped'), readState('whole'));
    assert.deepEqual(Object.keys(readState('whole').learnability).sort(), ['countdown 2', 'countdown 3']);
    const steps = readSteps('whole');
    assert.deepEqual(
      steps.map(({ maxTokens, mismatch }) => [maxTokens, mismatch]),
      [32, 32, 32, 32, 32, 60].map((maxTokens) => [maxTokens, 0]),
    );
    assert.ok(steps.some(({ stoppedGroups }) => stoppedGroups > 0));
    const names = read('whole').map(({ event }) => event);
    assert.deepEqual(names.slice(0, 3), ['started', 'gated', 'evaluated']);
    assert.ok(names.filter((name) => name === 'practiced').length >= steps.length);
    const [first] = steps;
    const load = first.load?.map((experts) => experts.reduce((sum, tokens) => sum + tokens, 0)) ?? [];
    assert.ok(load.length > 0 && load.every((tokens) => tokens > 0));
  });

  for (const precision of ['f32', 'fp8'] as const)
    test(`${precision}: no mismatch while MTP learns`, async () => {
      await start(precision, { ...small(), precision, steps: 2, every: { evaluate: 9, save: 9 } });
      const steps = readSteps(precision);
      assert.deepEqual(
        steps.map(({ mismatch }) => mismatch),
        [0, 0],
      );
      assert.ok(steps.every(({ mtpLoss }) => (mtpLoss ?? 0) > 0));
      assert.ok(steps.every(({ draftAcceptance = -1 }) => draftAcceptance >= 0 && draftAcceptance < 1));
    });

  test('without a weight MTP modules keep their bits', async () => {
    await start('unweighted', { ...small(), steps: 1, mtpWeight: 0, every: { evaluate: 9, save: 9 } });
    assert.equal(readSteps('unweighted')[0].mtpLoss, undefined);
    const [before, after] = await Promise.all(
      [model, join(folder, 'unweighted', 'checkpoints', 'step-00000001')].map((from) =>
        openSafetensors(join(from, 'model.safetensors')),
      ),
    );
    const names = [...before.entries.keys()].filter((name) => name.includes('eh_proj'));
    assert.equal(names.length, 1);
    for (const name of names) assert.deepEqual(await after.read(name), await before.read(name));
    await Promise.all([before.close(), after.close()]);
  });
});

test('MTP learns the responses, and nothing else does from it', async () => {
  const config = preset('nano', { vocabSize: vocabulary });
  const weights = initialWeights(config, 3, device);
  for (const weight of weights.values()) t.keep(weight);
  const own = createModel(config, weights, 64);
  const ids = Int32Array.from({ length: 20 }, (_, i) => (i * 7) % vocabulary);
  const fill = (value: number) => new Float32Array(16).fill(value);
  // Without advantages the policy has no gradient of its own.
  const columns = { rolloutLogprob: fill(-3), advantage: fill(0), weight: fill(1 / 16), mask: fill(1) };
  const ownShape = { ...shape, aheadDepth: 1 };
  const options = { shape: ownShape, policy: precisions.bf16, temperature: 1, clipLow: 9, clipHigh: 9, klBeta: 0 };
  const step = new TrainStep(
    config,
    weights,
    adamw,
    'sum',
    new GrpoObjective(own, own, { ...options, mtpWeight: 0.01 }),
  );
  const isAhead = (name: string) => name.startsWith(`model.layers.${config.numHiddenLayers}.`);
  const readAll = async () => {
    const all = new Map<string, ArrayLike<number>>();
    for (const [name, weight] of weights) all.set(name, (await weight.read()).slice());
    return all;
  };
  const before = await readAll();
  const losses: number[] = [];
  const rejected: number[] = [];
  for (let n = 1; n <= 12; n++) {
    const { report } = t.scope(() => ({
      report: step.run([sequenceInputs([{ ids, promptLength: 4, columns }], ownShape, device)], {
        step: n,
        learningRate: 3e-3,
        biasUpdateSpeed: 0,
      }),
    }));
    const { metrics } = await report;
    losses.push(metrics.mtpLoss / 15);
    rejected.push(metrics.rejected);
  }
  assert.ok(losses[11] < 0.7 * losses[0], `${losses}`);
  assert.ok(rejected[11] < rejected[0] && rejected[11] >= 1, `the last token has no draft: ${rejected}`);
  const after = await readAll();
  for (const [name, value] of before) if (!isAhead(name)) assert.deepEqual(after.get(name), value, name);
  const moved = [...before].filter(([name, value]) => String(after.get(name)) !== String(value));
  assert.ok(moved.length > 5);
  step.dispose();
});

describe('a run that has nothing to learn from', () => {
  test('fails at the gate, with what the base lacks, and fails there again when it is resumed', async () => {
    const hopeless = { ...recipe(), gate: { samples: 16 }, maxTokens: 3, maxTokensLimit: 3 };
    const message =
      /\[gate\] 0\.0 % of 16 answers .*; correct by task: .*cut off by maxTokens \(\d+ %\).*; raise maxTokens/;
    await assert.rejects(start('gated', hopeless), message);
    assert.equal(readLineage(join(folder, 'gated'))?.status, 'failed');
    assert.equal(readSteps('gated').length, 0);
    await assert.rejects(resumeRun(rl, { folder: join(folder, 'gated'), device }), message);
    const gates = read('gated').flatMap((event) => (event.event === 'gated' ? [event] : []));
    const [first, second] = gates.map(({ time: _, flops: __, ...found }) => found);
    assert.deepEqual(second, first);
    assert.equal(gates[1].flops, 2 * (gates[0].flops ?? Number.NaN));
    assert.equal(
      await resumeRun(rl, { folder: join(folder, 'gated'), device }, ['gate.samples=0', 'steps=1']),
      'completed',
    );
  });

  test('fails after steps in a row without signal, with the cause', async () => {
    const silent = { ...small(), maxTokens: 3, noSignal: { steps: 2 }, every: { evaluate: 9, save: 9 } };
    await assert.rejects(
      start('silent', silent),
      /\[step 2\] 2 steps in a row: 100 % of groups carry no signal, .*cut off by maxTokens\); raise maxTokens/,
    );
    assert.equal(read('silent').at(-1)?.event, 'ended');
  });
});
