// Folders that are not what a run leaves: each is shown with what is wrong, and no other run is affected.
// npm test -- runs/lies
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { writeLineage } from '../train/run/lineage.ts';
import type { RunDetail, RunList, RunSummary } from './index.ts';
import { ended, openRuns, programFor, refused, step, testLineage } from './test-runs.ts';

const isWindows = process.platform === 'win32';
const runs = openRuns({ keepAliveMs: 10_000, program: programFor("fs.writeFileSync(at('started'), '')") });
after(() => runs.close());

const at = (...names: string[]) => join(runs.folder, ...names);
const events = (name: string) => at(name, 'events.jsonl');
const pipe = (path: string) => execFileSync('mkfifo', [path]);
const nested = '['.repeat(100_000) + ']'.repeat(100_000);

/** Makes a run of one step, and replaces one of its files. */
function lie(name: string, file: string, replace: (path: string) => void): void {
  runs.run(name, [step(1)]);
  rmSync(at(name, file), { force: true });
  replace(at(name, file));
}

runs.run('good', [step(1), ended(1, 'completed')]);

interface Lie {
  readonly name: string;
  readonly file: string;
  readonly replace: (path: string) => void;
  /** What its summary says; null where the run can be summarized without this file. */
  readonly problem: RegExp | null;
  /** The state that the list shows. */
  readonly state?: RunSummary['state'];
}

const text = (content: string) => (path: string) => writeFileSync(path, content);
const hugeFile = (path: string) => {
  writeFileSync(path, '');
  truncateSync(path, 3 * 2 ** 30);
};
const inEvents = (name: string, replace: Lie['replace'], problem: RegExp): Lie => {
  return { name, file: 'events.jsonl', replace, problem, state: 'failed' };
};

const lies: readonly Lie[] = [
  inEvents('no-end', hugeFile, /^events.jsonl has a line of more than 1048576 bytes: remove the line$/),
  inEvents('folder', mkdirSync, /^events.jsonl is a folder, not a file: remove it$/),
  inEvents('nested-line', text(`${nested}\n`), /^events.jsonl has no line that is an event/),
  inEvents(
    'other-types',
    text('null\n3\n{"event":"step","time":"x"}\n{"event":"step","time":1e999}\n'),
    /no line that is/,
  ),
  {
    name: 'nested',
    file: 'config.json',
    replace: text(nested),
    problem: /^config.json: is nested deeper than 64 levels/,
  },
  {
    name: 'huge-recipe',
    file: 'config.json',
    replace: hugeFile,
    problem: /^config.json: has 3072.0 MiB, more than the 2.0/,
  },
  {
    name: 'many',
    file: 'config.json',
    replace: text(`[1${',1'.repeat(1e5)}]`),
    problem: /^config.json: holds more than 50000/,
  },
  { name: 'lineage', file: 'lineage.json', replace: text('{"format":9}'), problem: null },
  ...(isWindows
    ? []
    : [
        inEvents('pipe', pipe, /^events.jsonl is a pipe, not a file: remove it$/),
        inEvents('link', (path) => symlinkSync('/dev/zero', path), /^events.jsonl is a link, not a file/),
        { name: 'pipe-recipe', file: 'config.json', replace: pipe, problem: /^config.json: is a pipe/ },
        { name: 'pipe-lineage', file: 'lineage.json', replace: pipe, problem: null },
        { name: 'pipe-console', file: 'console.txt', replace: pipe, problem: null },
      ]),
];
for (const { name, file, replace } of lies) lie(name, file, replace);

const list = async () => (await (await runs.get('/runs')).json()) as RunList;

