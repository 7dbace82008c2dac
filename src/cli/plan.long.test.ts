// What minke plan predicts beside what this machine does: time and memory of training within 15 %.
// npm run check:long -- cli/plan
//
// Each model trains steps as the probe's models do, at sizes that the probe did not measure.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ModelConfig, preset } from '../model/index.ts';
import { findHardware, type Hardware, market, planTraining, withRows } from '../planner/index.ts';
import { probeCommand, sampleSteps, sequence } from './probe.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-probe-'));
let machine: Hardware;
before(async () => {
  const file = join(folder, 'machine.json');
  await probeCommand(file);
  machine = findHardware(withRows(market, JSON.parse(readFileSync(file, 'utf8')), file), 'this-machine');
});
after(() => rmSync(folder, { recursive: true }));

/** Predicts a step of `batch` sequences: seconds and bytes. */
function predict(config: ModelConfig, batch: number) {
  const tokens = batch * sequence;
  const parallelism = { pipeline: 1, tensor: 1, expert: 1, schedule: '1f1b' } as const;
  const layout = { devices: 1, parallelism, recompute: 'none', utilization: null, price: null } as const;
  const question = { config, tokens, context: sequence, hardware: machine, batch, microBatch: batch, ...layout };
  const { cost, memory } = planTraining(question, market);
  return { seconds: 3600 * (cost.deviceHours.value?.middle ?? 0), bytes: memory.at(-1)?.value?.middle ?? 0 };
}

describe('predicted beside measured', () => {
  for (const [name, batch] of [
    ['tiny', 8],
    ['small', 4],
    ['smollm2-135m', 2],
  ] as const)
    test(`${name}, a step of ${batch} x ${sequence} tokens`, async () => {
      const config = preset(name);
      const measured = await sampleSteps(config, batch, 3);
      const predicted = predict(config, batch);
      const errors = [predicted.seconds / measured.seconds - 1, predicted.bytes / measured.bytes - 1];
      const [time, memory] = errors.map((error) => `${(100 * error).toFixed(1)} %`);
      console.log(`${name}: predicted time ${time} off, memory ${memory} off`);
      for (const error of errors) assert.ok(Math.abs(error) <= 0.15, `time ${time}, memory ${memory}`);
    });
});
