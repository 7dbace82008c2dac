// minke eval as a user runs it: graders that fail are reported with their problem, and fail the command.
// npm test -- test/eval
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { packageRoot } from '../src/kernels/root.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-eval-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a task in the words that the bundled model was trained on, with a grader of the test's choice. */
function taskFile(name: string, grade: string): string {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(
    path,
    `export const task = { name: '${name}', description: 'for a test', difficulty: { from: 1, to: 1, default: 1 },
      problem: (random) => {
        const [a, b] = [random.whole(100, 999), random.whole(100, 999)];
        return { prompt: 'What is ' + a + ' + ' + b + '?', key: a + ' ' + b, sum: a + b };
      },
      grade: (problem, answer) => ${grade} };`,
  );
  return path;
}

function evaluate(...tasks: string[]): { code: number | null; stdout: string; stderr: string } {
  const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  const model = join(packageRoot(), 'models', 'minke');
  const sizes = ['--problems', '4', '--samples', '1', '--seed', '3', '--json'];
  const args = [main, 'eval', model, '--task', ...tasks, ...sizes];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { code: status, stdout, stderr };
}

test('a grader that works: exit code 0, and what it prints stays off the results', () => {
  const works = "(console.log('chatty'), { correct: Number(answer) === problem.sum, reason: '' })";
  const { code, stdout, stderr } = evaluate(taskFile('works', works));
  assert.equal(code, 0, stderr);
  const { graded, faults, fault } = JSON.parse(stdout);
  assert.deepEqual([faults, fault], [0, null]);
  assert.ok(graded > 0);
  assert.match(stderr, /chatty/);
});

test('graders that throw, exit, return nothing, NaN or a number: each is reported, the command fails', () => {
  const graders: Record<string, [grade: string, report: RegExp]> = {
    throws: ["{ throw new Error('no such column'); }", /it threw "no such column"/],
    exits: ['process.exit(3)', /it ended the process \(exit code 3\)/],
    nothing: ['undefined', /it returned undefined, which is no verdict/],
    nan: ["({ correct: NaN, reason: '' })", /it returned \{ correct: NaN, reason: '' \}, which is no verdict/],
    number: ['0.5', /it returned 0.5, which is no verdict/],
  };
  const files = Object.entries(graders).map(([name, [grade]]) => taskFile(name, grade));
  const { code, stdout, stderr } = evaluate(...files);
  assert.equal(code, 1, stderr);
  const lines = stdout.trim().split('\n');
  for (const [i, [name, [, report]]] of Object.entries(graders).entries()) {
    const { task, graded, faults, fault } = JSON.parse(lines[i]);
    assert.equal(task, name);
    assert.ok(graded > 0 && faults === graded, lines[i]);
    assert.match(fault, report);
    assert.match(fault, /the problem was "What is \d+ \+ \d+\?", the answer "/);
    assert.ok(stderr.includes(fault), stderr);
  }
  assert.match(
    stderr,
    /^\[grader\] \d of \d answers got no verdict, at most 5 % may: .*; correct grade\(\) of the task$/m,
  );
  assert.doesNotMatch(stderr, /^ +at /m);
});
