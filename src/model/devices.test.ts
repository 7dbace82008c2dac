// One model on every device of this machine: logits, losses and gradients within f32's tolerance of the definition, and
// a training pass leaves no memory behind. npm test -- model/devices
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Device } from '../kernels/index.ts';
import { testDevices } from '../kernels/test-devices.ts';
import { add, asyncScope, scale, Tape, type Tensor } from '../tensor/index.ts';
import { packDocuments } from './batch.ts';
import { createModel } from './model.ts';
import { listParameters } from './parameters.ts';
import { preset } from './presets.ts';
import { initialWeights } from './weights.ts';

const config = preset('nano');
const documents = [
  [72, 101, 108, 108, 111, 44, 32, 119, 104, 97, 108, 101],
  [109, 105, 110, 107, 101, 33, 10],
];

/** Norms of logits, losses and every gradient, by name. */
async function pass(weights: ReadonlyMap<string, Tensor>, device: Device): Promise<Map<string, number>> {
  const model = createModel(config, weights);
  const learnt = listParameters(config).filter(({ kind }) => kind !== 'correction');
  const norms = await asyncScope(async (inside) => {
    const results = inside(() => {
      const batch = packDocuments(documents, 1, device);
      const tape = new Tape(learnt.map(({ name }) => weights.get(name) as Tensor));
      const parts = tape.run(() => {
        const { main, mtp, balance } = model.loss(batch);
        return { main, mtp: mtp[0], balance: balance as Tensor };
      });
      const total = tape.run(() => add(add(parts.main, scale(parts.mtp, 0.3)), scale(parts.balance, 0.01)));
      const named = tape.backward(total).map((gradient, i) => [learnt[i]?.name, gradient] as const);
      return [['logits', model.logits(model.forward(batch).out)] as const, ...Object.entries(parts), ...named];
    });
    const read = results.map(async ([name, tensor]) => {
      const values = await tensor.toArray();
      return [name, Math.sqrt(values.reduce((sum, x) => sum + x * x, 0))] as const;
    });
    return new Map(await Promise.all(read));
  });
  model.dispose();
  return norms;
}

describe('the nano model', () => {
  const devices = testDevices();
  let definition: Map<string, number>;
  before(async () => {
    const [reference] = devices as [Device];
    definition = await pass(initialWeights(config, 1, reference), reference);
  });
  after(async () => {
    for (const device of devices) await device.close();
  });

  for (const device of devices.slice(1))
    test(`${device.name} ${device.isa} = the definition, and live bytes return to the baseline`, async () => {
      const weights = initialWeights(config, 1, device);
      const baseline = device.liveBytes;
      const ours = await pass(weights, device);
      assert.equal(device.liveBytes, baseline);
      for (const [name, expected] of definition) {
        const norm = ours.get(name) as number;
        assert.ok(Math.abs(norm - expected) <= 1e-4 * expected, `${name}: ${norm}, expected ${expected}`);
      }
    });
});
