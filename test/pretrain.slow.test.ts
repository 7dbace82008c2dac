// minke pretrain as a user runs it: a process of its own, stopped, killed, resumed, refused. npm test -- test/pretrain
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { packageRoot } from '../src/kernels/root.ts';
import { holdsRun, type Lineage, type PretrainEvent, pretrain, readEvents, readLineage } from '../src/train/index.ts';
import { lastWeights, liveAndDie, signalAt, startMinke } from './run-process.ts';

/** Kills of a run: the long check's, and the sample of `npm test`. */
const lives = process.env.MINKE_LONG ? 20 : 3;

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
    steps,
    batchSize: 4,
    microBatchSize: 2,
    sequenceLength: 24,
    samplePrompt: '1',
    sampleTokens: 8,
    schedule: { learningRate: 3e-3, warmupSteps: 5 },
    optimizer: { moments: 'bf16' },
    every: { evaluate: save, sample: 2 * save, save },
  };
  writeFileSync(path, `export const recipe = ${JSON.stringify(fields)};\n`);
  return path;
}

function minke(...args: string[]): { code: number | null; said: string } {
  const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  return { code: status, said: stdout + stderr };
}

const run = (args: readonly string[]) => startMinke(['pretrain', ...args]).ended;

const stepLosses = (events: readonly PretrainEvent[]) =>
  events.flatMap((e) => (e.event === 'step' ? [[e.step, e.loss]] : []));

