// On every native build of this machine rollouts have the probabilities of training to the bit; where products are in
// tiles, a run's weights do not depend on its threads. npm test -- rl/arithmetics
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Device, nativeIsas, openDevice } from '../kernels/index.ts';
import { useDevice } from '../tensor/index.ts';
import { pretrain, readEvents, resolveRecipe, startRun } from '../train/index.ts';
import { rl } from './rl.ts';
import { shortRun, writeFormattedCorpus } from './test-model.ts';

let folder: string;
let corpus: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'minke-arithmetics-'));
  corpus = writeFormattedCorpus(folder);
});
after(() => rmSync(folder, { recursive: true }));

/** Runs something on a device of its own. */
async function on<T>(isa: string, threads: number, work: (device: Device) => Promise<T>): Promise<T> {
  const device = openDevice({ device: 'native', isa, threads });
  useDevice(device);
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}

/** Pretrains for three steps; returns the checkpoint. */
async function pretrained(isa: string, threads: number, precision: 'bf16' | 'fp8'): Promise<string> {
  const run = join(folder, `${isa}-${threads}-${precision}`);
  const recipe = resolveRecipe(pretrain, {
    model: { preset: 'nano', num_nextn_predict_layers: 0 },
    data: { inputs: [corpus], tokenizer: 'characters', validationFraction: 0 },
    precision,
    steps: 3,
    batchSize: 4,
    sequenceLength: 48,
    every: { evaluate: 3, sample: 3, save: 3 },
    schedule: { learningRate: 4e-3, minLearningRate: 1e-3, warmupSteps: 1 },
  });
  await on(isa, threads, (device) => startRun(pretrain, recipe, { folder: run, device }));
  return join(run, 'checkpoints', 'step-00000003');
}

for (const isa of nativeIsas()) {
  test(`${isa}: mismatch is 0`, async () => {
    const recipe = resolveRecipe(rl, { ...shortRun(await pretrained(isa, 5, 'bf16')), steps: 1 });
    const run = join(folder, `${isa}-rl`);
    await on(isa, 2, (device) => startRun(rl, recipe, { folder: run, device }));
    const events = readEvents(join(run, 'events.jsonl'), rl.events);
    const mismatches = events.flatMap((event) => (event.event === 'step' ? [event.mismatch] : []));
    assert.deepEqual(mismatches, [0]);
  });

  if (isa !== 'tiles' && isa !== 'amx') continue;
  for (const precision of ['bf16', 'fp8'] as const)
    test(`${isa}, ${precision}: one thread, two, three and seven learn the same weights`, async () => {
      const weights: Buffer[] = [];
      for (const threads of [1, 2, 3, 7])
        weights.push(readFileSync(join(await pretrained(isa, threads, precision), 'model.safetensors')));
      for (const other of weights.slice(1)) assert.ok(other.equals(weights[0]));
    });
}
