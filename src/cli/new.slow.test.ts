// minke new task: what it writes works as it stands, in TypeScript and in JavaScript, and overwrites nothing.
// npm test -- cli/new
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { packageRoot } from '../kernels/index.ts';
import { taskTest, taskText } from './task-scaffold.ts';

const root = packageRoot();
const folder = mkdtempSync(join(tmpdir(), 'minke-new-'));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
symlinkSync(root, join(folder, 'node_modules/minke'), 'junction');
symlinkSync(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'), 'junction');
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');

const run = (...words: readonly string[]) => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return spawnSync(process.execPath, words, { cwd: folder, encoding: 'utf8', env });
};
const minke = (...words: readonly string[]) => run(join(root, 'dist/src/cli/main.js'), ...words);

test('the task passes its own test, and nothing is overwritten', () => {
  const { stdout, stderr } = minke('new', 'task', 'my-sum');
  const [, test = ''] = /^node --test (\S+)$/m.exec(stdout) ?? [];
  assert.match(stdout, /^wrote (my-sum\.[jt]s) and my-sum\.test\.[jt]s$/m, stderr);
  assert.match(stdout, /^npx minke speedrun --task \.\/my-sum\.[jt]s$/m);
  const passed = run('--test', '--test-reporter=tap', test);
  assert.match(passed.stdout, /^# pass 11$/m, passed.stdout);
  assert.match(passed.stdout, /^# fail 0$/m);
  const before = readFileSync(join(folder, test), 'utf8');
  assert.match(minke('new', 'task', 'my-sum').stderr, /\[new task\] my-sum\.[jt]s exists already; choose another name/);
  assert.equal(readFileSync(join(folder, test), 'utf8'), before);
});

test('in TypeScript it compiles under strict rules, to the task that JavaScript has', () => {
  writeFileSync(join(folder, 'typed-sum.ts'), taskText('typed-sum', 'ts'));
  writeFileSync(join(folder, 'typed-sum.test.ts'), taskTest('typed-sum', 'ts'));
  writeFileSync(join(folder, 'plain.js'), taskText('typed-sum', 'js'));
  const compilerOptions = {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    noUncheckedIndexedAccess: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    allowJs: true,
    types: ['node'],
    outDir: 'out',
  };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['typed-sum.ts', 'typed-sum.test.ts', 'plain.js'] }),
  );
  const { status, stdout } = run(join(root, 'node_modules/typescript/bin/tsc'), '-p', '.');
  assert.equal(status, 0, stdout);
  const code = (name: string) =>
    readFileSync(join(folder, 'out', name), 'utf8').replaceAll(/^\s*(\/\/|\/\*).*\n/gm, '');
  assert.equal(code('typed-sum.js').replace('export {};\n', ''), code('plain.js'));
});

test('what is no name for a task is refused', () => {
  for (const [name, message] of [
    ['My', /\[new task\] "My" is not a name; use small letters/],
    ['sums', /sums is a bundled task; choose another name/],
    ['nowhere/my-task', /there is no folder nowhere; make it/],
  ] as const) {
    const { status, stderr } = minke('new', 'task', name);
    assert.equal(status, 2);
    assert.match(stderr, message);
  }
});
