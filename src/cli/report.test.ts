// minke report from the files of a run: a distillation, and a kind that only this test knows. npm test -- cli/report
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Command } from 'commander';
import { distill } from '../distill/index.ts';
import { packageRoot } from '../kernels/root.ts';
import { runKinds } from '../runs/index.ts';
import { ended, guessing } from '../runs/test-runs.ts';
import { resolveRecipe } from '../train/index.ts';
import { readReport } from './report.ts';
import { addRunCommands } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-report-'));
after(() => rmSync(folder, { recursive: true }));

const at = { time: 1000 };
const evaluated = { task: 'countdown', difficulty: 3, margin: 0.05, format: 1, tokens: 40, problems: 64, samples: 4 };
const events = [
  { event: 'started', ...at, run: 'r', teacher: 'zero', device: 'native avx2, 2 threads' },
  { event: 'training', ...at, parameters: 5e5, steps: 2, epochs: 1, traces: 40, tooLong: 3, tokens: 2000 },
  { event: 'evaluated', ...at, step: 0, ...evaluated, passAt1: 0.125 },
  ...[2.5, 1.25].map((loss, i) => ({
    event: 'step',
    ...at,
    step: i + 1,
    epoch: 1,
    loss,
    gradientNorm: 1,
    learningRate: 1e-3,
    tokensPerSecond: 900,
    secondsLeft: 0,
  })),
  { event: 'evaluated', ...at, step: 2, ...evaluated, passAt1: 0.5 },
  { event: 'ended', ...at, step: 2, status: 'completed', reason: 'all steps are done' },
];
const lineage = {
  format: 1,
  kind: 'distillation',
  status: 'completed',
  reason: '',
  weights: 'abc',
  data: null,
  seed: 1,
  config: {},
  code: { version: '0', commit: null, changed: false },
  parents: [],
  steps: 2,
  tokens: 4000,
  flops: 0,
  hours: 0.5,
  teachers: [{ name: 'zero', weights: null, tokens: 2e6 }],
  cost: { amount: 0.05, currency: 'USD', pricePerHour: 0.1 },
  sessions: [{ started: '2026-01-01', seconds: 1800, fromStep: 0, machine: 'a machine', device: 'native' }],
};
const trace = { prompt: ['User: ', 'Make 24 from 3, 8.', '\nAssistant: <think>\n'], response: '3*8=24 ok\n</think>' };

function minke(...args: string[]) {
  const main = join(packageRoot(), 'dist/src/cli/main.js');
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
}

test('a distillation: its teacher, its traces, held-out problems before and after, charts and a trace', () => {
  const lines = (all: readonly object[]) => `${all.map((line) => JSON.stringify(line)).join('\n')}\n`;
  const recipe = resolveRecipe(distill, { student: 's', teacher: 't', tasks: [{ task: 'countdown' }] });
  writeFileSync(join(folder, 'distil.json'), JSON.stringify(recipe));
  writeFileSync(join(folder, 'lineage.json'), JSON.stringify(lineage));
  writeFileSync(join(folder, 'traces.jsonl'), lines([{ ...trace, task: 'countdown', key: '3,8', teacher: 'zero' }]));
  writeFileSync(join(folder, 'events.jsonl'), lines(events.slice(0, 2)));
  const results = join(folder, 'results');
  const early = minke('report', folder);
  assert.equal(early.status, 1);
  assert.match(early.stderr, /is not a run with a step; name a folder that one of minke pretrain, .* wrote/);
  writeFileSync(join(folder, 'events.jsonl'), lines(events));
  const { stdout, stderr, status } = minke('report', folder, '--name', 'student', '--results', results);
  assert.equal(status, 0, stderr);
  for (const row of [
    '| teacher | zero, 2.00 M tokens |',
    '| traces | 40, 3 too long for the student |',
    '| loss | 1.2500 |',
    '| pass@1, countdown 3, held out | 12.5 % ± 5.0 % at step 0, 50.0 % ± 5.0 % at step 2 |',
  ])
    assert.ok(stdout.includes(row), `${row} in\n${stdout}`);
  const page = readFileSync(join(results, 'student.md'), 'utf8');
  assert.match(
    page,
    /A trace of zero:\n\n```text\nUser: Make 24 from 3, 8\.\nAssistant: <think>\n3\*8=24 ok\n<\/think>\n```/,
  );
  assert.match(page, /npx minke distill student --student <checkpoint> --teacher <model>/);
  const svg = readFileSync(join(results, 'student.svg'), 'utf8');
  assert.match(svg, /student: Loss.*student: Accuracy.*countdown 3/s);
});

test('another kind of run has its verb and its report without a word about it elsewhere', () => {
  const kinds = [...runKinds, guessing];
  const program = new Command();
  addRunCommands(program, kinds);
  const help = program.commands.find((command) => command.name() === 'guess')?.helpInformation() ?? '';
  assert.match(help, /guess a number, closer in every step.*--target <n>\s+the number to guess/s);
  const run = mkdtempSync(join(folder, 'guess-'));
  const steps = [4, 1].map((distance, i) => ({ event: 'step', ...at, step: i + 1, distance }));
  writeFileSync(join(run, 'guess.json'), '{}');
  writeFileSync(join(run, 'lineage.json'), JSON.stringify({ ...lineage, kind: 'guess' }));
  writeFileSync(
    join(run, 'events.jsonl'),
    [...steps, ended(2, 'completed')].map((e) => `${JSON.stringify(e)}\n`).join(''),
  );
  assert.throws(() => readReport(run), /is not a run with a step/);
  const { kind, facts, draw } = readReport(run, kinds);
  assert.equal(kind, guessing);
  assert.deepEqual(facts, [['guesses', '3 events, 2 steps']]);
  assert.match(draw('mine'), />mine: Distance<.*>guess<.*>to the target</s);
});
