// A run's folder as a model: the best checkpoint, else the last one. npm test -- find-trained-model
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findTrainedModel } from './find-trained-model.ts';

const root = mkdtempSync(join(tmpdir(), 'minke-find-trained-'));
after(() => rmSync(root, { recursive: true }));

function writeRun(name: string, steps: readonly number[], best?: object): string {
  const run = join(root, name);
  for (const step of steps) {
    const folder = join(run, 'checkpoints', `step-${String(step).padStart(8, '0')}`);
    mkdirSync(folder, { recursive: true });
    for (const file of ['config.json', 'model.safetensors']) writeFileSync(join(folder, file), '{}');
    writeFileSync(join(folder, 'training.json'), JSON.stringify({ step, tokens: 1, data: null, files: {} }));
  }
  if (best) writeFileSync(join(run, 'best.json'), JSON.stringify(best));
  return run;
}

async function find(run: string): Promise<[step: number, said: string]> {
  const said: string[] = [];
  const { error } = console;
  console.error = (text: string) => said.push(text);
  try {
    const { path } = await findTrainedModel(run, {});
    return [Number(path.slice(-8)), said.join('\n').replace(`${run}: `, '')];
  } finally {
    console.error = error;
  }
}

test('the best checkpoint of a run, else its last one, and why', async () => {
  const best = (step: number) => ({ step, metric: 'held-out accuracy', score: 0.7125 });
  const kept = writeRun('kept', [40, 60], best(40));
  assert.deepEqual(await find(kept), [40, 'step 40, the best held-out accuracy (0.713)']);
  const flat = writeRun('flat', [40, 60], best(0));
  assert.deepEqual(await find(flat), [60, 'step 60, the last one, as none is better than its start']);
  const blind = writeRun('blind', [9, 10]);
  assert.deepEqual(await find(blind), [10, 'step 10, the last one, as nothing was evaluated']);
});

test('other paths stay as they are', async () => {
  assert.deepEqual(await findTrainedModel(root, {}), { path: root, name: null });
  const path = join(root, 'model.gguf');
  writeFileSync(path, 'GGUF');
  assert.deepEqual(await findTrainedModel(path, {}), { path, name: null });
});
