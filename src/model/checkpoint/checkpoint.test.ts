// Checkpoints: round trips in every format, the report, and files that lie. npm test -- checkpoint
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { type Device, fromE4m3, openDevice, toF16 } from '../../kernels/index.ts';
import { type Tensor, useDevice } from '../../tensor/index.ts';
import { type ModelConfig, readConfig, writeConfig } from '../config.ts';
import { initialWeights } from '../weights.ts';
import { CheckpointError } from './errors.ts';
import { convertCheckpoint, exportWeights, type WeightFormat } from './export.ts';
import { openCheckpoint, writeCheckpoint } from './folder.ts';
import { importWeights } from './import.ts';
import { openSafetensors, parseHeader, writeSafetensors } from './safetensors.ts';
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

/** A file of header text and some bytes. */
function makeFile(header: string, dataBytes: number, claimed = Buffer.byteLength(header)): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimed));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes)]);
}

const entry = (dtype: unknown, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets });
const json = (tensors: object) => JSON.stringify(tensors);

const lies: [what: string, file: Buffer, message: RegExp][] = [
  ['empty', Buffer.alloc(0), /has 0 bytes/],
  ['too short for a length', Buffer.alloc(7), /has 7 bytes/],
  ['header longer than the file', makeFile('{}', 0, 3), /claims a header of 3 bytes/],
  ['header of 2^63 bytes', makeFile('{}', 0, Number.MAX_SAFE_INTEGER), /claims a header of 9007199254740991/],
  ['header cut short', makeFile('{"a":', 8), /not JSON/],
  ['no UTF-8', Buffer.concat([makeFile('', 0, 2), Buffer.from([0xff, 0xfe])]), /not UTF-8/],
  ['a list', makeFile('[]', 0), /does not start with \{/],
  ['a number', makeFile('7 ', 0), /does not start with \{/],
  ['text before the header', makeFile(' {}', 0), /does not start with \{/],
  [
    'twice the same name',
    makeFile('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{}}', 0),
    /a: appears twice/,
  ],
  [
    'twice, once escaped',
    makeFile('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{}}', 0),
    /a: appears twice/,
  ],
  ['an unknown format', makeFile(json({ a: entry('F7', [1], [0, 4]) }), 4), /a: expected a dtype of .*received "F7"/],
  ['no format', makeFile(json({ a: entry(undefined, [1], [0, 4]) }), 4), /a: expected a dtype/],
  ['a shape that is a text', makeFile(json({ a: entry('F32', '1', [0, 4]) }), 4), /a: expected a shape/],
  ['a negative size', makeFile(json({ a: entry('F32', [-1], [0, 4]) }), 4), /a: expected a shape/],
  ['half a size', makeFile(json({ a: entry('F32', [0.5], [0, 2]) }), 2), /a: expected a shape/],
  ['sizes beyond all numbers', makeFile(json({ a: entry('F32', [2 ** 40, 2 ** 40], [0, 4]) }), 4), /a: F32 .* takes/],
  ['one offset', makeFile(json({ a: entry('F32', [1], [0]) }), 4), /a: expected two data_offsets/],
  ['offsets as texts', makeFile(json({ a: entry('F32', [1], ['0', '4']) }), 4), /a: expected two data_offsets/],
  ['offsets the wrong way round', makeFile(json({ a: entry('F32', [1], [4, 0]) }), 4), /a: F32 \[1\] takes 4 bytes/],
  ['fewer bytes than the shape', makeFile(json({ a: entry('F32', [2], [0, 4]) }), 4), /a: F32 \[2\] takes 8 bytes/],
  ['beyond the file', makeFile(json({ a: entry('F32', [2], [0, 8]) }), 4), /a: ends 4 bytes beyond the file/],
  ['bytes that belong to none', makeFile(json({ a: entry('F32', [1], [0, 4]) }), 9), /5 bytes after the last tensor/],
  [
    'a hole',
    makeFile(json({ a: entry('U8', [1], [0, 1]), b: entry('U8', [1], [2, 3]) }), 3),
    /b: 1 bytes before it are unused/,
  ],
  ['an overlap', makeFile(json({ a: entry('U8', [2], [0, 2]), b: entry('U8', [2], [1, 3]) }), 3), /b: overlaps a/],
  ['misaligned', makeFile(json({ a: entry('U8', [1], [0, 1]), b: entry('F32', [1], [1, 5]) }), 5), /b: starts at 1/],
  ['metadata that is no text', makeFile(json({ __metadata__: { a: 1 } }), 0), /__metadata__/],
  ['a tensor that is null', makeFile('{"a":null}', 0), /a: expected a dtype/],
];

describe('files that lie', () => {
  for (const [what, bytes, message] of lies)
    test(what, async () => {
      const path = join(folder, 'lie.safetensors');
      writeFileSync(path, bytes);
      await assert.rejects(openSafetensors(path), (error: Error) => {
        assert.ok(error instanceof CheckpointError, String(error));
        assert.match(error.message, message);
        assert.ok(error.message.startsWith(`[${path}]`));
        return true;
      });
    });

  const shards: [what: string, index: string, message: RegExp][] = [
    ['an index that is no JSON', '{', /is not JSON/],
    ['an index without map', '{}', /weight_map: expected file names/],
    ['a shard outside of the folder', '{"weight_map":{"a":"../a.safetensors"}}', /not a file of this folder/],
    ['a shard that is a number', '{"weight_map":{"a":1}}', /not a file of this folder/],
    ['a missing shard', '{"weight_map":{"a":"none.safetensors"}}', /none\.safetensors\] cannot be opened \(ENOENT\)/],
    ['a tensor that is not in its shard', '{"weight_map":{"b":"one.safetensors"}}', /b: the index says it is here/],
    ['a tensor that the index forgot', '{"weight_map":{"a":"one.safetensors"}}', /c: not in the index/],
  ];
  for (const [what, index, message] of shards)
    test(what, async () => {
      const path = mkdtempSync(join(folder, 'shards-'));
      const one = (name: string) => ({ name, type: 'U8' as const, shape: [1], bytes: () => Uint8Array.of(1) });
      await writeSafetensors(join(path, 'one.safetensors'), [one('a'), one('c')]);
      writeFileSync(join(path, 'model.safetensors.index.json'), index);
      await assert.rejects(openCheckpoint(path), message);
    });

  test('a folder without weights, a tensor that is not there, bytes that cannot be weights', async () => {
    await assert.rejects(openCheckpoint(folder), /holds neither model\.safetensors nor/);
    await assert.rejects(openSafetensors(folder), /is not a file; name a file/);
    const path = join(folder, 'ints.safetensors');
    await writeSafetensors(path, [{ name: 'i', type: 'I32', shape: [1], bytes: () => new Uint8Array(4) }]);
    const source = await openSafetensors(path);
    await assert.rejects(source.read('j'), /j: no such tensor/);
    await assert.rejects(source.read('i', { offset: 0, length: 2 }), /0 to 2 lie outside it/);
    assert.throws(
      () => decode(source.entries.get('i') as never, new Uint8Array(4)),
      /expected weights in F32.*received I32/,
    );
    await source.close();
  });

  test('a writer that fails leaves no file behind', async () => {
    const path = join(folder, 'failed.safetensors');
    const short = { name: 'a', type: 'F32' as const, shape: [2], bytes: () => new Uint8Array(4) };
    await assert.rejects(writeSafetensors(path, [short]), /a: expected 8 bytes, received 4/);
    assert.ok(!readdirSync(folder).some((file) => file.startsWith('failed')));
  });

  test('20,000 mutations of a good header: refused with a CheckpointError, or read within the file', () => {
    const good = json({
      __metadata__: { format: 'pt' },
      a: entry('F32', [2, 3], [0, 24]),
      'b.weight': entry('BF16', [4], [24, 32]),
      c: entry('F8_E4M3', [0, 5], [32, 32]),
    });
    const bytes = new TextEncoder().encode(good);
    const mutation = fc.record({ at: fc.nat(bytes.length - 1), by: fc.integer({ min: 0, max: 255 }), cut: fc.nat(3) });
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: -8, max: 8 }),
        (changes, more) => {
          const changed = Uint8Array.from(bytes);
          for (const { at, by, cut } of changes) changed.fill(by, at, at + cut);
          const fileSize = 8 + changed.length + 32 + more;
          try {
            const header = parseHeader(changed, fileSize, 'x');
            accepted++;
            for (const { begin, end } of header.entries.values())
              assert.ok(begin >= 0 && begin <= end && header.dataStart + end <= fileSize);
          } catch (error) {
            assert.ok(error instanceof CheckpointError, `${error}`);
            assert.match(error.message, /^\[x\] .+; .+/s);
          }
        },
      ),
      { numRuns: 20_000, seed: 1 },
    );
    assert.ok(accepted > 10, `${accepted} mutations left a good file`);
  });
});
