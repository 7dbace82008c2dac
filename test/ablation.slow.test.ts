// minke ablate on a small question: runs, table, plot; complete runs are used again. npm test -- ablation
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { EvaluationRecipe } from '../src/cli/eval.ts';
import { lineChart } from '../src/cli/line-chart.ts';
import type { PipelineAblationRecipe } from '../src/cli/pipeline-ablation.ts';
import { loadRecipe } from '../src/cli/recipe.ts';
import type { Speedrun } from '../src/cli/speedrun.ts';
import { isRun, type RunStage } from '../src/cli/stage-runner.ts';
import { collectionSchema } from '../src/distill/index.ts';
import { packageRoot } from '../src/kernels/root.ts';
import { runKinds } from '../src/runs/index.ts';
import { bundledTasks } from '../src/tasks/index.ts';
import {
  type AblationRecipe,
  eventsNamed,
  pretrain,
  readEvents,
  recipeFiles,
  resolveRecipe,
  setField,
  smoothed,
  toModelConfig,
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
      const events = readEvents(join(at, run, 'events.jsonl'), pretrain.events);
      return (eventsNamed(events, 'evaluated').at(-1) as { loss: number }).loss;
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

  /** Arguments that a recipe may leave to the command line. */
  const given = {
    files: [corpus],
    checkpoint: 'a base',
    model: 'a teacher',
    tasks: [{ task: 'countdown' }],
    number: 1,
  };

  function checkAblation({ base, arms }: AblationRecipe): void {
    for (const { model, set = [] } of Object.values(arms)) {
      const whole = { ...base, ...(model && { model }), data: { ...base.data, inputs: [corpus] } };
      const config = resolveRecipe(pretrain, whole, set);
      assert.ok(config.steps > config.schedule.warmupSteps);
      assert.ok(toModelConfig(config, 300).vocabSize >= 300);
    }
  }

  function checkRun(recipe: object, kindName: string | undefined): void {
    const kind = runKinds.find((each) => each.name === kindName);
    assert.ok(kind, 'the kind of run exists');
    const fields = structuredClone(recipe) as Record<string, unknown>;
    for (const { path, type, isRequired } of kind.arguments) {
      const value = path.split('.').reduce<unknown>((at, name) => (at as typeof fields | undefined)?.[name], fields);
      if (isRequired && value === undefined) setField(fields, path, given[type]);
    }
    assert.ok(resolveRecipe(kind, fields).seed > 0);
  }

  /** Returns the recipe of a stage with names in place of the models and data that it starts from. */
  function withModels({ recipe, from = {}, data = [] }: RunStage): object {
    const fields = structuredClone(recipe) as Record<string, unknown>;
    for (const [path, stage] of Object.entries(from)) setField(fields, path, stage);
    if (data.length > 0) fields.data = [...data, ...((fields.data ?? []) as unknown[])];
    return fields;
  }

  function checkSpeedrun({ stages, best }: Speedrun): void {
    const known: string[] = [];
    for (const stage of stages) {
      const needed = isRun(stage) ? [...Object.values(stage.from ?? {}), ...(stage.data ?? [])] : [stage.teacher];
      for (const name of needed) assert.ok(known.includes(name), `${stage.name} needs ${name} before it`);
      known.push(stage.name);
      if (!isRun(stage)) assert.ok(collectionSchema.parse(stage.recipe).tasks.length > 0);
      else checkRun(withModels(stage), stage.kind);
    }
    assert.ok(stages.some(({ name }) => name === best));
  }

  function checkPipelineAblation({ stages, arms, reference }: PipelineAblationRecipe): void {
    assert.ok(Object.hasOwn(arms, reference));
    for (const { recipe, kind, from = {}, scaled } of Object.values(arms)) {
      checkRun({ ...recipe, ...from }, kind);
      for (const stage of Object.values(from)) assert.ok(stages.some(({ name }) => name === stage));
      const value = scaled
        .split('.')
        .reduce<unknown>((at, name) => (at as typeof given | undefined)?.[name as 'number'], recipe);
      assert.equal(typeof value, 'number', scaled);
    }
  }

  for (const name of names.filter((name) => name !== 'shared'))
    test(`${name} resolves, in every arm`, async () => {
      const { recipe, kind } = await loadRecipe<AblationRecipe | PipelineAblationRecipe | Speedrun | EvaluationRecipe>(
        name,
      );
      if ('arms' in recipe && 'stages' in recipe) checkPipelineAblation(recipe);
      else if ('arms' in recipe) checkAblation(recipe);
      else if ('stages' in recipe) checkSpeedrun(recipe);
      else if ('problems' in recipe) assert.ok(bundledTasks.has(recipe.task) && recipe.problems > 0);
      else checkRun(recipe, kind);
    });
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
