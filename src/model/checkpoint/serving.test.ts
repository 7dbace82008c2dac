// Weights to serve from checkpoints that store them in the very format: products as those of the decoded weights, each
// within its format, and every tensor reported. npm test -- checkpoint/serving
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { tolerance } from '../../kernels/cases/tolerance.ts';
import { type Device, openDevice } from '../../kernels/index.ts';
import {
  embedding,
  fromArray,
  groupedLinear,
  linear,
  type PackableFormat,
  randn,
  range,
  type Tensor,
  useDevice,
  type Weight,
} from '../../tensor/index.ts';
import { packSequences } from '../batch.ts';
import { readConfig, writeConfig } from '../config.ts';
import { createModel } from '../model.ts';
import { initialWeights } from '../weights.ts';
import { exportWeights, weightValues } from './export.ts';
import { openCheckpoint, writeCheckpoint } from './folder.ts';
import { ggufMetadata } from './gguf-config.ts';
import { ggufTensors, openGgufModel } from './gguf-model.ts';
import { writeGguf } from './gguf-writer.ts';
import { importWeights } from './import.ts';
import { servingWeights } from './serving.ts';
import { bytesOnly, configs, v3 } from './test-gguf-models.ts';

let device: Device;
let folder: string;
before(() => {
  device = openDevice();
  useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-serving-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

const config = readConfig({ ...v3, hidden_size: 128, moe_intermediate_size: 128, kv_lora_rank: 64 });
const expert = 'model.layers.1.mlp.experts.down_proj';
const dense = 'model.layers.0.self_attn.o_proj.weight';

async function sourceIn(format: PackableFormat) {
  const weights = initialWeights(config, 5);
  if (format === 'fp8') {
    await writeCheckpoint(join(folder, 'fp8'), writeConfig(config), exportWeights(config, weights, 'fp8'));
    return openCheckpoint(join(folder, 'fp8'));
  }
  const path = join(folder, `${format}.gguf`);
  const tensors = ggufTensors(config, weightValues(config, weights), format === 'int8' ? 'Q8_0' : 'Q4_0');
  await writeGguf(path, ggufMetadata(config, bytesOnly), tensors);
  return (await openGgufModel(path)).source;
}

/** Largest difference over the largest value. */
async function difference(a: Tensor, b: Tensor): Promise<number> {
  const [x, y] = [await a.toArray(), await b.toArray()];
  const most = Math.max(...y.map(Math.abs));
  return Math.max(...x.map((value, i) => Math.abs(value - y[i]))) / most;
}

// Activations are rounded to E4M3, or to 8 bits, which is a bf16's precision of the largest in a group.
for (const [format, limit] of [
  ['fp8', tolerance.e4m3],
  ['int8', tolerance.bf16],
  ['int4', tolerance.bf16],
] as const)
  test(`${format} as it is stored: products of the decoded weights, activations rounded`, async () => {
    const source = await sourceIn(format);
    const { weights, report } = await servingWeights(config, source);
    const plain = (await importWeights(config, source, { dtype: 'f32' })).weights;
    await source.close();
    assert.equal((weights.get(dense) as { format?: string }).format, format);
    assert.equal((weights.get(expert) as { format?: string }).format, format);
    const used = report.filter(({ name, how }) => name.includes('.mlp.experts.') && how === 'used');
    assert.ok(used.length >= 3 * 8 * 2, `${used.length} tensors of experts were used as stored`);
    const whole = plain.get(dense) as Tensor;
    const x = randn([5, whole.shape[1]], 1, 1);
    assert.ok((await difference(linear(x, weights.get(dense) as Tensor), linear(x, whole))) < limit);
    const stack = plain.get(expert) as Tensor;
    const rows = randn([8, stack.shape[2]], 2, 1);
    const offsets = range(9, 1);
    const grouped = groupedLinear(rows, weights.get(expert) as Tensor, offsets);
    assert.ok((await difference(grouped, groupedLinear(rows, stack, offsets))) < limit);
  });

test('a file of several formats: each weight in its own, joined only with its like, heads in our order', async () => {
  const model = configs['llama-biases'];
  const values = weightValues(model, initialWeights(model, 5));
  const path = join(folder, 'mixed.gguf');
  const tensors = ggufTensors(model, values, 'Q4_0').map((tensor) => {
    if (tensor.name === 'blk.1.attn_v.weight' || tensor.name === 'output.weight')
      return { ...tensor, type: 'Q8_0' as const };
    return tensor.name === 'blk.1.ffn_up.weight' ? { ...tensor, type: 'F16' as const } : tensor;
  });
  await writeGguf(path, ggufMetadata(model, bytesOnly), tensors);
  const { source } = await openGgufModel(path);
  const { weights } = await servingWeights(model, source);
  const plain = (await importWeights(model, source, { dtype: 'f32' })).weights;
  await source.close();
  const format = (name: string) => (weights.get(name) as { format?: string } | undefined)?.format;
  const [first, second] = ['model.layers.0.', 'model.layers.1.'];
  assert.equal(format(`${first}self_attn.qkv_proj.weight`), 'int4');
  assert.equal(format(`${second}self_attn.qkv_proj.weight`), undefined);
  assert.equal(format(`${second}self_attn.q_proj.weight`), 'int4');
  assert.equal(format(`${second}self_attn.v_proj.weight`), 'int8');
  assert.ok(weights.has(`${second}self_attn.q_proj.bias`) && weights.has(`${first}self_attn.qkv_proj.bias`));
  assert.equal(format(`${second}mlp.up_proj.weight`), 'f32');
  assert.equal(format('lm_head.weight'), 'int8');
  for (const name of [`${second}self_attn.k_proj.weight`, 'lm_head.weight', `${second}mlp.down_proj.weight`]) {
    const whole = plain.get(name) as Tensor;
    const x = randn([5, whole.shape[1]], 1, 1);
    const own = weights.get(name) as Tensor;
    assert.ok((await difference(linear(x, own), linear(x, whole))) < tolerance.bf16, name);
  }
});

test('K blocks as they are stored: as many bytes, rows of the embedding, and a tied one is the head', async () => {
  const model = readConfig({
    model_type: 'llama',
    vocab_size: 256,
    hidden_size: 256,
    intermediate_size: 512,
    num_hidden_layers: 8,
    num_attention_heads: 4,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
  });
  const path = join(folder, 'k.gguf');
  await writeGguf(
    path,
    ggufMetadata(model),
    ggufTensors(model, weightValues(model, initialWeights(model, 5)), 'q4_k_m'),
  );
  const { source } = await openGgufModel(path);
  const { weights } = await servingWeights(model, source);
  const { entries, read, close } = source;
  const copied = (await servingWeights(model, { entries, read, close })).weights; // nothing of it is mapped
  const plain = (await importWeights(model, source, { dtype: 'f32' })).weights;
  await source.close();
  for (const [name, weight] of weights) {
    const [own, other] = [weight, copied.get(name) as Weight].map((each) =>
      'panels' in each ? each.panels : each.storage.buffer,
    );
    const bytes = await device.read(own, new Uint8Array(own.bytes));
    assert.deepEqual(await device.read(other, new Uint8Array(other.bytes)), bytes, name);
  }
  const formats = [...weights.values()].flatMap((weight) => ('panels' in weight ? [weight.format] : []));
  assert.deepEqual([...new Set(formats)].sort(), ['q4_K', 'q6_K']);
  const bytes = [...weights.values()].reduce((sum, weight) => sum + weight.bytes, 0);
  assert.ok(bytes < 1.05 * statSync(path).size, `${bytes} bytes of weights, ${statSync(path).size} of the file`);
  assert.ok(!weights.has('lm_head.weight'));
  const [table, whole] = ['model.embed_tokens.weight'].flatMap((name) => [weights.get(name), plain.get(name)]);
  const ids = fromArray(Int32Array.of(255, 0, 31, 32, 7), [5]);
  assert.deepEqual(await embedding(ids, table as Tensor).toArray(), await embedding(ids, whole as Tensor).toArray());
  const [own, exact] = [createModel(model, weights), createModel(model, plain)].map((each) => {
    const { out } = each.forward(packSequences([[1, 2, 3, 250, 9]]));
    return each.logits(out);
  }) as [Tensor, Tensor];
  assert.ok((await difference(own, exact)) < 0.05);
});
