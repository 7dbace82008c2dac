// A model opened from a ready checkpoint answers as the one it was made from, to the bit, in every format, on every
// device, whichever device wrote it; what it cannot give is refused. npm test -- open-model
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Device, isSameLayout } from '../kernels/index.ts';
import { bestDevices } from '../kernels/test-devices.ts';
import { eachServed, exportWeights, openCheckpoint, writeCheckpoint, writeReady } from '../model/checkpoint/index.ts';
import { initialWeights, readConfig, writeConfig } from '../model/index.ts';
import { type PackableFormat, useDevice } from '../tensor/index.ts';
import { characterTokenizer, saveTokenizer } from '../tokenizer/index.ts';
import type { GenerationEvent } from './generation.ts';
import { type OpenOptions, openModel } from './open-model.ts';

const formats: readonly PackableFormat[] = ['f32', 'bf16', 'fp8', 'int8', 'int4'];
const config = readConfig({
  model_type: 'deepseek_v3',
  vocab_size: 64,
  hidden_size: 64,
  intermediate_size: 160,
  moe_intermediate_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  n_routed_experts: 4,
  num_experts_per_tok: 2,
  n_shared_experts: 1,
  n_group: 2,
  topk_group: 1,
  kv_lora_rank: 32,
  q_lora_rank: 32,
  qk_rope_head_dim: 16,
  qk_nope_head_dim: 32,
  v_head_dim: 32,
  first_k_dense_replace: 1,
  max_position_embeddings: 256,
  initializer_range: 0.2,
  num_nextn_predict_layers: 1,
});
const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ';

const devices = bestDevices();
let folder: string;
let plain: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'minke-open-'));
  plain = join(folder, 'plain');
  useDevice(devices[0]);
  const weights = initialWeights(config, 1);
  await writeCheckpoint(plain, writeConfig(config), exportWeights(config, weights, 'bf16'));
  for (const weight of weights.values()) weight.dispose();
  saveTokenizer(plain, characterTokenizer(alphabet));
});
after(async () => {
  for (const device of devices) await device.close();
  rmSync(folder, { recursive: true });
});

async function write(device: Device, format: PackableFormat): Promise<string> {
  const path = join(folder, `${device.isa}-${format}`);
  useDevice(device);
  const source = await openCheckpoint(plain);
  await writeReady(path, config, eachServed(config, source, { format }, []), { format, device });
  await source.close();
  saveTokenizer(path, characterTokenizer(alphabet));
  return path;
}

/** Everything of an answer but its times: tokens, their log-probabilities and alternatives, those of the prompt. */
async function answers(path: string, options: OpenOptions): Promise<string> {
  const model = await openModel(path, { cacheBytes: 2 ** 20, ...options });
  try {
    const asked = ['to be or not to be', 'call me Ishmael'].map(async (text) => {
      const events: GenerationEvent[] = [];
      const options = { temperature: 0, maxTokens: 12, ignoreEos: true, logprobs: 3, promptLogprobs: 1 };
      for await (const event of model.complete(text, options)) events.push(event);
      return events;
    });
    return JSON.stringify(await Promise.all(asked), (key, value) => (key.endsWith('Ms') ? undefined : value), 1);
  } finally {
    await model.close();
  }
}

describe('a ready checkpoint', () => {
  const [, best, another] = devices as [Device, Device | undefined, Device | undefined];
  for (const device of devices.slice(1))
    for (const format of formats)
      test(`${device.name} ${device.isa}, ${format}: the answers of the model it was made from`, async () => {
        const expected = await answers(plain, { device, format });
        assert.match(expected, /"logprob": -\d/);
        const writers = new Set([device, device === best ? (another ?? best) : best].filter((d) => d !== undefined));
        for (const writer of writers) {
          const notices: string[] = [];
          const path = await write(writer, format);
          const options = { device, notice: (text: string) => notices.push(text) };
          assert.equal(await answers(path, options), expected, `written by ${writer.isa}`);
          const panels = format === 'fp8' ? 'e4m3' : format;
          const isAlike = isSameLayout(panels, writer.panelLayout, device.panelLayout);
          assert.equal(notices.length, isAlike ? 0 : 1);
        }
      });

  test('refuses another format, a file that is cut, and a configuration that is not its own', async () => {
    const device = devices.at(-1) as Device;
    const path = await write(device, 'int8');
    await assert.rejects(
      openModel(path, { device, format: 'int4' }),
      /has weights packed in int8, int4 was requested; leave the format out, or open the checkpoint/,
    );
    writeFileSync(join(path, 'config.json'), JSON.stringify(writeConfig({ ...config, numHiddenLayers: 3 })));
    await assert.rejects(openModel(path, { device }), /model\.layers\.[23]\..* is missing/);
    truncateSync(join(path, 'ready.safetensors'), 100_000);
    await assert.rejects(openModel(path, { device }), /ends \d+ bytes beyond the file; the file is damaged/);
  });
});
