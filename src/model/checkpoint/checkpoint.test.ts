// Checkpoints: round trips in every format, the report, and tensors that would be read wrongly. npm test -- checkpoint
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Device, fromE4m3, openDevice, toF16 } from '../../kernels/index.ts';
import { type Tensor, useDevice } from '../../tensor/index.ts';
import { type ModelConfig, readConfig, writeConfig } from '../config.ts';
import { initialWeights } from '../weights.ts';
import { convertCheckpoint, exportWeights, type WeightFormat } from './export.ts';
import { openCheckpoint, writeCheckpoint } from './folder.ts';
import { importWeights } from './import.ts';
import { openSafetensors, writeSafetensors } from './safetensors.ts';
import { servingWeights } from './serving.ts';
import { decode, type StoredType } from './source.ts';

const v3 = {
  model_type: 'deepseek_v3',
  vocab_size: 30,
  hidden_size: 40,
  intermediate_size: 136,
  moe_intermediate_size: 24,
  num_hidden_layers: 2,
  num_nextn_predict_layers: 2,
  num_attention_heads: 2,
  n_routed_experts: 4,
  num_experts_per_tok: 2,
  n_group: 2,
  topk_group: 1,
  kv_lora_rank: 16,
  q_lora_rank: 24,
  qk_rope_head_dim: 8,
  qk_nope_head_dim: 8,
  v_head_dim: 8,
  first_k_dense_replace: 1,
};
const dense = { vocab_size: 30, hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 4 };
const configs: Record<string, ModelConfig> = {
  v3: readConfig(v3),
  v2: readConfig({ ...v3, model_type: 'deepseek_v2', topk_method: 'greedy', num_nextn_predict_layers: 0 }),
  moonlight: readConfig({ ...v3, q_lora_rank: null, n_group: 1, topk_group: 1, num_nextn_predict_layers: 0 }),
  llama: readConfig({ ...dense, model_type: 'llama', num_key_value_heads: 2, attention_bias: true }),
  qwen2: readConfig({ ...dense, model_type: 'qwen2', num_key_value_heads: 2, tie_word_embeddings: true }),
  phi3: readConfig({ ...dense, model_type: 'phi3', num_key_value_heads: 2 }), // joined projections
  gemma3: readConfig({ ...dense, model_type: 'gemma3_text', num_key_value_heads: 2, head_dim: 8 }), // gains less one
};

let device: Device;
let folder: string;

