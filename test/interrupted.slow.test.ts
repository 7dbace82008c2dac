// Reinforcement learning, fine-tuning and distillation as processes: killed and asked to stop at random moments, on a
// disk that is full and in a folder that may not be written. npm test -- test/interrupted
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openDevice } from '../src/kernels/index.ts';
import { trainFormattedModel } from '../src/rl/test-model.ts';
import { runKinds } from '../src/runs/index.ts';
import { useDevice } from '../src/tensor/index.ts';
import { findResumePoint, holdsRun, type RunKind, readEvents, readLineage } from '../src/train/index.ts';
import { lastWeights, liveAndDie, startMinke } from './run-process.ts';

/** Ends of each run: the long check's, and the sample of `npm test`, which has the failures of one kind. */
const isLong = process.env.MINKE_LONG !== undefined;
const lives = isLong ? 20 : 2;

const folder = mkdtempSync(join(tmpdir(), 'minke-interrupted-'));
chmodSync(folder, 0o755); // for the user without rights
after(() => rmSync(folder, { recursive: true, force: true }));

/** A task in the words that the model was trained on; every answer is correct, so that a small teacher has traces. */
const taskFile = join(folder, 'task.mjs');
writeFileSync(
  taskFile,
  `export const task = { name: 'sums', description: 'for a test', difficulty: { from: 1, to: 1, default: 1 },
    problem: (random) => {
      const [a, b] = [random.whole(10, 54), random.whole(10, 53)];
      return { prompt: 'Make ' + (a + b) + ' from ' + a + ', ' + b + '.', key: a + ' ' + b };
    },
    grade: (problem, answer) => ({ correct: true, reason: '' }) };`,
);

const conversations = join(folder, 'conversations.jsonl');
writeFileSync(
  conversations,
  Array.from({ length: 40 }, (_, i) => {
    const [user, assistant] = [`Make ${20 + i} from 10, ${10 + i}.`, `</think>\n<answer>10+${10 + i}</answer>`];
    const messages = [
      { role: 'user', content: user },
      { role: 'assistant', content: assistant },
    ];
    return `${JSON.stringify({ messages })}\n`;
  }).join(''),
);

let model: string;
before(async () => {
  const device = openDevice();
  useDevice(device);
  model = await trainFormattedModel(folder, device);
  await device.close();
});

const shared = { microBatchTokens: 256, evaluation: { problems: 2, samples: 2 }, warmupSteps: 1 };

/** Short runs, which become longer with the number of their ends. */
const recipes: Readonly<Record<string, () => object>> = {
  rl: () => ({
    ...shared,
    model,
    tasks: [{ task: taskFile }],
    gate: { samples: 6, wellFormed: 0, correct: 0 },
    steps: 4 + lives,
    questions: 3,
    groupSize: 4,
    maxTokens: 60,
    updates: 2,
    temperature: 0.9,
    klBeta: 0.01,
    learningRate: 1e-3,
    every: { evaluate: 2, sample: 2, save: 2 },
  }),
  sft: () => ({
    microBatchTokens: 256,
    warmupSteps: 1,
    model,
    data: [conversations],
    validationFraction: 0.2,
    batchSize: 8,
    epochs: 3 + lives,
    every: { evaluate: 3, save: 2 },
  }),
  distill: () => ({
    ...shared,
    student: model,
    teacher: model,
    tasks: [{ task: taskFile }],
    traces: { wanted: 12 + lives, samples: 2, problems: 200, maxTokens: 60, parallel: 4 },
    batch: 6,
    epochs: 2 + lives,
    evaluateEvery: 3,
    saveEvery: 2,
  }),
};

function recipeFile(kind: string): string {
  const path = join(folder, `${kind}.mjs`);
  const recipe = JSON.stringify(recipes[kind]());
  writeFileSync(path, `export const kind = '${kind}';\nexport const recipe = ${recipe};\n`);
  return path;
}

/** What a run came to: the weights, and what its events say of each step and evaluation. */
function readResult(kind: RunKind, run: string) {
  const events = readEvents(join(run, 'events.jsonl'), kind.events) as { event: string; step?: number }[];
  const reported = events.flatMap((event) => {
    if (event.event !== 'step' && event.event !== 'evaluated') return [];
    const { step, loss, passAt1, mismatch } = event as Readonly<Record<string, unknown>>;
    return [{ event: event.event, step, loss, passAt1, mismatch }];
  });
  return { weights: lastWeights(run), reported };
}

/** Resumes a run on a full disk, and in a folder that may not be written: a sentence, and a whole last checkpoint. */
async function expectFailuresInWords(run: string, resume: readonly string[]): Promise<void> {
  const saved = (await findResumePoint(run)).checkpoint?.state.step;
  const full = await startMinke(resume, { maxFileKiB: 400 }).ended;
  assert.equal(full.code, 1, full.said);
  assert.match(full.said, /\] a file may not grow this large \(ulimit -f\); make room .* resume the run/);
  assert.doesNotMatch(full.said, /^ +at /m);
  assert.equal(readLineage(run)?.status, 'failed');
  const files = readdirSync(run, { recursive: true, encoding: 'utf8' }).map((name) => join(run, name));
  for (const path of [run, ...files]) chmodSync(path, 0o555);
  const readOnly = await startMinke(resume, { uid: nobody }).ended;
  for (const path of [run, ...files]) chmodSync(path, 0o755);
  assert.equal(readOnly.code, 1, readOnly.said);
  assert.match(readOnly.said, /\] (cannot be written \(EACCES\)|this user may not write here)/);
  assert.doesNotMatch(readOnly.said, /^ +at /m);
  assert.equal((await findResumePoint(run)).checkpoint?.state.step, saved);
}

/** A user without rights, where this one has all. */
const nobody = process.getuid?.() === 0 ? 65_534 : undefined;

for (const kind of runKinds.filter(({ name }) => name in recipes))
  describe(`minke ${kind.name}`, () => {
    const whole = join(folder, kind.name, 'whole');
    const run = join(folder, kind.name, 'ended');
    // A program that the run's folder names is permitted by name.
    const permits = kind.name === 'sft' ? [] : ['--task', taskFile];
    const resume = [kind.name, '--resume', '--run', run, ...permits];

    test('killed and stopped at random moments, no room, no rights: the same bits in the end', async () => {
      const ended = await startMinke([kind.name, recipeFile(kind.name), '--run', whole]).ended;
      assert.equal(ended.code, 0, ended.said);
      const next = () => (holdsRun(run, kind) ? resume : [kind.name, recipeFile(kind.name), '--run', run]);
      const signals = ['SIGKILL', 'SIGTERM'] as const;
      const deaths = await liveAndDie({ count: lives, folder: run, next, signals, bytes: 1500 });
      assert.ok(deaths >= 0.7 * lives, `${deaths} of ${lives}`);
      if (isLong || kind.name === 'rl') await expectFailuresInWords(run, resume);
      const { code, said } = await startMinke(resume).ended;
      assert.equal(code, 0, said);
      assert.deepEqual(readResult(kind, run), readResult(kind, whole));
    });
  });
