// An ablation of pipelines on small stages: FLOPs as counted by hand, arms at equal FLOPs, nothing done twice.
// npm test -- pipeline-ablation
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { estimateOverSeeds, type PipelineAblationRecipe, runPipelineAblation } from '../src/cli/pipeline-ablation.ts';
import { describeOrder, describePipelineAblation } from '../src/cli/pipeline-ablation-result.ts';
import { readRunFlops } from '../src/cli/run-flops.ts';
import { findStageModel } from '../src/cli/stage-runner.ts';
import { encodePrompt } from '../src/corpus/index.ts';
import { trainingQuestions } from '../src/eval/index.ts';
import { sum } from '../src/math/index.ts';
import { sequenceFlops } from '../src/model/index.ts';
import { openTasks, taskChoice } from '../src/tasks/index.ts';
import { loadTokenizer } from '../src/tokenizer/index.ts';
import { readBaseConfig, readLineage } from '../src/train/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-pipeline-ablation-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const tasks = [{ task: 'countdown', difficulty: 3 }];
const evaluation = { problems: 1, samples: 1 };
const base = {
  model: { preset: 'nano', num_nextn_predict_layers: 0 },
  data: { inputs: [{ workedExamples: 'countdown', count: 400 }], tokenizer: 'bytes' },
  steps: 1,
  batchSize: 2,
  sequenceLength: 64,
  sampleTokens: 4,
  schedule: { warmupSteps: 0 },
  every: { evaluate: 2, sample: 2, save: 2 },
};

const recipe: PipelineAblationRecipe = {
  question: 'Which one learns?',
  published: 'neither',
  stages: [{ name: 'base', title: 'student and teacher', kind: 'pretrain', recipe: base }],
  arms: {
    corrected: {
      name: 'corrected',
      kind: 'distill',
      recipe: {
        tasks,
        method: 'on-policy',
        onPolicy: { steps: 4, questions: 2, samples: 2, maxTokens: 8 },
        warmupSteps: 0,
        evaluation,
      },
      from: { student: 'base', teacher: 'base' },
      scaled: 'onPolicy.steps',
    },
    rewarded: {
      name: 'rewarded',
      kind: 'rl',
      recipe: {
        tasks,
        steps: 1,
        warmupSteps: 0,
        questions: 2,
        groupSize: 2,
        maxTokens: 8,
        gate: { samples: 0 },
        evaluation,
        every: { evaluate: 1, sample: 1, save: 1 },
      },
      from: { model: 'base' },
      scaled: 'steps',
    },
  },
  reference: 'corrected',
  evaluation: {
    task: 'countdown',
    difficulty: 3,
    problems: 1,
    samples: 1,
    temperature: 1,
    topP: 1,
    maxTokens: 8,
    template: 'short',
    seed: 1,
  },
  seeds: [1],
};

describe('an ablation of pipelines', () => {
  const runs = join(folder, 'runs');
  const seed = join(runs, 'seed-1');

  test('runs each arm at equal data, and again at the FLOPs of the reference; a second call does nothing', async () => {
    const found = await runPipelineAblation(recipe, { folder: runs });
    assert.deepEqual(readdirSync(runs), ['seed-1']);
    assert.deepEqual(
      readdirSync(seed).filter((name) => /corrected|rewarded/.test(name)),
      ['corrected', 'rewarded', 'rewarded-at-equal-flops'],
    );
    const total = (comparison: 'data' | 'flops', arm: string) =>
      (found[comparison].get(arm) ?? []).map(({ flops }) => flops.student + flops.teacher);
    assert.deepEqual(total('flops', 'corrected'), total('data', 'corrected'));
    const budget = total('data', 'corrected')[0];
    const { steps } = JSON.parse(readFileSync(join(seed, 'rewarded-at-equal-flops', 'rl.json'), 'utf8'));
    assert.equal(steps, Math.max(1, Math.round(budget / total('data', 'rewarded')[0])));
    assert.ok(steps > 1 && Math.abs(total('flops', 'rewarded')[0] / budget - 1) < 0.3);
    const events = () => readFileSync(join(seed, 'rewarded-at-equal-flops', 'events.jsonl'), 'utf8');
    const before = events();
    assert.deepEqual(await runPipelineAblation(recipe, { folder: runs }), found);
    assert.equal(events(), before);
    const { paragraphs, svg } = describePipelineAblation('pair', recipe, found, 'a machine');
    assert.match(
      paragraphs.join('\n'),
      /\| At equal data \| pass@1 [\s\S]*\| At equal FLOPs \|[\s\S]*minke ablate pair/,
    );
    assert.equal(svg.match(/<polyline/g)?.length, 2);
  });

  test('FLOPs are those of the tokens that each model reads, generates and learns from', async () => {
    const student = await findStageModel(seed, 'base');
    const { tokenizer } = loadTokenizer(student);
    const tasksOfRun = await openTasks(
      tasks.map((each) => taskChoice.parse(each)),
      1,
    );
    const source = { tasks: tasksOfRun, seed: 1, template: 'short' } as const;
    const asked = await trainingQuestions(source, 0, 8);
    const prompts = asked.map(({ prompt }) => encodePrompt(tokenizer, prompt).length);
    const run = join(seed, 'corrected');
    const steps = readFileSync(join(run, 'events.jsonl'), 'utf8')
      .split('\n')
      .flatMap((line) => (line.includes('"event":"step"') ? [JSON.parse(line) as { tokens: number }] : []));
    const { forward, training } = sequenceFlops(readBaseConfig(student));
    const { student: own, teacher } = readRunFlops(run);
    const { generated = 0 } = readLineage(run)?.work ?? {};
    // 4 steps of 2 questions with 2 responses each; the last token of a response is not read.
    const responses = prompts.flatMap((prompt, q) => [0, 1].map(() => prompt + steps[q >> 1].tokens - 1));
    const near = (value: number, expected: number) => assert.ok(Math.abs(value / expected - 1) < 1e-3, `${value}`);
    near(teacher, sum(responses.map((rows) => forward(rows))));
    const shared = sum(prompts.map((prompt) => forward(prompt - 1)));
    const learned = sum(responses.map(training));
    assert.ok(Math.abs(own - learned - (sum(responses.map((rows) => forward(rows))) - shared)) < 0.02 * own, `${own}`);
    assert.ok(generated >= sum(steps.map(({ tokens }) => 4 * tokens)));
    assert.throws(() => readRunFlops(join(seed, 'base')), /is neither a distillation nor reinforcement learning/);
  });

  test('intervals are over seeds, and the order says where they overlap', () => {
    const toRun = (accuracy: number) => ({ passAt1: { mean: accuracy, margin: 0.03 } }) as never;
    const { mean: center, margin } = estimateOverSeeds([0.5, 0.6, 0.7].map(toRun));
    assert.ok(Math.abs(center - 0.6) < 1e-12 && Math.abs(margin - (4.303 * 0.1) / Math.sqrt(3)) < 1e-12);
    assert.deepEqual(estimateOverSeeds([toRun(0.4)]), { mean: 0.4, margin: 0.03 });
    const arms = new Map([
      ['a', [toRun(0.3)]],
      ['b', [toRun(0.6)]],
      ['c', [toRun(0.56)]],
    ]);
    assert.equal(
      describeOrder('data', arms),
      'At equal data, b is the best: above a with intervals that do not overlap; not told apart from c, whose ' +
        'intervals overlap with its own.',
    );
  });
});
