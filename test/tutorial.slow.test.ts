// The tutorial is carried out as it stands: its files pass their test, its speedrun runs with small sizes, its other
// command lines parse. npm test -- tutorial
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { packageRoot } from '../src/kernels/root.ts';
import { parseCommandLine, splitWords } from './command-lines.ts';

const root = packageRoot();
const page = readFileSync(join(root, 'docs/tutorials/own-reasoning-model.md'), 'utf8');
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code);
const lines = blocks('sh').flatMap((block) => block.trim().split('\n'));

const folder = mkdtempSync(join(tmpdir(), 'minke-tutorial-'));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'node_modules'));
symlinkSync(root, join(folder, 'node_modules/minke'), 'junction');
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');

const { NODE_TEST_CONTEXT: _, ...env } = process.env;
const run = (...words: readonly string[]) => spawnSync(process.execPath, words, { cwd: folder, encoding: 'utf8', env });
const minke = (line: string, ...more: readonly string[]) =>
  run(join(root, 'dist/src/cli/main.js'), ...splitWords(line).slice(2), ...more);

const nano = '{"preset":"nano","num_nextn_predict_layers":0}';
const inputs = '[{"workedExamples":"./coins.js","count":200,"phrasing":"varied"}]';
const readers = ['base', 'student'].flatMap((stage) => [
  `${stage}.model=${nano}`,
  `${stage}.data.inputs=${inputs}`,
  `${stage}.data.tokenizer=bytes`,
  `${stage}.data.validationFraction=0.1`,
  ...['steps=2', 'batchSize=2', 'sequenceLength=64', 'sampleTokens=4', 'schedule.warmupSteps=0'].map(
    (setting) => `${stage}.${setting}`,
  ),
]);
const small = [
  ...readers,
  ...['gate.samples=0', 'steps=1', 'warmupSteps=0', 'questions=2', 'groupSize=2', 'maxTokens=8'].map(
    (s) => `zero.${s}`,
  ),
  ...['zero', 'distilled', 'on-policy'].flatMap((stage) => [
    `${stage}.evaluation.problems=2`,
    `${stage}.evaluation.samples=1`,
  ]),
  'distilled.method=on-policy',
  ...['distilled', 'on-policy'].flatMap((stage) =>
    ['onPolicy.steps=1', 'onPolicy.questions=2', 'onPolicy.maxTokens=8'].map((setting) => `${stage}.${setting}`),
  ),
  ...['problems=2', 'samples=2', 'maxTokens=8'].map((s) => `evaluation.${s}`),
];

test('the task of the page passes the test of the page', () => {
  assert.match(minke('npx minke new task coins').stdout, /^wrote coins\.[jt]s and coins\.test\.[jt]s$/m);
  const [task, taskTest] = blocks('js');
  writeFileSync(join(folder, 'coins.js'), task);
  writeFileSync(join(folder, 'coins.test.js'), taskTest);
  const { stdout } = run('--test', '--test-reporter=tap', 'coins.test.js');
  assert.match(stdout, /^# pass 12$/m, stdout);
  assert.match(stdout, /^# fail 0$/m);
});

test('the speedrun of the page runs through on it, and names the model to serve', () => {
  const [line] = lines.filter((each) => each.startsWith('npx minke speedrun'));
  const refused = minke(line, '--set', ...small);
  assert.equal(refused.status, 1);
  assert.match(
    refused.stderr,
    /\[gate of zero\] accuracy [\d.]+ % after zero, at least 20\.0 % expected; .*--accept zero/,
  );
  const { status, stdout, stderr } = minke(line, '--accept', 'zero', '--set', ...small);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^zero +pass@1 [\d.]+ %$/m);
  assert.match(
    stdout,
    /^in the browser: npx minke serve runs\/coins\/zero\/checkpoints\/step-0+1 --task \.\/coins\.js$/m,
  );
  assert.ok(readFileSync(join(folder, 'runs/coins/report.html'), 'utf8').includes('coins 2, held out'));
  assert.match(minke(line).stderr, /\[runs\/coins\] was begun with --set .*, not without --set; name another folder/);
});

test('every other command line of the page parses', async () => {
  const ours = lines.filter((line) => line.startsWith('npx minke '));
  assert.ok(ours.length >= 7);
  for (const line of ours) await parseCommandLine(splitWords(line).slice(2));
});
