// Where transformers 5.23 and DeepSeek's own modeling code differ, ours is DeepSeek's. npm test -- deepseek-code
// Masked groups, the third difference (transformers before 5), are in test/parity.test.ts.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice, yarnMagnitude } from '../kernels/index.ts';
import { randn, rowSum, useDevice, zeros } from '../tensor/index.ts';
import { describeBlocks, type Experts } from './architecture/index.ts';
import { type MlaConfig, readConfig } from './config.ts';
import { MixtureOfExperts } from './moe.ts';
import { precisions } from './precision.ts';
import { makeRopeTables, softmaxScale } from './rope.ts';
import { Weights } from './weights.ts';

const scaling = { type: 'yarn', factor: 40, original_max_position_embeddings: 64, mscale: 0.5 };
const v2 = { model_type: 'deepseek_v2', num_experts_per_tok: 3, n_routed_experts: 8, routed_scaling_factor: 16 };
const small = { hidden_size: 16, moe_intermediate_size: 8, n_shared_experts: 0 };

/** Sums over each token's chosen experts of their weights. */
async function weightSums(fields: object): Promise<number[]> {
  const config = readConfig({ ...v2, ...small, ...fields }) as MlaConfig;
  const [D, F, E] = [config.hiddenSize, config.moeIntermediateSize, config.nRoutedExperts];
  const matrices = { 'experts.gate_up_proj': randn([E, 2 * F, D], 1), 'experts.down_proj': randn([E, D, F], 2) };
  const bias = config.topkMethod === 'noaux_tc' ? { 'gate.e_score_correction_bias': zeros([E]) } : {};
  const weights = new Map(Object.entries({ 'gate.weight': randn([E, D], 3), ...matrices, ...bias }));
  const experts = describeBlocks(config).experts as Experts;
  const mixture = new MixtureOfExperts(experts, new Weights(weights), 'silu');
  const { routing } = mixture.forward(randn([5, D], 4), precisions.f32);
  return rowSum(routing.weights).toArray();
}

describe("DeepSeek's own code", () => {
  let device: Device;
  before(() => {
    device = openDevice();
    useDevice(device);
  });
  after(() => device.close());

  test('V2 with norm_topk_prob: weights sum to one and are not scaled; transformers ignores the field', async () => {
    for (const sum of await weightSums({ norm_topk_prob: true })) assert.ok(Math.abs(sum - 1) < 1e-6, `${sum}`);
    for (const sum of await weightSums({})) assert.ok(sum > 2 && sum < 16, `${sum}`);
  });

  test('V3 does both', async () => {
    const v3 = { model_type: 'deepseek_v3', n_group: 1, topk_group: 1, norm_topk_prob: true };
    for (const sum of await weightSums(v3)) assert.ok(Math.abs(sum - 16) < 1e-5, `${sum}`);
  });

  test('YaRN with mscale alone: cos times its magnitude; transformers takes an mscale of 1 instead', async () => {
    const config = readConfig({ ...v2, rope_scaling: scaling }) as MlaConfig;
    const [first] = await makeRopeTables(config, 1).global.cos.toArray();
    assert.equal(first, Math.fround(yarnMagnitude(40, 0.5)));
    assert.notEqual(first, Math.fround(yarnMagnitude(40, 1)));
    assert.equal(softmaxScale(config), 192 ** -0.5);
  });

  test('YaRN with both: cos as it is, the softmax times the magnitude squared', async () => {
    const config = readConfig({ ...v2, rope_scaling: { ...scaling, mscale_all_dim: 0.5 } }) as MlaConfig;
    assert.equal((await makeRopeTables(config, 1).global.cos.toArray())[0], 1);
    assert.equal(softmaxScale(config), 192 ** -0.5 * yarnMagnitude(40, 0.5) ** 2);
    // V3: 0.1352337789, from the report's numbers.
    const v3 = { ...scaling, original_max_position_embeddings: 4096, mscale: 1, mscale_all_dim: 1 };
    const real = readConfig({ model_type: 'deepseek_v3', rope_scaling: v3 }) as MlaConfig;
    assert.equal(softmaxScale(real).toFixed(10), '0.1352337789');
  });
});
