// minke pretrain as a user runs it: a process of its own, stopped, killed, resumed, refused. npm test -- test/pretrain
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { uniform } from '../src/data/index.ts';
import { packageRoot } from '../src/kernels/root.ts';
import { isRun, type Lineage, readEvents, readLineage, type TrainEvent } from '../src/train/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-pretrain-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const corpus = join(folder, 'corpus.jsonl');
writeFileSync(
  corpus,
  Array.from(
    { length: 400 },
    (_, i) => `${JSON.stringify({ text: `${i % 20} and ${i % 7} make ${(i % 20) + (i % 7)}.` })}\n`,
  ).join(''),
);

/** Small enough for a second, with everything in it: experts, MTP, FIM, micro-batches, bf16 moments. */
function recipe(name: string, steps: number, save: number): string {
  const path = join(folder, `${name}.mjs`);
  const fields = {
    model: { preset: 'nano', n_routed_experts: 8, n_group: 2, topk_group: 1, num_experts_per_tok: 2 },
    data: { inputs: [corpus], tokenizer: 'characters', fimRate: 0.2 },
    ...{ steps, batchSize: 4, microBatchSize: 2, sequenceLength: 24, samplePrompt: '1', sampleTokens: 8 },
    ...{ schedule: { learningRate: 3e-3, warmupSteps: 5 }, optimizer: { moments: 'bf16' } },
    every: { evaluate: save, sample: 2 * save, save },
  };
  writeFileSync(path, `export const recipe = ${JSON.stringify(fields)};\n`);
  return path;
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
}

function start(args: readonly string[], threads = 2): { child: ChildProcess; ended: Promise<Ended> } {
  const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  const env = { ...process.env, MINKE_THREADS: String(threads) };
  const child = spawn(process.execPath, [main, 'pretrain', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => (said += part));
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, said }) as Ended);
  return { child, ended };
}

const run = (args: readonly string[], threads = 2) => start(args, threads).ended;

function lastWeights(runFolder: string): string {
  const steps = readdirSync(join(runFolder, 'checkpoints')).sort();
  const { weights } = readLineage(join(runFolder, 'checkpoints', steps.at(-1) as string)) as Lineage;
  return weights as string;
}

const stepsOf = (events: readonly TrainEvent[]) =>
  events.flatMap((e) => (e.event === 'step' ? [[e.step, e.loss]] : []));

describe('minke pretrain', () => {
  const whole = join(folder, 'runs', 'whole');

  test('a run ends with a model, a curve, samples and a lineage', async () => {
    const { code, said } = await run([recipe('r', 200, 10), '--run', whole]);
    assert.equal(code, 0, said);
    const events = readEvents(join(whole, 'events.jsonl'));
    assert.equal(stepsOf(events).length, 200);
    const losses = events.flatMap((e) => (e.event === 'evaluated' ? [e.loss] : []));
    assert.equal(losses.length, 21);
    assert.ok((losses.at(-1) as number) < 0.75 * (losses[0] as number), `${losses}`);
    assert.equal(events.filter((e) => e.event === 'sampled').length, 10);
    const lineage = readLineage(whole) as Lineage;
    assert.deepEqual([lineage.status, lineage.steps, lineage.tokens], ['completed', 200, 200 * 4 * 24]);
    assert.equal(lineage.weights, lastWeights(whole));
    assert.ok(
      lineage.flops > 0 && lineage.hours > 0 && lineage.cost.amount === lineage.hours * lineage.cost.pricePerHour,
    );
    assert.deepEqual(
      lineage.data.sources.map(({ name }) => name),
      ['corpus.jsonl'],
    );
    const files = readdirSync(join(whole, 'checkpoints', 'step-00000200'));
    for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'lineage.json'])
      assert.ok(files.includes(file), file);
  });

  test('killed at 20 moments, on one thread and on two: the same weights to the bit', async () => {
    const killed = join(folder, 'runs', 'killed');
    const path = join(folder, 'r.mjs');
    // Killed before its first file, a life leaves no run: the next one begins again.
    const next = () => (isRun(killed) ? ['--resume', '--run', killed] : [path, '--run', killed]);
    let kills = 0;
    for (let life = 0; life < 20; life++) {
      const { child, ended } = start(next(), 1 + (life % 2));
      // The first moments fall into setting up, the later ones into steps, evaluations and saving.
      const timer = setTimeout(() => child.kill('SIGKILL'), 250 + 600 * uniform(11, life));
      const { code, signal, said } = await ended;
      clearTimeout(timer);
      if (signal === 'SIGKILL') kills++;
      else assert.equal(code, 0, said);
    }
    assert.ok(kills >= 15, `${kills} kills`);
    const { code, said } = await run(next());
    assert.equal(code, 0, said);
    assert.equal(lastWeights(killed), lastWeights(whole));
    assert.deepEqual(
      stepsOf(readEvents(join(killed, 'events.jsonl'))),
      stepsOf(readEvents(join(whole, 'events.jsonl'))),
    );
    assert.ok((readLineage(killed) as Lineage).sessions.length > 1);
  });
});