before(() => {
  device = openDevice();
  useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-checkpoint-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

async function arrays(weights: ReadonlyMap<string, Tensor>): Promise<Record<string, number[]>> {
  const entries = [...weights].map(async ([name, tensor]) => [name, await tensor.toArray()] as const);
  return Object.fromEntries(await Promise.all(entries));
}

async function written(config: ModelConfig, format: WeightFormat, name: string, shardBytes?: number) {
  const weights = initialWeights(config, 5);
  const path = join(folder, name);
  await writeCheckpoint(
    path,
    writeConfig(config),
    exportWeights(config, weights, format),
    shardBytes ? { shardBytes } : {},
  );
  return { weights, path };
}

describe('round trips', () => {
  for (const [name, config] of Object.entries(configs))
    test(`${name}: F32, shards, the same bits`, async () => {
      const { weights, path } = await written(config, 'f32', `${name}-f32`, 20_000);
      assert.ok(readdirSync(path).filter((file) => file.endsWith('.safetensors')).length > 2);
      const source = await openCheckpoint(path);
      const { weights: again, report } = await importWeights(config, source);
      assert.deepEqual(await arrays(again), await arrays(weights));
      assert.equal(report.length, source.entries.size);
      assert.ok(report.every(({ how }) => how === 'used'));
      await source.close();
    });

  for (const format of ['f16', 'bf16', 'fp8'] as const)
    test(`V3 in ${format}: every value within the format, and exact the second time`, async () => {
      const config = configs.v3;
      const { weights, path } = await written(config, format, `v3-${format}`);
      const source = await openCheckpoint(path);
      const { weights: once } = await importWeights(config, source, { dtype: 'f32' });
      const [before, after] = [await arrays(weights), await arrays(once)];
      const step = { f16: 2 ** -11, bf16: 2 ** -8, fp8: 2 ** -4 }[format];
      for (const [name, values] of Object.entries(before)) {
        const most = Math.max(...values.map(Math.abs));
        values.forEach((x, i) => {
          const y = after[name][i];
          assert.ok(
            Math.abs(x - y) <= step * Math.abs(x) + 2 ** -9 * step * most + 2 ** -25,
            `${name}[${i}] ${x} ${y}`,
          );
        });
      }
      const second = join(folder, `v3-${format}-again`);
      await writeCheckpoint(second, writeConfig(config), convertCheckpoint(config, source, format));
      const [a, b] = [join(path, 'model.safetensors'), join(second, 'model.safetensors')];
      if (format !== 'fp8') assert.deepEqual(readFileSync(a), readFileSync(b));
      else {
        const again = await openCheckpoint(second);
        const { weights: twice } = await importWeights(config, again, { dtype: 'f32' });
        const values = await arrays(twice);
        for (const [name, x] of Object.entries(after))
          x.forEach((y, i) => {
            assert.ok(Math.abs(y - values[name][i]) <= 2 ** -4 * Math.abs(y) + 2 ** -13);
          });
        await again.close();
      }
      await source.close();
    });

  test('FP8 as released: codes, scales of 128 x 128 blocks that multiply, the rest as the release has it', async () => {
    const config = configs.v3;
    const source = await openCheckpoint((await written(config, 'fp8', 'v3-layout')).path);
    const types = (suffix: string) =>
      new Set([...source.entries.values()].filter(({ name }) => name.endsWith(suffix)).map(({ type }) => type));
    for (const suffix of ['kv_b_proj.weight', 'experts.3.up_proj.weight', 'shared_experts.down_proj.weight'])
      assert.deepEqual([...types(suffix)], ['F8_E4M3']);
    for (const suffix of ['embed_tokens.weight', 'lm_head.weight', 'norm.weight', 'mlp.gate.weight', 'eh_proj.weight'])
      assert.deepEqual([...types(suffix)], ['BF16']);
    assert.deepEqual([...types('e_score_correction_bias')], ['F32']);
    const name = 'model.layers.0.mlp.gate_proj.weight'; // [136, 40]: a ragged second block
    const [codes, scale] = [await source.read(name), source.entries.get(`${name}_scale_inv`)];
    assert.deepEqual(scale?.shape, [2, 1]);
    const scales = decode(scale as never, await source.read(`${name}_scale_inv`));
    const { weights } = await importWeights(config, source, { dtype: 'f32' });
    const values = await (weights.get(name) as Tensor).toArray();
    values.forEach((x, i) => {
      assert.equal(x, Math.fround(fromE4m3(codes[i]) * scales[i < 128 * 40 ? 0 : 1]));
    });
    await source.close();
  });

  test('BF16 weights stay BF16 codes, untouched', async () => {
    const config = configs.llama;
    const source = await openCheckpoint((await written(config, 'bf16', 'llama-bf16')).path);
    const { weights, report } = await importWeights(config, source);
    const name = 'model.layers.1.mlp.up_proj.weight';
    const tensor = weights.get(name) as Tensor;
    assert.equal(tensor.dtype, 'bf16');
    const codes = (await tensor.read()) as Uint16Array;
    assert.deepEqual(new Uint8Array(codes.buffer), await source.read(name));
    assert.equal(report.find((line) => line.name === name)?.how, 'used');
    await source.close();
  });

  test('all 65536 binary16 codes decode and encode to themselves', () => {
    const bytes = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer);
    const entry = { name: 'x', type: 'F16' as StoredType, shape: [65536], file: 'x' };
    decode(entry, bytes).forEach((value, code) => {
      const isNan = (code & 0x7c00) === 0x7c00 && (code & 0x3ff) !== 0;
      if (isNan) assert.ok(Number.isNaN(value));
      else assert.equal(toF16(value), code);
    });
  });
});

describe('the import report', () => {
  test('names what is ignored and why; MTP copies of embedding and head among them', async () => {
    const config = configs.v3;
    const { weights } = await written(config, 'bf16', 'v3-copies');
    const tensors = exportWeights(config, weights, 'bf16');
    const extra = (name: string) => ({
      ...(tensors.find((t) => t.name === 'lm_head.weight') as (typeof tensors)[0]),
      name,
    });
    const path = join(folder, 'copies.safetensors');
    const surplus = ['model.layers.2.embed_tokens.weight', 'model.layers.2.shared_head.head.weight', 'vision.weight'];
    await writeSafetensors(path, [...tensors, ...surplus.map(extra)]);
    const source = await openSafetensors(path);
    const { report } = await importWeights(config, source);
    const ignored = report.filter(({ how }) => how === 'ignored');
    assert.deepEqual(ignored.map(({ name }) => name).sort(), surplus.sort());
    assert.match(ignored.find(({ name }) => name.includes('embed'))?.why ?? '', /copy/);
    assert.match(ignored.find(({ name }) => name.includes('vision'))?.why ?? '', /not part/);
    assert.equal(report.length, source.entries.size);
    await source.close();
  });

  const surplus: [config: string, names: readonly string[], message: RegExp][] = [
    ['llama', ['model.layers.0.mlp.up_proj.bias'], /mlp\.up_proj\.bias: no part of this llama.*; check that config/],
    ['qwen2', ['model.layers.1.self_attn.q_norm.weight'], /q_norm\.weight: no part of this qwen2/],
    ['qwen2', ['model.layers.2.mlp.up_proj.weight', 'x.weight'], /layers\.2\.mlp.* \(and 1 others\): no part/],
    ['llama', ['model.layers.0.mlp.up_proj.weight_scale'], /weight_scale: .*quantized in a way that is not read/],
    ['llama', ['model.layers.0.mlp.up_proj.input_scale'], /input_scale: .*use the unquantized checkpoint/],
    ['llama', ['model.layers.0.mlp.up_proj.qzeros'], /qzeros: .*use the unquantized checkpoint/],
    ['llama', ['model.layers.0.mlp.up_proj.weight_scale_inv'], /scale_inv: .*quantized in a way/], // of F32, no codes
    ['llama', ['model.layers.0.mlp.up_proj.lora_A.weight'], /lora_A\.weight: .*merge it into its base model/],
    ['v2', ['model.layers.0.mlp.experts.4.up_proj.weight'], /experts\.4\.up_proj\.weight: no part/],
    ['v2', ['model.layers.2.mlp.up_proj.weight'], /layers\.2\.mlp\.up_proj\.weight: no part/], // a layer too many
  ];
  for (const [name, names, message] of surplus)
    test(`refused, because it may change the result: ${names}`, async () => {
      const config = configs[name];
      const tensors = exportWeights(config, initialWeights(config, 1), 'f32');
      const path = join(folder, 'surplus.safetensors');
      await writeSafetensors(path, [...tensors, ...names.map((own) => ({ ...tensors[0], name: own }))]);
      const source = await openSafetensors(path);
      await assert.rejects(importWeights(config, source), { name: 'CheckpointError', message });
      await assert.rejects(servingWeights(config, source), { name: 'CheckpointError', message });
      await source.close();
    });

  test('FP8 codes without scales, and with scales of another shape, are refused', async () => {
    const config = configs.v3;
    const tensors = exportWeights(config, initialWeights(config, 1), 'fp8');
    const path = join(folder, 'scales.safetensors');
    const name = 'model.layers.0.self_attn.o_proj.weight_scale_inv';
    const one = { type: 'F32' as const, shape: [1], bytes: () => new Uint8Array(4) };
    const others = tensors.filter((tensor) => tensor.name !== name);
    for (const [own, message] of [
      [[], /o_proj\.weight: FP8 codes without .*o_proj\.weight_scale_inv/],
      [[{ ...one, name }], /o_proj\.weight_scale_inv: expected \[1, 1\], received \[1\]/],
      [[{ ...one, name: name.replace('_inv', '') }], /o_proj\.weight_scale: .*quantized in a way that is not read/],
    ] as const) {
      await writeSafetensors(path, [...others, ...own]);
      const source = await openSafetensors(path);
      await assert.rejects(importWeights(config, source), message);
      await assert.rejects(servingWeights(config, source), message);
      await source.close();
    }
  });

  test('a head beside a tied embedding is read over when they are equal, else refused', async () => {
    const config = configs.qwen2;
    const tensors = exportWeights(config, initialWeights(config, 1), 'f32');
    const path = join(folder, 'tied.safetensors');
    const [embedding, { bytes }] = tensors as [(typeof tensors)[0], (typeof tensors)[0]];
    await writeSafetensors(path, [...tensors, { ...embedding, name: 'lm_head.weight' }]);
    let source = await openSafetensors(path);
    const { weights, report } = await importWeights(config, source);
    assert.ok(!weights.has('lm_head.weight'));
    assert.match(report.find(({ name }) => name === 'lm_head.weight')?.why ?? '', /tied/);
    await source.close();
    const size = 4 * config.vocabSize * config.hiddenSize;
    const other = async () => Buffer.alloc(size, await bytes());
    await writeSafetensors(path, [...tensors, { ...embedding, name: 'lm_head.weight', bytes: other }]);
    source = await openSafetensors(path);
    await assert.rejects(importWeights(config, source), /lm_head\.weight differs .*; set tie_word_embeddings to false/);
    await source.close();
  });

  test('missing and misshapen tensors are refused by name', async () => {
    const config = configs.qwen2;
    const tensors = exportWeights(config, initialWeights(config, 1), 'f32');
    const path = join(folder, 'bad.safetensors');
    await writeSafetensors(path, tensors.slice(1));
    let source = await openSafetensors(path);
    await assert.rejects(
      importWeights(config, source),
      /embed_tokens\.weight \[30, 32\] is missing; check that config/,
    );
    await source.close();
    await writeSafetensors(
      path,
      tensors.map((t) => (t.shape.length === 1 ? t : { ...t, shape: [...t.shape].reverse() })),
    );
    source = await openSafetensors(path);
    await assert.rejects(
      importWeights(config, source),
      /embed_tokens\.weight: expected \[30, 32\], received \[32, 30\]/,
    );
    await source.close();
  });
});
