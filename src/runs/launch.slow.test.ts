// Runs started, stopped and resumed as processes of their own. npm test -- runs
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../kernels/index.ts';
import { findLockHolder, pretrain, resolveRecipe } from '../train/index.ts';
import { type RecipeList, type RunList, type RunSummary, runKinds } from './index.ts';
import { ended, openRuns, programFor, refused, step, type TestRuns } from './test-runs.ts';

const data = mkdtempSync(join(tmpdir(), 'minke-data-'));
writeFileSync(join(data, 'book.txt'), 'a b c');
const opened: TestRuns[] = [];
after(async () => {
  for (const runs of opened) await runs.close();
  rmSync(data, { recursive: true });
});

function withProgram(script: string, more: object = {}): TestRuns {
  const runs = openRuns({ program: programFor(script), dataFolder: data, ...more });
  opened.push(runs);
  return runs;
}

const fields = { model: 'nano', data: { inputs: [join(data, 'book.txt')] }, steps: 900 };
const recipe = JSON.stringify(resolveRecipe(pretrain, fields));

/** A program that trains until it is asked to stop. */
const patient = `
  lock();
  fs.writeFileSync(path.join(run, 'config.json'), ${JSON.stringify(recipe)});
  fs.writeFileSync(path.join(run, 'args.json'), JSON.stringify(process.argv.slice(1)));
  emit({ event: 'resumed', step: 1, steps: 900 });
  process.once('SIGINT', () => setTimeout(() => {
    emit({ event: 'saved', step: 1, folder: run, sha256: 'x' });
    end('stopped', 'asked to stop');
  }, 300));
  setInterval(() => 0, 1000);
`;

async function until(runs: TestRuns, name: string, state: string): Promise<RunSummary> {
  for (let i = 0; i < 800; i++) {
    const { runs: all } = (await (await runs.get('/runs')).json()) as RunList;
    const run = all.find((each) => each.name === name);
    if (run?.state === state) return run;
    await sleep(25);
  }
  throw new Error(`${name} never became ${state}`);
}
const readSummary = async (response: Promise<Response>) => ((await (await response).json()) as { run: RunSummary }).run;

describe('recipes', () => {
  test('each has a kind, what it needs and what can be set; a kind without one is listed by its name', async () => {
    const runs = withProgram(patient);
    const { recipes, bases } = (await (await runs.get('/runs/recipes')).json()) as RecipeList;
    const needs = new Map(recipes.map(({ name, kind, needs }) => [name, [kind, ...needs].join(' ')]));
    assert.equal(needs.get('countdown-base'), 'pretrain');
    assert.equal(needs.get('countdown-zero'), 'rl model');
    assert.equal(needs.get('countdown-distilled'), 'distill student teacher');
    assert.equal(needs.get('tiny-shakespeare'), 'pretrain data');
    for (const several of ['speedrun', 'moe']) assert.equal(needs.has(several), false);
    const kinds = new Set(recipes.map(({ kind }) => kind));
    assert.deepEqual(
      runKinds.filter(({ name }) => !kinds.has(name)),
      [],
    );
    for (const { about } of recipes) assert.match(about, /^[A-Z].*\.$/);
    const steps = recipes[0]?.choices.find(({ path }) => path === 'steps')?.value;
    assert.ok(typeof steps === 'number' && steps > 0);
    assert.deepEqual(bases, []);
  });

  test('a run begins from a model of the server or from a run with a checkpoint, by its name', async () => {
    const runs = withProgram(patient, { models: { served: '/models/served' } });
    for (const [name, files] of Object.entries({
      whole: ['training.json', 'model.safetensors', 'config.json'],
      half: ['training.json'],
      none: [],
    })) {
      const folder = join(runs.run(name, [step(1)]), 'checkpoints', 'step-00000001');
      mkdirSync(folder, { recursive: true });
      for (const file of files) writeFileSync(join(folder, file), '{}');
    }
    const { bases } = (await (await runs.get('/runs/recipes')).json()) as RecipeList;
    assert.deepEqual(bases, ['served', 'whole']);
    const start = { recipe: 'countdown-zero', name: 'new', model: 'served' };
    assert.equal((await runs.post('/runs', start)).status, 201);
    const args = JSON.parse(readFileSync(join(runs.folder, 'new/args.json'), 'utf8')) as string[];
    assert.ok(args.includes('--model=/models/served'));
  });
});

