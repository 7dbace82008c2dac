// Our side of a training comparison, as a process that runs steps when it is asked to (timed-process.ts).
//
//   node train-process.js CONFIG IDS BATCH SEQUENCE
//
// Ours is the recorded step in bf16 with AdamW on f32 moments, as `minke pretrain` runs it. IDS is a file of int32
// windows, [steps, BATCH, SEQUENCE + 1 and one for each MTP module], which the steps take in turn.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openDevice } from '../src/kernels/index.ts';
import { median } from '../src/math/index.ts';
import { createModel, initialWeights, precisions, readConfig } from '../src/model/index.ts';
import { scope, useDevice } from '../src/tensor/index.ts';
import { PretrainObjective, shiftedWindows, TrainStep, windowLength } from '../src/train/index.ts';

const [configFile, idsFile, ...sizes] = process.argv.slice(2);
const [batch, sequence] = sizes.map(Number);
const config = readConfig(JSON.parse(readFileSync(configFile, 'utf8')), configFile);
const length = windowLength(config, sequence);
const ids = new Int32Array(Uint8Array.from(readFileSync(idsFile)).buffer);

const device = openDevice();
useDevice(device);
const weights = initialWeights(config, 1, device);
const objective = new PretrainObjective(createModel(config, weights, sequence), {
  sequences: batch,
  sequenceLength: sequence,
  policy: precisions.bf16,
  balance: 'bias',
  alpha: 1e-4,
});
objective.mtpWeight = 0.3;
const optimizer = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, maxGradNorm: 1, moments: 'f32' } as const;
const trainStep = new TrainStep(config, weights, optimizer, 1, objective);

let count = 0;

function nextWindows(): Int32Array[] {
  const from = (count * batch) % (ids.length / length);
  return Array.from({ length: batch }, (_, b) => ids.subarray((from + b) * length, (from + b + 1) * length));
}

/** Runs one step, and returns its seconds. */
async function step(): Promise<number> {
  const start = performance.now();
  const { report } = scope(() => {
    const inputs = shiftedWindows(nextWindows(), sequence, device);
    return { report: trainStep.run([[inputs]], { step: ++count, learningRate: 1e-4, biasUpdateSpeed: 0.001 }) };
  });
  await report;
  return (performance.now() - start) / 1000;
}

const say = (answer: object) => console.log(JSON.stringify(answer));

for (let i = 0; i < 2; i++) await step();
say({ ready: `minke, ${device.isa}` });
for await (const line of createInterface({ input: process.stdin })) {
  const seconds: number[] = [];
  for (let i = 0; i < Number(line); i++) seconds.push(await step());
  say({ seconds: median(seconds) });
}
process.exit();