describe('a folder that lies', () => {
  test('is shown with what is wrong in the list, beside runs that are not affected', async () => {
    const all = new Map((await list()).runs.map((run) => [run.name, run]));
    assert.equal(all.get('good')?.state, 'completed');
    for (const { name, problem, state = 'interrupted' } of lies) {
      const run = all.get(name);
      assert.equal(run?.state, state, name);
      assert.match(run?.problem ?? '', problem ?? /^$/, name);
    }
  });

  for (const { name, file } of lies)
    test(`${name}: every route answers in words, and none of them with a path of this machine`, async () => {
      const paths = [`/runs/${name}`, `/runs/${name}/events`, `/runs/${name}/live`];
      const answers = await Promise.all(paths.map((path) => runs.get(path)));
      const texts = await Promise.all(answers.map((answer) => answer.text()));
      answers.push(await runs.post(`/runs/${name}/resume`));
      texts.push(await (answers.at(-1) as Response).text());
      for (const answer of answers) assert.ok([200, 422].includes(answer.status), `${answer.status} ${answer.url}`);
      const said = texts.join('\n');
      assert.ok(said.includes(file) || file === 'console.txt', said);
      for (const problem of said.matchAll(/"message":"(.*?)"[,}]/g))
        assert.ok(!problem[1]?.includes(runs.folder), said);
      assert.equal(existsSync(at(name, 'started')), false);
      await refused(runs.post(`/runs/${name}/stop`), 409, /is not running/);
    });

  test('of a recipe that names too many wrong things, some are named', async () => {
    lie('wrong', 'config.json', text(JSON.stringify({ data: { inputs: Array(1000).fill(1) } })));
    await refused(
      runs.post('/runs/wrong/resume'),
      422,
      /data.inputs.0: Invalid input; .*; and \d+ more; correct the recipe/,
    );
  });

  test('about its process: no process is signaled, and it is not shown as live', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)'], { detached: true });
    await once(child, 'spawn');
    for (const pid of [child.pid as number, -(child.pid as number), -1, 0, 1, 1.5, '1']) {
      lie('process', 'process.json', text(JSON.stringify({ pid, began: null })));
      assert.deepEqual((await list()).live, []);
      await refused(runs.post('/runs/process/stop'), 409, /process is not running/);
    }
    assert.equal(child.exitCode ?? child.signalCode, null);
    child.kill('SIGKILL');
  });
});

describe('a run whose files are links', { skip: isWindows }, () => {
  test('is not resumed, since it would write, cut and remove in another place', async () => {
    for (const file of ['checkpoints', 'console.txt', 'tokenizer', 'lock']) {
      const name = `linked-${file.replace('.', '-')}`;
      lie(name, file, (path) => symlinkSync(at('good'), path));
      const recipe = { model: {}, data: { inputs: [events('good')] } };
      writeFileSync(at(name, 'config.json'), JSON.stringify(recipe));
      await refused(runs.post(`/runs/${name}/resume`), 422, /is a link, and a run writes only into its own folder/);
      assert.equal(existsSync(at(name, 'started')), false);
    }
  });

  test('nor is one begun in a folder that is a link', async () => {
    symlinkSync(at('good'), at('elsewhere'));
    await refused(runs.post('/runs', { recipe: 'countdown-base', name: 'elsewhere' }), 422, /is a link or a file/);
    await refused(runs.post('/runs', { recipe: 'countdown-base', name: 'elsewhere/x' }), 422, /is a link or a file/);
  });
});

describe('what another site makes a browser load', () => {
  const image = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' };

  test('is refused before a folder is read; pages of this server and programs are answered', async () => {
    for (const path of ['/runs', '/runs/good', '/runs/good/events', '/runs/good/live', '/runs/recipes', '/runs/kinds'])
      for (const site of ['cross-site', 'same-site'])
        await refused(runs.get(path, { headers: { ...image, 'sec-fetch-site': site } }), 403, /pages of other sites/);
    for (const site of ['same-origin', 'none'])
      assert.equal((await runs.get('/runs', { headers: { 'sec-fetch-site': site } })).status, 200);
  });
});

describe('a list that is asked for again', () => {
  test('shows what has changed, and forgets what is gone', async () => {
    runs.run('growing', [step(1)]);
    const find = async () => (await list()).runs.find(({ name }) => name === 'growing');
    assert.deepEqual([(await find())?.step, (await find())?.state], [1, 'interrupted']);
    runs.append('growing', step(2), ended(2, 'completed'));
    assert.deepEqual([(await find())?.step, (await find())?.state], [2, 'completed']);
    renameSync(at('growing'), at('.gone'));
    assert.equal(await find(), undefined);
  });
});

describe('a run that is too long for a page', () => {
  test('is shown without its results, which a report has', async () => {
    const folder = runs.run('long', [step(1)]);
    runs.append('long', `${JSON.stringify({ event: 'resumed', time: 1, step: 1 })}\n`.repeat(200_001));
    await writeLineage(folder, testLineage);
    const { facts } = (await (await runs.get('/runs/long')).json()) as RunDetail;
    assert.deepEqual(facts, [['results', 'more than 200000 events: minke report shows what they come to']]);
  });
});