describe('starting', () => {
  test("runs the command line's verb with what was set, in a process of its own", async () => {
    const runs = withProgram(patient);
    const set = ['steps=900', 'schedule.learningRate=1e-3'];
    const run = await readSummary(
      runs.post('/runs', { recipe: 'tiny-shakespeare', name: 'mine', set, data: ['book.txt'] }),
    );
    assert.deepEqual([run.name, run.state, run.steps], ['mine', 'running', 900]);
    const args = JSON.parse(readFileSync(join(runs.folder, 'mine/args.json'), 'utf8')) as string[];
    assert.deepEqual(args, [
      ...['pretrain', 'tiny-shakespeare', `--run=${join(runs.folder, 'mine')}`, `--data=${join(data, 'book.txt')}`],
      ...['--set=steps=900', '--set=schedule.learningRate=1e-3'],
    ]);
  });

  test('one run at a time: a second one is refused until it has ended', async () => {
    const runs = withProgram(patient);
    const begin = (name: string) => runs.post('/runs', { recipe: 'countdown-base', name });
    const both = await Promise.all([begin('first'), begin('second')]);
    assert.deepEqual(
      both.map(({ status }) => status),
      [201, 409],
    );
    await refused(begin('third'), 409, /first is running, and 1 may run at once: stop it before third begins/);
    await refused(begin('first'), 409, /there is a run first already/);
    await refused(runs.post('/runs/first/resume'), 409, /first is running already/);
    const two = withProgram(patient, { atOnce: 2 });
    for (const name of ['a', 'b'])
      assert.equal((await two.post('/runs', { recipe: 'countdown-base', name })).status, 201);
  });

  test("a choice that is wrong is refused in the command line's own words, and leaves no run", async () => {
    const main = join(packageRoot(), 'dist/src/cli/main.js');
    const runs = openRuns({ program: [process.execPath, main] });
    opened.push(runs);
    await refused(
      runs.post('/runs', { recipe: 'countdown-base', name: 'wrong', set: ['steps=none'] }),
      422,
      /^\[recipe\] steps: Invalid input: expected number, received string; correct the recipe or the --set$/,
    );
    assert.equal(existsSync(join(runs.folder, 'wrong')), false);
  });

  test('a page must not name files or programs', async () => {
    const runs = withProgram(patient);
    const begin = (more: object) => runs.post('/runs', { recipe: 'countdown-base', ...more });
    const distilled = 'countdown-distilled';
    const own = [`student=${join(runs.folder, 'r')}`, `teacher=${join(runs.folder, 'r')}`];
    const wrong = [
      ['student=/x', /^\[student\] "x" lies outside of the folders that runs may read; .*--allow-folder$/],
      ['teacher=http://example.org', /^\[teacher\] "http:\/\/example.org" is an address, .* --allow-teacher http:/],
      ['traces.from=/x', /^\[traces.from\] "x" lies outside/],
      ['api.keyVariable=PATH', /^\[api.keyVariable\] "PATH" would be sent as a key/],
      ['tasks=[{"task":"./evil.js"}]', /^\[tasks.0.task\] ".\/evil.js" is a program, .* --allow-task .\/evil.js$/],
    ] as const;
    for (const [set, message] of wrong) await refused(begin({ recipe: distilled, set: [...own, set] }), 422, message);
    await refused(begin({ recipe: distilled, task: './evil.js' }), 422, /is not a task: choose one of/);
    await refused(begin({ recipe: distilled, traces: '--shell' }), 422, /is not a number/);
    await refused(begin({ recipe: distilled, teacher: 'http://example.org' }), 422, /is not a name of a run/);
    for (const set of ['initial=/etc', 'data.inputs=["/etc/passwd"]', 'data.tokenizer=../..'])
      await refused(begin({ set: [set] }), 422, /lies outside of the folders that runs may read/);
    await refused(begin({ set: ['model="/x"'] }), 422, /model: Invalid input: expected record/);
    for (const set of ['steps', '=3', '--data=/etc/passwd', 'a b=3'])
      await refused(begin({ set: [set] }), 422, /is not path=value/);
    for (const file of ['/etc/passwd', '../book.txt', 'x/../../book.txt', '.'])
      await refused(begin({ data: [file] }), 422, /is not in the data folder/);
    await refused(begin({ data: ['none.txt'] }), 422, /does not exist: put it into/);
    await refused(begin({ name: '../x' }), 422, /is not a name of a run/);
    await refused(runs.post('/runs', { recipe: '../x' }), 404, /choose one of countdown-base/);
    await refused(runs.post('/runs', { recipe: 'countdown-zero', model: 'nothing' }), 404, /there is no run "nothing"/);
    await refused(
      runs.post('/runs', { recipe: 'countdown-base', shell: 'rm' }),
      422,
      /shell: "rm" is not an argument of minke pretrain/,
    );
    const few = 'data.inputs=[{"workedExamples":"countdown","seed":1,"count":9}]';
    assert.equal((await begin({ name: 'few', set: [few] })).status, 201);
  });
});

