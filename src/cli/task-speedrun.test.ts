// A speedrun on one task: what its stages read and are asked, settings by stage, a folder that was begun otherwise.
// npm test -- task-speedrun
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { recipe } from '../../recipes/speedrun.ts';
import { runKinds } from '../runs/index.ts';
import { resolveRecipe } from '../train/index.ts';
import { answeringStages } from './stage-runner.ts';
import { taskText } from './task-scaffold.ts';
import { defaultFolder, expectSameBeginning, readSpeedrunTask, setStages, withTask } from './task-speedrun.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-task-speedrun-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'my-sum.js');
const write = (text: string) => writeFileSync(file, text);
write(taskText('my-sum', 'js'));

test('every stage reads and practices the task, and every model is asked it in held-out phrasings', async () => {
  const own = await readSpeedrunTask(`${file}:2`);
  assert.deepEqual([own.task, own.difficulty, own.hasLevels, own.maxTokens], [file, 2, true, 64]);
  assert.match(own.example, /^Add \d+, \d+\.$/);
  const speedrun = withTask(recipe, own);
  assert.deepEqual(speedrun.evaluations, [
    { ...recipe.evaluations[0], task: file, difficulty: 2, phrasing: 'varied', maxTokens: 64 },
  ]);
  const models = { model: 'a-base', student: 'a-student', teacher: 'a-teacher' };
  for (const stage of answeringStages(speedrun)) {
    const kind = runKinds.find(({ name }) => name === stage.kind);
    assert.ok(kind);
    const from = Object.fromEntries(Object.keys(stage.from ?? {}).map((field) => [field, models[field as 'model']]));
    const text = JSON.stringify(resolveRecipe(kind, { ...stage.recipe, ...from }));
    assert.ok(text.includes(file) && !text.includes('countdown'), `${stage.name}: ${text}`);
  }
});

test('settings reach the stage that they name, and nothing else', () => {
  const changed = setStages(recipe, ['base.schedule.learningRate=0.5', 'evaluation.problems=3']);
  assert.equal(
    (changed.stages[0] as { recipe: { schedule: { learningRate: number } } }).recipe.schedule.learningRate,
    0.5,
  );
  assert.equal(changed.evaluations[0].problems, 3);
  assert.deepEqual(changed.stages.slice(1), recipe.stages.slice(1));
  assert.notEqual(recipe.evaluations[0].problems, 3);
  assert.throws(
    () => setStages(recipe, ['steps=3']),
    /\[--set\] steps=3 names no stage; begin with one of base, zero,/,
  );
});

test('a task that breaks its promises costs no time', async () => {
  const broken = join(folder, 'broken.js');
  writeFileSync(broken, taskText('broken', 'js').replace(/steps\(\{ numbers \}\) \{/, 'others() {'));
  await assert.rejects(readSpeedrunTask(broken), /broken: .* it has no steps\(\)/);
  await assert.rejects(readSpeedrunTask(`${file}:9`), /difficulty 9: choose a whole number from 2 to 5/);
});

test('a folder keeps the task, seed, and settings that it was begun with', () => {
  const root = join(folder, 'runs');
  const begin = (task: string | undefined, seed?: number, set?: readonly string[]) => () =>
    expectSameBeginning(root, { task, seed, set });
  begin(file, 7)();
  begin(file, 8)(); // no stage has begun
  mkdirSync(join(root, 'base'));
  begin(file, 8)();
  assert.throws(begin(undefined, 8), /was begun on my-sum\.js, not on the recipe's task; name another folder/);
  assert.throws(begin(file), /was begun with seed 8, not that of the recipe/);
  assert.throws(begin(file, 8, ['base.steps=2']), /was begun without --set, not with --set base\.steps=2/);
  write(taskText('my-sum', 'js').replace('99', '98'));
  assert.throws(begin(file, 8), /was begun with another text of .*my-sum\.js/);
  assert.equal(defaultFolder(undefined), join('runs', 'speedrun'));
  assert.equal(defaultFolder('./my-sum.ts:3'), join('runs', 'my-sum'));
});
