// This revision beside another one, built in a folder of its own: prompts, decoding, training steps, and RL steps.
//
// Both sides run as whole processes in turn, the first of a round alternating, so that a busy neighbor hits both. What
// is compared is what a user runs: the command line and the library, which older revisions have as well.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../src/kernels/root.ts';
import { median } from '../src/math/index.ts';
import type { Bench } from './harness.ts';
import type { RevisionTimes } from './revision-process.ts';

const required = { atLeast: 0.98 } as const;
const trainSteps = 40;
const batch = [8, 128] as const;
const rlSteps = 4;
const responses = 64;

/** Steps that record, or that wait for caches to warm, are not counted. */
const warmSteps = 5;

interface Step {
  readonly event: string;
  readonly time: number;
  readonly tokens: number;
  readonly rolloutSeconds: number;
  readonly trainSeconds: number;
}

function run(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr.slice(-500)}`);
  return stdout;
}

/** The step events of a training run that a checkout's command line makes in a new folder. */
function trained(checkout: string, scratch: string, args: readonly string[]): Step[] {
  const folder = mkdtempSync(join(scratch, 'run-'));
  rmSync(folder, { recursive: true });
  run([join(checkout, 'dist/src/cli/main.js'), ...args, '--run', folder]);
  const lines = readFileSync(join(folder, 'events.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Step).filter(({ event }) => event === 'step');
}

/** Seconds for each trained token. */
function pretrainingTime(checkout: string, scratch: string): number {
  const [batchSize, sequenceLength] = batch;
  const set = [`steps=${trainSteps}`, `batchSize=${batchSize}`, `sequenceLength=${sequenceLength}`];
  const quiet = ['schedule.warmupSteps=2', 'every.evaluate=1000', 'every.sample=1000', 'every.save=1000'];
  const data = ['--data', join(scratch, 'text.txt')];
  const steps = trained(checkout, scratch, ['pretrain', 'tiny', ...data, '--set', ...set, ...quiet]).slice(warmSteps);
  const gaps = steps.slice(1).map(({ time }, i) => (time - steps[i].time) / 1000);
  return median(gaps) / (batchSize * sequenceLength);
}

/** Seconds for each token of a response: its rollout, and the update that it is part of. */
function rlTime(checkout: string, scratch: string, model: string): number {
  const set = [`steps=${rlSteps}`, 'questions=8', 'groupSize=8', 'maxTokens=96', 'resamplings=0', 'learningRate=1e-6'];
  const quiet = ['evaluation.problems=1', 'evaluation.samples=1', 'every.evaluate=1000', 'every.save=1000'];
  const task = ['--model', model, '--task', 'countdown:3'];
  const steps = trained(checkout, scratch, ['rl', ...task, '--set', ...set, ...quiet]).slice(1);
  return median(steps.map((step) => (step.rolloutSeconds + step.trainSeconds) / (step.tokens * responses)));
}

export async function revision(bench: Bench, other: string): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'minke-bench-'));
  const model = join(packageRoot(), 'models/minke');
  const script = join(fileURLToPath(new URL('.', import.meta.url)), 'revision-process.js');
  writeFileSync(
    join(scratch, 'text.txt'),
    'The whale sings in the deep of the sea, and the sea hears it. '.repeat(20_000),
  );
  const measures = {
    'prompts of 384 tokens': (from: string) => (JSON.parse(run([script, from, model])) as RevisionTimes).prefill,
    'decoding at batch 1': (from: string) => (JSON.parse(run([script, from, model])) as RevisionTimes).decode,
    'pretraining, tiny, 8 x 128': (from: string) => pretrainingTime(from, scratch),
    'RL steps, 64 responses': (from: string) => rlTime(from, scratch, model),
  };
  try {
    for (const [name, measure] of Object.entries(measures)) {
      const ours: number[] = [];
      const theirs: number[] = [];
      for (let round = 0; round < bench.rounds; round++) {
        const order = round % 2 === 0 ? [ours, theirs] : [theirs, ours];
        for (const side of order) side.push(measure(side === ours ? packageRoot() : other));
      }
      const yardstick = { name: 'the other revision', amount: 1, seconds: theirs };
      bench.beside({ name, unit: 'tokens/s', amount: 1, seconds: ours, yardstick, required });
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