describe('stopping', () => {
  test('lets a run save; it can be resumed unless it is complete', async () => {
    const runs = withProgram(patient);
    await runs.post('/runs', { recipe: 'countdown-base', name: 'r' });
    // Twice, and still one signal: a second one would kill it unsaved.
    const asked = await Promise.all([runs.post('/runs/r/stop'), runs.post('/runs/r/stop')]);
    assert.deepEqual(
      asked.map(({ status }) => status),
      [200, 200],
    );
    await until(runs, 'r', 'stopped');
    await refused(runs.post('/runs/r/stop'), 409, /r is not running/);
    assert.match((await readSummary(runs.post('/runs/r/resume'))).state, /running/);
    const args = JSON.parse(readFileSync(join(runs.folder, 'r/args.json'), 'utf8')) as string[];
    assert.deepEqual(args, ['pretrain', `--run=${join(runs.folder, 'r')}`, '--resume']);
    await runs.post('/runs/r/stop');
    await until(runs, 'r', 'stopped');
    runs.run('whole', [step(1), ended(1, 'completed')]);
    await refused(runs.post('/runs/whole/resume'), 409, /whole is complete/);
    await refused(runs.post('/runs/nothing/resume'), 404, /there is no run/);
  });

  test('a killed process leaves an interrupted run, and the server stays up', async () => {
    const runs = withProgram(patient);
    await runs.post('/runs', { recipe: 'countdown-base', name: 'k' });
    const holder = await findLockHolder(join(runs.folder, 'k'));
    process.kill(holder?.pid as number, 'SIGKILL');
    const run = await until(runs, 'k', 'interrupted');
    assert.equal(run.problem, 'its process was ended by SIGKILL');
    assert.equal((await runs.post('/runs/k/resume')).status, 200);
  });

  test('a run that a terminal started is asked through its lock', async () => {
    const runs = withProgram(patient);
    const [command, ...args] = programFor(patient) as [string, ...string[]];
    const folder = join(runs.folder, 'foreign');
    mkdirSync(folder);
    const child = spawn(command, [...args, `--run=${folder}`]);
    const exit = once(child, 'exit');
    await until(runs, 'foreign', 'running');
    await refused(runs.post('/runs/foreign/resume'), 409, /foreign is running already/);
    await readSummary(runs.post('/runs/foreign/stop'));
    assert.deepEqual(await exit, [0, null]);
    assert.equal((await until(runs, 'foreign', 'stopped')).problem, null);
  });

  test('a run that does not stop is ended by a second request, but not at once', async () => {
    const deaf = `
      lock();
      setInterval(() => 0, 1000);
      process.once('SIGINT', () => setTimeout(() => { for (;;); }, 100));
      emit({ event: 'step', step: 1 });
    `;
    const runs = withProgram(deaf, { insistMs: 1000 });
    await runs.post('/runs', { recipe: 'countdown-base', name: 'deaf' });
    for (let i = 0; i < 2; i++) assert.equal((await runs.post('/runs/deaf/stop')).status, 200);
    await until(runs, 'deaf', 'stopping');
    await sleep(1000);
    assert.equal((await runs.post('/runs/deaf/stop')).status, 200);
    assert.equal((await until(runs, 'deaf', 'interrupted')).problem, 'its process was ended by SIGKILL');
  });

  test('a later failure is reported in the words of its process', async () => {
    const runs = withProgram(
      "lock(); setTimeout(() => { console.error('[a.txt] is no text; give one'); process.exit(1) }, 1700)",
    );
    await runs.post('/runs', { recipe: 'countdown-base', name: 'late' });
    assert.equal((await until(runs, 'late', 'failed')).problem, '[a.txt] is no text; give one');
  });

  test('a server that closes asks its runs to save, and waits', async () => {
    const runs = withProgram(patient);
    await runs.post('/runs', { recipe: 'countdown-base', name: 'c' });
    await runs.service.close();
    assert.match(readFileSync(join(runs.folder, 'c/events.jsonl'), 'utf8'), /"stopped".*asked to stop/);
  });
});

describe('who may change something', () => {
  test('own pages and programs may, pages of other origins may not, even where those may read', async () => {
    const runs = openRuns({}, { origins: ['*'] });
    opened.push(runs);
    runs.run('r', [step(1), ended(1, 'stopped')]);
    mkdirSync(join(runs.folder, 'r/checkpoints'));
    const foreign = { origin: 'https://example.org' };
    assert.equal((await runs.get('/runs', { headers: foreign })).status, 200);
    for (const path of ['/runs', '/runs/r/stop', '/runs/r/resume']) {
      await refused(runs.post(path, {}, foreign), 403, /only pages of this server/);
      await refused(runs.post(path, {}, { origin: 'null' }), 403, /only pages of this server/);
      await refused(runs.post(path, {}, { 'sec-fetch-site': 'same-site' }), 403, /only pages of this server/);
      await refused(runs.post(path, {}, { 'content-type': 'text/plain' }), 422, /Content-Type: application\/json/);
      await refused(runs.get(path, { method: 'DELETE' }), path === '/runs' ? 405 : 404, /takes|does not exist/);
    }
    const same = { origin: 'http://localhost', 'sec-fetch-site': 'same-origin' };
    await refused(runs.post('/runs/r/stop', {}, same), 409, /not running/);
  });

  test('keys and hosts are checked as everywhere', async () => {
    const runs = openRuns({}, { keys: ['secret'] });
    opened.push(runs);
    await refused(runs.get('/runs'), 401, /the key is missing/);
    await refused(runs.post('/runs/r/stop'), 401, /the key is missing/);
    await refused(runs.get('/runs', { headers: { host: 'evil.example' } }), 403, /is not served/);
  });
});
