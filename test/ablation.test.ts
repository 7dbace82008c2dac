// minke ablate on a small question: runs, table, plot; complete runs are used again. npm test -- ablation
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { EvaluationRecipe } from '../src/cli/eval.ts';
import { lineChart } from '../src/cli/line-chart.ts';
import { loadRecipe } from '../src/cli/recipe.ts';
import type { Speedrun } from '../src/cli/speedrun.ts';
import { type DistilRecipe, resolveDistil } from '../src/distill/index.ts';
import { packageRoot } from '../src/kernels/root.ts';
import { type RlRecipe, resolveRl } from '../src/rl/index.ts';
import { bundledTasks } from '../src/tasks/index.ts';
import { modelConfigOf } from '../src/train/config.ts';
import {
  type AblationRecipe,
  type PretrainRecipe,
  readEvents,
  recipeFiles,
  resolvePretrain,
  smoothed,
} from '../src/train/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-ablation-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const corpus = join(folder, 'corpus.txt');
writeFileSync(corpus, 'to be, or not to be, that is the question. '.repeat(60));

const recipe: AblationRecipe = {
  question: 'Does balancing balance?',
  published: 'yes',
  base: {
    model: { preset: 'nano', num_nextn_predict_layers: 0 },
    data: { tokenizer: 'characters' },
    steps: 8,
    batchSize: 4,
    sequenceLength: 16,
    sampleTokens: 4,
    schedule: { warmupSteps: 2 },
    every: { evaluate: 4, sample: 8, save: 8 },
  },
  arms: { bias: {}, none: { set: ['balance.method=none'] } },
  seeds: [1, 2],
  plot: 'loss',
};

describe('minke ablate', () => {
  const path = join(folder, 'balance.mjs');
  writeFileSync(path, `export const recipe = ${JSON.stringify(recipe)};\n`);
  const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  const runs = join(folder, 'runs');
  const ablate = (...args: string[]) =>
    spawnSync(process.execPath, [main, 'ablate', path, '--runs', runs, ...args], { encoding: 'utf8' });

  test('runs each arm with each seed, and compares what their events say', () => {
    const { status, stdout, stderr } = ablate('--data', corpus);
    assert.equal(status, 0, stderr);
    const at = join(runs, 'balance');
    assert.deepEqual(
      readdirSync(at)
        .filter((name) => /-\d$/.test(name))
        .sort(),
      ['bias-1', 'bias-2', 'none-1', 'none-2'],
    );
    const losses = ['bias-1', 'bias-2'].map((run) => {
      const found = readEvents(join(at, run, 'events.jsonl')).findLast((e) => e.event === 'evaluated');
      return (found as { loss: number }).loss;
    }) as [number, number];
    const row = stdout.split('\n').find((line) => line.startsWith('| bias |')) as string;
    assert.ok(row.includes(((losses[0] + losses[1]) / 2).toFixed(4)), row);
    const svg = readFileSync(join(at, 'result', 'balance.svg'), 'utf8');
    assert.equal(svg.match(/<polyline/g)?.length, 2);
    assert.ok(!svg.includes('NaN'));
  });

  test('complete runs are used as they are', () => {
    const before = readFileSync(join(runs, 'balance', 'none-2', 'events.jsonl'), 'utf8');
    assert.equal(ablate('--data', corpus).status, 0);
    assert.equal(readFileSync(join(runs, 'balance', 'none-2', 'events.jsonl'), 'utf8'), before);
  });

  test('a recipe without arms is refused', () => {
    writeFileSync(join(folder, 'plain.mjs'), 'export const recipe = { model: "nano" };\n');
    const { status, stderr } = spawnSync(
      process.execPath,
      [main, 'ablate', join(folder, 'plain.mjs'), '--data', corpus],
      {
        encoding: 'utf8',
      },
    );
    assert.equal(status, 1);
    assert.match(stderr, /is no ablation: it has no arms; use minke pretrain/);
  });
});

describe('recipes of this package', () => {
  const names = recipeFiles().map(({ name }) => name);
  type Lessons = Omit<DistilRecipe, 'traces'> & { readonly traces: object };
  type Any = PretrainRecipe | AblationRecipe | RlRecipe | Lessons | Speedrun | EvaluationRecipe;

  function check(made: Any): void {
    if ('stages' in made) {
      for (const { recipe, from = {} } of made.stages) check({ ...recipe, ...from } as unknown as Any);
      for (const { from = {} } of made.stages)
        for (const stage of Object.values(from)) assert.ok(made.stages.some(({ name }) => name === stage));
      assert.ok(made.stages.some(({ name }) => name === made.best));
    } else if ('problems' in made) {
      assert.ok(bundledTasks.has(made.task) && made.problems > 0);
    } else if ('traces' in made) {
      const { learningRate, traces } = resolveDistil({ ...made, student: 'a student', teacher: 'a teacher' });
      assert.ok(learningRate > 0 && traces.wanted > 0);
    } else if ('tasks' in made) {
      const { learningRate, steps, warmupSteps } = resolveRl({ ...made, model: 'a base' });
      assert.ok(learningRate > 0 && steps > warmupSteps);
    } else {
      const arms = 'arms' in made ? Object.values(made.arms) : [{}];
      const base = 'arms' in made ? made.base : made;
      for (const { model, set = [] } of arms as { model?: PretrainRecipe['model']; set?: string[] }[]) {
        const whole = { ...base, ...(model && { model }), data: { ...base.data, inputs: [corpus] } };
        const config = resolvePretrain(whole, set);
        assert.ok(config.steps > config.schedule.warmupSteps);
        assert.ok(modelConfigOf(config, 300).vocabSize >= 300);
      }
    }
  }

  for (const name of names.filter((name) => name !== 'shared'))
    test(`${name} resolves, in every arm`, async () => check((await loadRecipe<Any>(name)) as Any));
});

describe('curves', () => {
  test('smoothing keeps a constant and follows a step', () => {
    assert.ok(smoothed([2, 2, 2], 0.9).every((x) => Math.abs(x - 2) < 1e-12));
    const up = smoothed([0, 0, 0, ...Array<number>(60).fill(1)], 0.9);
    assert.equal(up[0], 0);
    assert.ok((up.at(-1) as number) > 0.99 && up.every((x, i) => i === 0 || x >= up[i - 1]));
  });

  test('a chart stays inside its frame, and escapes names', () => {
    const svg = lineChart([{ name: 'a < b', x: [0, 1e6], y: [1, 3] }], { title: 't', xLabel: 'x', yLabel: 'y' });
    assert.ok(svg.includes('a &lt; b'));
    const points = /points="([^"]+)"/
      .exec(svg)?.[1]
      ?.split(' ')
      .map((p) => p.split(',').map(Number)) as number[][];
    for (const [x, y] of points as [number, number][])
      assert.ok(x >= 64 && x <= 570 && y >= 40 && y <= 352, `${x} ${y}`);
    assert.ok(points[0]?.[1] > points[1]?.[1]); // up is more
  });
});