describe('minke pretrain', () => {
  const whole = join(folder, 'runs', 'whole');

  test('a run ends with a model, a curve, samples and a lineage', async () => {
    const { code, said } = await run([recipe('r', 200, 10), '--run', whole]);
    assert.equal(code, 0, said);
    const events = readEvents(join(whole, 'events.jsonl'), pretrain.events);
    assert.equal(stepLosses(events).length, 200);
    const losses = events.flatMap((e) => (e.event === 'evaluated' ? [e.loss] : []));
    assert.equal(losses.length, 21);
    assert.ok((losses.at(-1) as number) < 0.75 * losses[0], `${losses}`);
    assert.equal(events.filter((e) => e.event === 'sampled').length, 10);
    const lineage = readLineage(whole) as Lineage;
    assert.deepEqual([lineage.status, lineage.steps, lineage.tokens], ['completed', 200, 200 * 4 * 24]);
    assert.equal(lineage.weights, lastWeights(whole));
    assert.ok(
      lineage.flops > 0 && lineage.hours > 0 && lineage.cost.amount === lineage.hours * lineage.cost.pricePerHour,
    );
    assert.deepEqual(
      lineage.data?.sources.map(({ name }) => name),
      ['corpus.jsonl'],
    );
    const files = readdirSync(join(whole, 'checkpoints', 'step-00000200'));
    for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'lineage.json'])
      assert.ok(files.includes(file), file);
  });

  test('minke report says what a run came to, as its events and its lineage have it', () => {
    const at = join(folder, 'docs', 'results');
    const { said, code } = minke('report', whole, '--name', 'r', '--results', at);
    assert.equal(code, 0, said);
    const events = readEvents(join(whole, 'events.jsonl'), pretrain.events);
    const best = Math.min(...events.flatMap((e) => (e.event === 'evaluated' ? [e.loss] : [])));
    assert.ok(said.includes(`| best validation loss | ${best.toFixed(4)} on`), said);
    assert.ok(said.includes(`| weights | ${lastWeights(whole)} |`), said);
    assert.match(readFileSync(join(folder, 'docs', 'results.md'), 'utf8'), /## r\n[\s\S]*!\[r\]\(results\/r\.svg\)/);
    const lines = pretrain.charts.flatMap(({ series }) => series).length;
    assert.equal(readFileSync(join(at, 'r.svg'), 'utf8').match(/<polyline/g)?.length, lines);
    const nothing = minke('report', join(folder, 'none'));
    assert.equal(nothing.code, 1);
    assert.match(nothing.said, /is not a run with a step/);
  });

  test('killed at random moments, on one thread and on two: the same weights to the bit', async () => {
    const killed = join(folder, 'runs', 'killed');
    const path = join(folder, 'r.mjs');
    // Killed before its first file, a life leaves no run: the next one begins again.
    const next = () => ['pretrain', ...(holdsRun(killed, pretrain) ? ['--resume'] : [path]), '--run', killed];
    const kills = await liveAndDie({ count: lives, folder: killed, next, signals: ['SIGKILL'], bytes: 9000 });
    assert.ok(kills >= 0.75 * lives, `${kills} kills`);
    const { code, said } = await startMinke(next()).ended;
    assert.equal(code, 0, said);
    assert.equal(lastWeights(killed), lastWeights(whole));
    assert.deepEqual(
      stepLosses(readEvents(join(killed, 'events.jsonl'), pretrain.events)),
      stepLosses(readEvents(join(whole, 'events.jsonl'), pretrain.events)),
    );
    assert.ok((readLineage(killed) as Lineage).sessions.length > 1);
  });

  for (const [signal, exitCode] of [
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    test(`${signal} stops the run after its step, with a checkpoint`, async () => {
      const stopped = join(folder, 'runs', signal);
      const started = startMinke(['pretrain', recipe(signal, 5000, 1000), '--run', stopped]);
      const { code, said } = await signalAt(started, signal, stopped, '"event":"step"');
      assert.equal(code, exitCode, said);
      assert.match(said, /stopping after this step[\s\S]*saved [\s\S]*stopped after step \d+: asked to stop/);
      const { status, steps, weights } = readLineage(stopped) as Lineage;
      assert.deepEqual([status, weights], ['stopped', lastWeights(stopped)]);
      assert.ok(steps > 0 && steps < 5000);
    });

  test('a damaged latest checkpoint: the one before is used, and it is said', async () => {
    const copy = join(folder, 'runs', 'damaged');
    cpSync(whole, copy, { recursive: true });
    const path = join(copy, 'checkpoints', 'step-00000200', 'optimizer.safetensors');
    truncateSync(path, 1000);
    const { code, said } = await run(['--resume', '--run', copy]);
    assert.equal(code, 0, said);
    assert.match(said, /ALARM .*damaged-checkpoint.*optimizer\.safetensors\] has 1000 bytes/);
    assert.match(said, /resumed after step 190/);
    assert.equal(lastWeights(copy), lastWeights(whole));
  });

  test('a run goes on beyond its end with more steps, and from its checkpoint as a new model', async () => {
    const longer = join(folder, 'runs', 'longer');
    cpSync(whole, longer, { recursive: true });
    const { code, said } = await run(['--resume', '--run', longer, '--set', 'steps=210']);
    assert.equal(code, 0, said);
    assert.equal((readLineage(longer) as Lineage).steps, 210);
    const parent = join(whole, 'checkpoints', 'step-00000200');
    const child = join(folder, 'runs', 'child');
    const started = await run([parent, '--data', corpus, '--run', child, ...small]);
    assert.equal(started.code, 0, started.said);
    const { parents, ancestors } = readLineage(child) as Lineage;
    const [{ record, ...link }] = parents;
    assert.deepEqual(link, { role: 'initial weights', name: 'whole/step-00000200', weights: lastWeights(whole) });
    assert.deepEqual([parents.length, ancestors[0].digest], [1, record]);
  });

  const small = ['--set', 'steps=12', 'batchSize=2', 'sequenceLength=16', 'schedule.warmupSteps=2'];
  const broken = join(folder, 'broken.mjs');
  writeFileSync(broken, 'export const recipe = {');
  const nameless = join(folder, 'nameless.mjs');
  writeFileSync(nameless, 'export const x = 1;');
  const refusals: [string, () => string[], RegExp][] = [
    ['no recipe', () => [], /expected a preset or a recipe; as in: minke pretrain tiny/],
    [
      'no such recipe',
      () => ['huge', '--data', corpus],
      /no such preset, recipe, checkpoint or file; presets are deepseek-v3/,
    ],
    ['no data', () => ['nano'], /^\[--data\] is missing; add --data/],
    [
      'a run that exists',
      () => [join(folder, 'r.mjs'), '--run', whole],
      /holds a run already; resume it with --resume/,
    ],
    ['a broken recipe', () => [broken], /broken\.mjs\] cannot be loaded .*Unexpected/],
    ['a recipe that exports none', () => [nameless], /exports no recipe; write: export const recipe/],
    ['resuming nothing', () => ['--resume', '--run', join(folder, 'none')], /holds no run/],
    [
      'another model on resuming',
      () => ['--resume', '--run', whole, '--set', 'model.hidden_size=8'],
      /keeps its model, data/,
    ],
    [
      'an unknown choice',
      () => ['nano', '--data', corpus, '--set', 'scedule.warmupSteps=3'],
      /Unrecognized key: "scedule"/,
    ],
    ['a choice of the wrong type', () => ['nano', '--data', corpus, '--set', 'steps=many'], /steps: .*expected number/],
    [
      'an impossible model',
      () => ['nano', '--data', corpus, '--set', 'model.num_experts_per_tok=99'],
      /num_experts_per_tok/,
    ],
    [
      'micro-batches that do not fit',
      () => ['nano', '--data', corpus, '--set', 'batchSize=6', 'microBatchSize=4'],
      /cannot be divided into micro-batches of 4/,
    ],
    [
      'a context too long',
      () => ['nano', '--data', corpus, '--set', 'sequenceLength=9999'],
      /9999 tokens, the model takes 256/,
    ],
    [
      'too little text',
      () => ['nano', '--data', corpus, '--set', 'batchSize=64', 'sequenceLength=256'],
      /held out for validation, one batch takes/,
    ],
    [
      'a vocabulary too small',
      () => ['nano', '--data', corpus, ...small, 'model.vocab_size=100'],
      /the tokenizer has ids up to 256/,
    ],
    [
      'a prompt that has no token',
      () => [recipe('prompt', 10, 5), '--set', 'samplePrompt=#'],
      /no token for byte 0x23/,
    ],
    [
      'a binary corpus',
      () => ['nano', '--data', join(whole, 'checkpoints', 'step-00000200', 'model.safetensors')],
      /this is not text/,
    ],
    [
      'the wrong tokenizer',
      () => [join(whole, 'checkpoints', 'step-00000200'), '--data', corpus, ...small, 'data.tokenizer=bytes'],
      /is not the tokenizer of .*: its ids would mean other texts|the tokenizer has ids up to/,
    ],
  ];
  const incomplete = new Set(['no recipe', 'no data']); // a wrong command line has an exit code of its own
  for (const [what, args, message] of refusals)
    test(`refuses ${what} before the first step, and leaves no run`, async () => {
      const at = join(folder, 'runs', 'refused');
      const given = args();
      const { code, said } = await run(given.includes('--run') || given.length === 0 ? given : [...given, '--run', at]);
      assert.equal(code, incomplete.has(what) ? 2 : 1, said);
      assert.match(said, message);
      assert.ok(!said.includes('    at '), said);
      assert.equal(holdsRun(at, pretrain), false);
    });
});
