// minke speedrun on small stages: each starts from the model of an earlier one, and nothing is done twice.
// npm test -- speedrun
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runSpeedrun, type Speedrun } from '../src/cli/speedrun.ts';
import { readLineage } from '../src/train/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-speedrun-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const speedrun: Speedrun = {
  stages: [
    {
      name: 'base',
      title: 'a base',
      kind: 'pretrain',
      recipe: {
        model: { preset: 'nano', num_nextn_predict_layers: 0 },
        data: { inputs: [{ workedExamples: 'countdown', count: 400 }], tokenizer: 'bytes' },
        steps: 2,
        batchSize: 2,
        sequenceLength: 64,
        sampleTokens: 4,
        schedule: { warmupSteps: 1 },
        every: { evaluate: 2, sample: 2, save: 2 },
      },
    },
    {
      name: 'zero',
      title: 'a base after one step',
      kind: 'rl',
      recipe: {
        tasks: [{ task: 'countdown', difficulty: 3 }],
        gate: { samples: 0 },
        steps: 1,
        warmupSteps: 0,
        questions: 2,
        groupSize: 2,
        maxTokens: 8,
        every: { evaluate: 1, sample: 1, save: 1 },
        evaluation: { problems: 2, samples: 1 },
      },
      from: { model: 'base' },
    },
  ],
  evaluations: [
    {
      task: 'countdown',
      difficulty: 3,
      problems: 2,
      samples: 2,
      temperature: 1,
      topP: 1,
      maxTokens: 8,
      template: 'short',
      seed: 1,
    },
  ],
  best: 'zero',
};

test('stages run in order, each from the model of an earlier one; a second call does nothing', async () => {
  const evaluations = await runSpeedrun(speedrun, folder, { seed: 5 });
  assert.deepEqual(Object.keys(evaluations), ['base', 'zero']);
  assert.equal(evaluations.zero[0].problems, 2);
  const lineage = readLineage(join(folder, 'zero'));
  assert.equal(lineage?.seed, 5);
  assert.match(JSON.stringify(lineage), /base[^"]*step-0*2/);
  const report = readFileSync(join(folder, 'report.html'), 'utf8');
  for (const part of ['a base after one step', '<svg', 'pass@1', 'countdown 3, held out'])
    assert.ok(report.includes(part), part);
  const events = ['base', 'zero'].map((stage) => readFileSync(join(folder, stage, 'events.jsonl'), 'utf8'));
  assert.deepEqual(await runSpeedrun(speedrun, folder), evaluations);
  assert.deepEqual(
    ['base', 'zero'].map((stage) => readFileSync(join(folder, stage, 'events.jsonl'), 'utf8')),
    events,
  );
  assert.ok(existsSync(join(folder, 'evaluations.json')));
});
