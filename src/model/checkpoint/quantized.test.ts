// Matrices of other programs: each scheme decodes what its own packing wrote, and a model of them opens; what does not
// fit is refused by name. npm test -- quantized
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Device, fromBf16, fromE4m3, openDevice, toBf16, toF16 } from '../../kernels/index.ts';
import { Random } from '../../math/index.ts';
import { type Tensor, useDevice } from '../../tensor/index.ts';
import { readConfig, writeConfig } from '../config.ts';
import type { Quantization } from '../quantization-config.ts';
import { initialWeights } from '../weights.ts';
import { exportWeights } from './export.ts';
import { openCheckpoint, openModelFolder, writeCheckpoint } from './folder.ts';
import { importWeights } from './import.ts';
import { withPlainMatrices } from './quantized.ts';
import { openSafetensors, type TensorToWrite, writeSafetensors } from './safetensors.ts';
import { decode, type PlainType, type TensorSource } from './source.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-quantized-'));
let device: Device;
before(() => {
  device = openDevice();
  useDevice(device);
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

const tensor = (name: string, type: PlainType, shape: number[], data: ArrayBufferView): TensorToWrite => ({
  name,
  type,
  shape,
  bytes: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});
const f16 = (values: readonly number[]) => Uint16Array.from(values, toF16);
const round = (x: number) => fromBf16(toBf16(x));

/** A tiny source whose tensors lie in a file. */
async function opened(tensors: readonly TensorToWrite[]): Promise<TensorSource> {
  const path = join(folder, 'one.safetensors');
  await writeSafetensors(path, tensors);
  return openSafetensors(path);
}

/** Packs codes into words, the lowest bits first. */
const pack = (codes: readonly number[], bits: number) =>
  Int32Array.from({ length: (codes.length * bits) / 32 }, (_, i) => {
    const each = 32 / bits;
    return codes.slice(i * each, (i + 1) * each).reduce((word, code, j) => word | (code << (bits * j)), 0);
  });

const random = new Random(3);
const drawCodes = (length: number, bits: number) => Array.from({ length }, () => random.whole(0, 2 ** bits - 1));
const [N, K, G] = [16, 24, 3];
const scales = Array.from({ length: G * N }, (_, i) => 2 ** -6 * (1 + (i % 5)));
const size = K / G;

type Stored = readonly [quantization: Quantization, tensors: TensorToWrite[], expected: number[]];

function gptq(bits: number, zeroOffset: number, order: readonly number[] | null): Stored {
  const codes = drawCodes(K * N, bits); // [K, N]
  const zeros = drawCodes(G * N, bits).map((zero) => Math.min(zero, 2 ** bits - 2)); // [G, N]
  const each = 32 / bits;
  const words = Int32Array.from({ length: (K / each) * N }, (_, i) => {
    const [row, n] = [Math.floor(i / N), i % N];
    return Array.from({ length: each }, (_, j) => codes[(row * each + j) * N + n] << (bits * j)).reduce(
      (a, b) => a | b,
    );
  });
  const group = (k: number) => order?.[k] ?? Math.floor(k / size);
  const expected = Array.from({ length: N * K }, (_, i) => {
    const [n, k] = [Math.floor(i / K), i % K];
    return (codes[k * N + n] - zeros[group(k) * N + n] - zeroOffset) * scales[group(k) * N + n];
  });
  const tensors = [
    tensor('m.qweight', 'I32', [K / each, N], words),
    tensor('m.qzeros', 'I32', [G, N / each], pack(zeros, bits)),
    tensor('m.scales', 'F16', [G, N], f16(scales)),
    ...(order ? [tensor('m.g_idx', 'I32', [K], Int32Array.from(order))] : []),
  ];
  return [{ scheme: 'gptq', bits, zeroOffset }, tensors, expected];
}

function awq(): Stored {
  const [codes, zeros] = [drawCodes(K * N, 4), drawCodes(G * N, 4)];
  const order = [0, 2, 4, 6, 1, 3, 5, 7]; // AutoAWQ: place j of a word has column order[j]
  const packed = (values: readonly number[]) =>
    pack(
      values.map((_, i) => values[i - (i % 8) + order[i % 8]]),
      4,
    );
  const expected = Array.from({ length: N * K }, (_, i) => {
    const [n, k] = [Math.floor(i / K), i % K];
    const at = Math.floor(k / size) * N + n;
    return (codes[k * N + n] - zeros[at]) * scales[at];
  });
  const tensors = [
    tensor('m.qweight', 'I32', [K, N / 8], packed(codes)),
    tensor('m.qzeros', 'I32', [G, N / 8], packed(zeros)),
    tensor('m.scales', 'F16', [G, N], f16(scales)),
  ];
  return [{ scheme: 'awq', bits: 4, zeroOffset: 0 }, tensors, expected];
}

function packed(bits: number): Stored {
  const codes = drawCodes(N * K, bits);
  const expected = codes.map((code, i) => {
    const [n, k] = [Math.floor(i / K), i % K];
    return (code - 2 ** (bits - 1)) * scales[n * G + Math.floor(k / size)];
  });
  const tensors = [
    tensor('m.weight_packed', 'I32', [N, (K * bits) / 32], pack(codes, bits)),
    tensor('m.weight_scale', 'BF16', [N, G], Uint16Array.from(scales, toBf16)),
    tensor('m.weight_shape', 'I64', [2], BigInt64Array.of(BigInt(N), BigInt(K))),
  ];
  return [{ scheme: 'packed', bits, zeroOffset: 0 }, tensors, expected];
}

function scaled(suffix: string, shape: number[], scaleAt: (n: number, k: number) => number): Stored {
  const codes = Uint8Array.from({ length: N * K }, (_, i) => (i * 7) % 127);
  const expected = Array.from(codes, (code, i) => fromE4m3(code) * scales[scaleAt(Math.floor(i / K), i % K)]);
  const count = shape.reduce((product, n) => product * n, 1);
  const tensors = [
    tensor('m.weight', 'F8_E4M3', [N, K], codes),
    tensor(`m.${suffix}`, 'F32', shape, Float32Array.from(scales.slice(0, count))),
    tensor('m.input_scale', 'F32', [1], Float32Array.of(3)), // activations are not quantized here
  ];
  return [{ scheme: 'scaled', bits: 8, zeroOffset: 0 }, tensors, expected];
}

const shuffled = Array.from({ length: K }, (_, k) => (k * 2) % G);

describe('schemes', () => {
  const cases: [what: string, stored: Stored][] = [
    ['GPTQ, 4 bits, zero points stored less one', gptq(4, 1, null)],
    ['GPTQ, 8 bits, second format', gptq(8, 0, null)],
    ['GPTQ with the group of each row', gptq(4, 1, shuffled)],
    ['AWQ', awq()],
    ['compressed-tensors, 4 bits in groups', packed(4)],
    ['compressed-tensors, 8 bits in groups', packed(8)],
    ['FP8 of the tensor', scaled('weight_scale', [1], () => 0)],
    ['FP8 of the tensor, a scalar', scaled('weight_scale_inv', [], () => 0)],
    ['FP8 of rows', scaled('weight_scale', [N, 1], (n) => n)],
    ['FP8 of groups', scaled('weight_scale', [N, G], (n, k) => n * G + Math.floor(k / size))],
    ['FP8 of blocks', scaled('weight_scale', [1, 1], () => 0)],
  ];
  for (const [what, [quantization, tensors, expected]] of cases)
    test(what, async () => {
      const source = withPlainMatrices(quantization, await opened(tensors));
      assert.deepEqual([...source.entries.keys()], ['m.weight']);
      const [entry] = [...source.entries.values()];
      assert.deepEqual([entry.type, entry.shape.join()], ['BF16', `${N},${K}`]);
      assert.deepEqual([...decode(entry, await source.read('m.weight'))], expected.map(round));
      const part = await source.read('m.weight', { offset: K + 1, length: K });
      assert.deepEqual([...decode(entry, part)], expected.slice(K + 1, 2 * K + 1).map(round));
      await source.close();
    });

  test('scales in powers of two: F8_E8M0', async () => {
    const entry = { name: 's', type: 'F8_E8M0', shape: [3], file: '' } as const;
    assert.deepEqual([...decode(entry, Uint8Array.of(127, 120, 130))], [1, 2 ** -7, 8]);
    assert.ok(Number.isNaN(decode(entry, Uint8Array.of(255))[0]));
  });

  test('tensors that do not fit each other are refused by name', async () => {
    const [quantization, tensors] = gptq(4, 1, null);
    for (const [changed, message] of [
      [tensors.slice(0, 2), /m\.scales: expected F32 or F16.*received nothing; check that quantization_config/],
      [[tensors[0], tensors[2]], /m\.qzeros: expected I32 \[3,2\], received nothing/],
      [
        [...tensors.slice(0, 2), tensor('m.scales', 'F16', [5, N], f16(Array(5 * N).fill(1)))],
        /m\.qzeros: expected I32 \[5/,
      ],
      [
        [...tensors, tensor('m.g_idx', 'I32', [2], Int32Array.of(0, 0))],
        /m\.g_idx: expected I32 \[24\], received I32 \[2\]/,
      ],
    ] as const) {
      const source = withPlainMatrices(quantization, await opened(changed));
      await assert.rejects(source.read('m.weight'), { name: 'CheckpointError', message });
      await source.close();
    }
  });
});

const llama = {
  model_type: 'llama',
  vocab_size: 30,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
};

async function arrays(weights: ReadonlyMap<string, Tensor>): Promise<Record<string, number[]>> {
  const entries = [...weights].map(async ([name, own]) => [name, await own.toArray()] as const);
  return Object.fromEntries(await Promise.all(entries));
}

describe('folders', () => {
  test('a model whose o_proj is FP8 with a scale opens as its decoded self', async () => {
    const config = readConfig(llama);
    const own = 'model.layers.1.self_attn.o_proj';
    const plain = exportWeights(config, initialWeights(config, 5), 'bf16').filter(
      ({ name }) => name !== `${own}.weight`,
    );
    const codes = Uint8Array.from({ length: 32 * 32 }, (_, i) => (i * 5) % 120);
    const given = { quant_method: 'compressed-tensors', format: 'float-quantized' };
    const config_groups = { a: { weights: { num_bits: 8, type: 'float', symmetric: true } } };
    const path = join(folder, 'fp8');
    await writeCheckpoint(path, { ...writeConfig(config), quantization_config: { ...given, config_groups } }, [
      ...plain,
      tensor(`${own}.weight`, 'F8_E4M3', [32, 32], codes),
      tensor(`${own}.weight_scale`, 'BF16', [1], Uint16Array.of(toBf16(0.25))),
    ]);
    const { config: read, source } = await openModelFolder(path);
    const { weights } = await importWeights(read, source);
    assert.deepEqual(
      (await arrays(weights))[`${own}.weight`],
      Array.from(codes, (code) => fromE4m3(code) / 4),
    );
    await source.close();
  });

  test('an MTP module that is counted but not stored is left out, and said', async () => {
    const small = { vocab_size: 30, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2 };
    const experts = { n_routed_experts: 8, num_experts_per_tok: 2, intermediate_size: 40, moe_intermediate_size: 8 };
    const ranks = { kv_lora_rank: 16, q_lora_rank: 24, qk_rope_head_dim: 8, qk_nope_head_dim: 8, v_head_dim: 8 };
    const config = readConfig({ model_type: 'deepseek_v3', first_k_dense_replace: 1, ...small, ...experts, ...ranks });
    const path = join(folder, 'mtp');
    const json = { ...writeConfig(config), num_nextn_predict_layers: 1 };
    await writeCheckpoint(path, json, exportWeights(config, initialWeights(config, 5), 'f32'));
    const notes: string[] = [];
    const { config: read, source } = await openModelFolder(path, (text) => notes.push(text));
    assert.equal((read as typeof config & { numNextnPredictLayers: number }).numNextnPredictLayers, 0);
    assert.match(notes.join(), /counts 1 MTP modules, the weights have none: they are left out/);
    await importWeights(read, source);
    await source.close();
  });
});

describe('adapters', () => {
  const base = join(folder, 'base');
  const config = readConfig(llama);
  const own = 'model.layers.0.mlp.down_proj';
  const [rank, rows, columns] = [2, 32, 48];
  const values = (n: number, seed: number) => new Random(seed).normals(n, 0.5);
  const [a, b] = [values(rank * columns, 1), values(rows * rank, 2)];
  const pair = [
    tensor(`base_model.model.${own}.lora_A.weight`, 'F32', [rank, columns], a),
    tensor(`base_model.model.${own}.lora_B.weight`, 'F32', [rows, rank], b),
  ];

  async function written(fields: object, tensors = pair): Promise<string> {
    const path = mkdtempSync(join(folder, 'adapter-'));
    const json = { peft_type: 'LORA', base_model_name_or_path: base, lora_alpha: 6, r: rank, bias: 'none', ...fields };
    writeFileSync(join(path, 'adapter_config.json'), JSON.stringify(json));
    await writeSafetensors(join(path, 'adapter_model.safetensors'), tensors);
    return path;
  }

  before(() => writeCheckpoint(base, writeConfig(config), exportWeights(config, initialWeights(config, 5), 'f32')));

  for (const [fields, factor] of [
    [{}, 3],
    [{ use_rslora: true }, 6 / Math.sqrt(2)],
    [{ alpha_pattern: { 'mlp.down_proj': 2 } }, 1],
  ] as const)
    test(`merged: ${JSON.stringify(fields)}`, async () => {
      const { config: read, source } = await openModelFolder(await written(fields));
      const [merged, plain] = [
        await arrays((await importWeights(read, source)).weights),
        await arrays(initialWeights(config, 5)),
      ];
      for (const name of Object.keys(plain)) if (!name.startsWith(own)) assert.deepEqual(merged[name], plain[name]);
      merged[`${own}.weight`].forEach((x, i) => {
        const [n, k] = [Math.floor(i / columns), i % columns];
        const product = b[n * rank] * a[k] + b[n * rank + 1] * a[columns + k];
        assert.ok(Math.abs(x - plain[`${own}.weight`][i] - factor * product) < 1e-5);
      });
      await source.close();
    });

  for (const [fields, message] of [
    [{ peft_type: 'IA3' }, /peft_type: expected "LORA", received "IA3"; merge the adapter/],
    [{ use_dora: true }, /use_dora: expected false/],
    [{ modules_to_save: ['lm_head'] }, /modules_to_save: expected none/],
    [{ base_model_name_or_path: 'a/base' }, /base_model_name_or_path: "a\/base" is no folder.*; fetch the base/],
    [{ lora_alpha: null }, /lora_alpha: expected a number/],
  ] as const)
    test(`refused: ${JSON.stringify(fields)}`, async () => {
      await assert.rejects(openCheckpoint(await written(fields)), { name: 'CheckpointError', message });
    });

  test('refused: matrices that fit no module', async () => {
    await assert.rejects(
      openCheckpoint(await written({}, pair.slice(1))),
      /lora_B\.weight: no low-rank pair that fits/,
    );
    const other = tensor('base_model.model.x.lora_magnitude_vector', 'F32', [1], Float32Array.of(1));
    await assert.rejects(
      openCheckpoint(await written({}, [...pair, other])),
      /lora_magnitude_vector: no low-rank pair/,
    );
  });
});
