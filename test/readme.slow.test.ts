// What README.md says is so: its five library examples and its task compile and run as they stand there, its command
// lines parse, its scripts and files exist, its figures stand on the pages they name. npm test -- readme
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { packageRoot } from '../src/kernels/root.ts';
import { openTask } from '../src/tasks/index.ts';
import { parseCommandLine, splitWords } from './command-lines.ts';
import { writeSmallModel } from './small-model.ts';

const root = packageRoot();
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Code blocks of a language. */
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code);

const folder = mkdtempSync(join(tmpdir(), 'minke-readme-'));
const compilerOptions = { target: 'es2023', module: 'nodenext', strict: true, types: ['node'], outDir: 'out' };

before(async () => {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@types'), { recursive: true });
  symlinkSync(root, join(modules, 'minke'), 'junction');
  symlinkSync(join(root, 'node_modules/@types/node'), join(modules, '@types/node'), 'junction');
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  for (const [i, code] of blocks('ts').entries()) writeFileSync(join(folder, `example-${i}.ts`), code);
  await writeSmallModel(join(folder, 'my-model'));
});
after(() => rmSync(folder, { recursive: true }));

describe('the library in examples', () => {
  const run = (...args: string[]) => spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });

  test('they are five, and compile in strict TypeScript', () => {
    assert.equal(blocks('ts').length, 5);
    const { status, stdout } = run(join(root, 'node_modules/typescript/bin/tsc'), '-p', '.');
    assert.equal(status, 0, stdout);
  });

  const printed = [/./, /object: 'text_completion'/, /^\[\s+-?\d+\.\d+,/, /^\d+\.\d+ \[ 4, 16 \]$/m, /^completed$/m];
  for (const [i, expected] of printed.entries())
    test(`example ${i + 1} runs and prints what it is about`, () => {
      const { status, stdout, stderr } = run(`out/example-${i}.js`);
      assert.equal(status, 0, stderr);
      assert.match(stdout, expected);
    });

  test('the task is one', async () => {
    const path = join(folder, 'my-task.js');
    writeFileSync(path, blocks('js')[0]);
    const task = await openTask(path);
    try {
      const problems = await task.problems([{ seed: 1, index: 0, split: 'train' }]);
      const [problem] = problems as unknown as [{ prompt: string; key: string; n: number }];
      const answers = [String(2 * problem.n), String(problem.n)];
      const graded = await task.grade(answers.map((answer) => ({ problem, answer })));
      assert.deepEqual(
        graded.map(({ correct }) => correct),
        [true, false],
      );
    } finally {
      await task.close();
    }
  });
});

describe('what the page names', () => {
  const lines = blocks('sh').flatMap((block) => block.trim().split('\n'));

  test('command lines parse', async () => {
    const ours = lines.filter((line) => line.startsWith('npx minke '));
    assert.ok(ours.length > 10);
    for (const line of ours) await parseCommandLine(splitWords(line).slice(2));
  });

  test('scripts exist', () => {
    for (const [, name] of readme.matchAll(/npm (?:run )?(start|test|(?<=run )[\w:]+)/g))
      assert.ok(manifest.scripts[name], `npm run ${name}`);
  });

  test('files and folders exist', () => {
    const linked = [...readme.matchAll(/\]\(([^):]+)\)|(?:src|srcset)="([^"]+)"/g)].map(([, a, b]) => a ?? b);
    const named = [...readme.matchAll(/`((?:src|test|docs|web|recipes|models|bench)(?:\/[\w./-]+)?)`/g)];
    for (const path of [...linked, ...named.map(([, path]) => path)]) assert.ok(existsSync(join(root, path)), path);
  });

  test('every module is in the source map', () => {
    for (const name of readdirSync(join(root, 'src'))) assert.ok(readme.includes(`\n| \`src/${name}\` |`), name);
  });

  test('figures of the tables stand on their pages', () => {
    const rows = readme.split('\n').filter((line) => /^\|.*\]\((bench\/results|docs)\/[^)]+\) \|$/.test(line));
    assert.ok(rows.length >= 15);
    for (const row of rows) {
      const page = readFileSync(join(root, /\]\(([^)]+)\)/.exec(row)?.[1] as string), 'utf8');
      const cells = row.slice(0, row.lastIndexOf('|', row.length - 2)).replaceAll(/f32|bf16|int[48]|V3/g, '');
      for (const [figure] of cells.matchAll(/\d+(?:\.\d+)*/g)) assert.ok(page.includes(figure), `${figure} in ${row}`);
    }
  });
});
