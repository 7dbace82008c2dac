// A kind of run is one object in a list: HTTP and report take everything else from it. npm test -- runs
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type KindList, type RecipeList, type RunDetail, type RunSummary, runKinds } from './index.ts';
import { ended, guessing, openRuns, programFor, refused } from './test-runs.ts';

const runs = openRuns({
  kinds: [...runKinds, guessing],
  program: programFor(`
    lock();
    fs.writeFileSync(path.join(run, 'guess.json'), '{"steps":2}');
    fs.writeFileSync(path.join(run, 'args.json'), JSON.stringify(process.argv.slice(1)));
    emit({ event: 'step', step: 1, distance: 4 });
    setTimeout(() => end('completed', 'all steps are done'), 100);
  `),
});
after(() => runs.close());
const json = async <T>(path: string) => (await (await runs.get(path)).json()) as T;

describe('another kind of run', () => {
  test('is listed with what a page needs to draw it, as JSON', async () => {
    const { kinds } = await json<KindList>('/runs/kinds');
    assert.deepEqual(
      kinds.map(({ name }) => name),
      [...runKinds.map(({ name }) => name), 'guess'],
    );
    const { title, arguments: given, charts, headline, mainFields } = guessing;
    assert.deepEqual(kinds.at(-1), {
      name: 'guess',
      title,
      about: guessing.about,
      arguments: given,
      mainFields,
      charts,
      headline,
    });
  });

  test('is started with its arguments, under its own name where it has no recipe', async () => {
    const { recipes } = await json<RecipeList>('/runs/recipes');
    const recipe = recipes.find(({ kind }) => kind === 'guess');
    assert.deepEqual(
      [recipe?.name, recipe?.about, recipe?.needs],
      ['guess', 'Guess a number, closer in every step.', ['target']],
    );
    assert.deepEqual(recipe?.choices[0], { path: 'target', value: 1 });
    const answer = await runs.post('/runs', { recipe: 'guess', name: 'mine', target: '3' });
    let { run } = (await answer.json()) as { run: RunSummary };
    for (; run.state !== 'completed'; await sleep(20)) run = (await json<RunDetail>('/runs/mine')).run;
    assert.deepEqual([run.kind, run.step, run.steps], ['guess', 1, 2]);
    assert.deepEqual(run.headline, [{ label: 'Distance', format: 'number', value: 4 }]);
    const args = JSON.parse(readFileSync(join(runs.folder, 'mine/args.json'), 'utf8')) as string[];
    assert.deepEqual(args, ['guess', `--run=${join(runs.folder, 'mine')}`, '--target=3']);
    await refused(runs.post('/runs', { recipe: 'guess', target: 'three' }), 422, /target: "three" is not a number/);
    await refused(runs.post('/runs', { recipe: 'guess', model: 'mine' }), 422, /is not an argument of minke guess/);
  });

  test('is read with its own events', async () => {
    runs.run('odd', ['{"event":"step","time":1,"step":1,"distance":"far"}\n'], 'guess.json');
    await refused(runs.get('/runs/odd/events'), 422, /expected number, received string/);
    runs.run('past', [{ event: 'step', time: 1, step: 1, distance: 2 }, ended(1, 'completed')], 'guess.json');
    const { run } = await json<RunDetail>('/runs/past');
    assert.deepEqual([run.kind, run.state, run.headline[0]?.value], ['guess', 'completed', 2]);
  });
});
