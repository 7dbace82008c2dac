// Checkpoints of a run: back to the bit, checked, pruned, passed over when damaged. npm test -- train/checkpoint
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../../kernels/index.ts';
import { importWeights, openCheckpoint } from '../../model/checkpoint/index.ts';
import { initialWeights, preset, type WeightMap } from '../../model/index.ts';
import { randn, useDevice } from '../../tensor/index.ts';
import { Optimizer } from '../optimizer.ts';
import { latestCheckpoint, loadMoments, saveCheckpoint, verifyCheckpoint } from './checkpoint.ts';

const config = preset('nano', { vocabSize: 40 });
const options = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, maxGradNorm: 1 };

describe('a checkpoint of a run', () => {
  const run = mkdtempSync(join(tmpdir(), 'minke-run-'));
  let device: Device;
  let weights: WeightMap;
  before(() => {
    device = openDevice();
    useDevice(device);
    weights = initialWeights(config, 1);
  });
  after(async () => {
    await device.close();
    rmSync(run, { recursive: true, force: true });
  });

  function createOptimizer(moments: 'f32' | 'bf16'): Optimizer {
    const trained = [...weights].filter(([name]) => !name.endsWith('correction_bias'));
    return new Optimizer(new Map(trained), { ...options, moments });
  }

  const save = (optimizer: Optimizer, step: number, keep = 2, writeBeside: () => void = () => undefined) =>
    saveCheckpoint(
      run,
      { config, weights, optimizer, step, tokens: step * 10, data: { taken: step }, writeBeside },
      keep,
    );

  for (const moments of ['f32', 'bf16'] as const)
    test(`weights and ${moments} moments come back to the bit`, async () => {
      const optimizer = createOptimizer(moments);
      for (const [i, m] of [...optimizer.moments.values()].entries())
        m.write(await randn(m.shape, i, 1, { dtype: moments }).read());
      const { folder, state } = await save(optimizer, 7);
      assert.deepEqual([state.step, state.tokens, state.data], [7, 70, { taken: 7 }]);
      const loaded = createOptimizer(moments);
      await loadMoments(folder, loaded);
      for (const [name, moment] of optimizer.moments)
        assert.deepEqual(await loaded.moments.get(name)?.read(), await moment.read(), name);
      const source = await openCheckpoint(folder);
      const back = await importWeights(config, source, { dtype: 'f32' });
      await source.close();
      for (const [name, weight] of weights)
        assert.deepEqual(await back.weights.get(name)?.read(), await weight.read(), name);
    });

  test('keeps the latest, and goes back past damaged ones, naming each', async () => {
    const optimizer = createOptimizer('f32');
    for (const step of [8, 9, 10]) await save(optimizer, step, 3);
    const names = () => readdirSync(join(run, 'checkpoints')).sort();
    assert.deepEqual(names(), ['step-00000008', 'step-00000009', 'step-00000010']);
    const at = (step: string) => join(run, 'checkpoints', `step-000000${step}`);
    const weightsPath = join(at('10'), 'model.safetensors');
    const bytes = readFileSync(weightsPath);
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
    writeFileSync(weightsPath, bytes);
    rmSync(join(at('09'), 'optimizer.safetensors'));
    const damaged: string[] = [];
    const found = await latestCheckpoint(run, ({ message }) => damaged.push(message));
    assert.equal(found?.state.step, 8);
    assert.match(damaged[0], /step-00000010.model\.safetensors\] its sha256 is not that/);
    assert.match(damaged[1], /step-00000009.optimizer\.safetensors\] is missing/);
    appendFileSync(join(at('08'), 'config.json'), ' ');
    await assert.rejects(verifyCheckpoint(at('08')), /config\.json\] has \d+ bytes, was written with/);
    writeFileSync(join(at('08'), 'training.json'), '{"step":');
    assert.equal(await latestCheckpoint(run, () => undefined), null);
    await save(optimizer, 11, 1);
    assert.deepEqual(names(), ['step-00000011']);
  });

  test('a full disk is said in words; earlier checkpoints stay whole', async () => {
    const optimizer = createOptimizer('f32');
    await save(optimizer, 20);
    const full = () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    await assert.rejects(
      save(optimizer, 21, 2, full),
      /\] the disk is full; make room .* resume the run; the checkpoints that it has are whole/,
    );
    assert.equal(existsSync(join(run, 'checkpoints', 'writing')), false);
    assert.equal((await latestCheckpoint(run, () => assert.fail()))?.state.step, 20);
  });

  test('moments of another format are refused', async () => {
    const { folder } = await save(createOptimizer('f32'), 30);
    await assert.rejects(
      loadMoments(folder, createOptimizer('bf16')),
      /bytes of moments, received .*; resume with the format/,
    );
  });
});
