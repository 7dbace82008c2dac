// Golden logits: the same model has the same bits; another one is found and named; another order of sums is no error.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../../kernels/index.ts';
import { asyncScope, scale, type Tensor, useDevice } from '../../tensor/index.ts';
import { createModel } from '../model.ts';
import { initialWeights } from '../weights.ts';
import { compareGolden, computeGolden, type GoldenLogits, goldenSchema } from './golden.ts';
import { configs } from './test-gguf-models.ts';

describe('golden logits', () => {
  let device: Device;
  before(() => {
    device = openDevice();
    useDevice(device);
  });
  after(() => device.close());

  /** Computes those of a small model, of which `change` replaces weights. */
  const compute = (change: (weights: Map<string, Tensor>) => void = () => undefined) =>
    asyncScope(async (inside) => {
      const model = inside(() => {
        const weights = initialWeights(configs.llama, 5);
        change(weights);
        return createModel(configs.llama, weights, 32);
      });
      return computeGolden(model).finally(() => model.dispose());
    }) as Promise<GoldenLogits>;
  const changed = (name: string, factor: number) => (weights: Map<string, Tensor>) => {
    weights.set(name, scale(weights.get(name) as Tensor, factor));
  };

  test('are the same twice, and after JSON', async () => {
    const golden = await compute();
    const read = goldenSchema.parse(JSON.parse(JSON.stringify(golden)));
    const { text, agrees } = compareGolden(read, await compute());
    assert.ok(agrees);
    assert.match(text, /^those that were recorded, to the bit, on native|^those .* on wasm/);
    assert.deepEqual(golden.ids.slice(0, 3), [1, 240, 223]);
  });

  test('of other weights are named', async () => {
    const golden = await compute();
    const other = compareGolden(golden, await compute(changed('lm_head.weight', -1)));
    assert.ok(!other.agrees);
    assert.match(other.text, /^position 0: first choice token \d+ with logit \S+, recorded token \d+ with logit \S+$/);
    const near = compareGolden(golden, await compute(changed('model.norm.weight', 1 + 2 ** -12)));
    assert.ok(!near.agrees);
    assert.match(near.text, /^the first choices agree, but not every bit, as it must on /);
  });

  test('of another computation or version agree by their first choices', async () => {
    const golden = await compute();
    const own = await compute(changed('model.norm.weight', 1 + 2 ** -12));
    for (const record of [
      { ...golden, minke: '0.0.1' },
      { ...golden, computation: { ...golden.computation, lanes: 3 } },
    ]) {
      const { text, agrees } = compareGolden(record, own);
      assert.ok(agrees);
      assert.match(text, /^the recorded first choices; their bits are those of .* of minke /);
    }
  });

  test('that are not finite are none', async () => {
    assert.equal(await compute(changed('model.norm.weight', Number.NaN)), null);
  });
});
