// GGUF: round trips of every architecture and format, another reader's opinion, files that lie. npm test -- gguf
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gguf } from '@huggingface/gguf';
import fc from 'fast-check';
import { type Device, openDevice } from '../../kernels/index.ts';
import { type Tensor, useDevice } from '../../tensor/index.ts';
import { type ModelConfig, readConfig } from '../config.ts';
import { initialWeights } from '../weights.ts';
import { CheckpointError } from './errors.ts';
import { weightValues } from './export.ts';
import { encodeGgml } from './ggml-blocks.ts';
import { openGguf, parseGguf } from './gguf.ts';
import { ggufMetadata } from './gguf-config.ts';
import type { GgufFormat } from './gguf-mixes.ts';
import { ggufTensors, openGgufModel } from './gguf-model.ts';
import { type TypedValue, writeGguf } from './gguf-writer.ts';
import { importWeights } from './import.ts';
import { decode } from './source.ts';
import { bytesOnly, configs, v3 } from './test-gguf-models.ts';

let device: Device;
let folder: string;

before(() => {
  device = openDevice();
  useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-gguf-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

async function write(
  config: ModelConfig,
  type: GgufFormat,
  name: string,
  tokenizer?: Readonly<Record<string, TypedValue>>,
) {
  const weights = initialWeights(config, 7);
  for (const [key, tensor] of weights)
    if (/bias$/.test(key)) tensor.write(Float32Array.from({ length: tensor.size }, (_, i) => Math.sin(i) / 4));
  const path = join(folder, `${name}.gguf`);
  await writeGguf(path, ggufMetadata(config, tokenizer), ggufTensors(config, weightValues(config, weights), type));
  return { weights, path };
}

async function read(path: string): Promise<{ config: ModelConfig; weights: Map<string, Tensor> }> {
  const { config, source } = await openGgufModel(path);
  const { weights } = await importWeights(config, source, { dtype: 'f32' });
  await source.close();
  return { config, weights };
}

async function arrays(weights: ReadonlyMap<string, Tensor>): Promise<Record<string, number[]>> {
  const entries = [...weights].map(async ([name, tensor]) => [name, await tensor.toArray()] as const);
  return Object.fromEntries(await Promise.all(entries));
}

describe('round trips', () => {
  for (const [name, config] of Object.entries(configs))
    test(`${name}: configuration and every weight, to the bit in F32`, async () => {
      const { weights, path } = await write(config, 'F32', name);
      const again = await read(path);
      assert.deepEqual({ ...again.config, initializerRange: config.initializerRange }, config);
      assert.deepEqual(await arrays(again.weights), await arrays(weights));
    });

  for (const [type, step] of [
    ['F16', 2 ** -11],
    ['BF16', 2 ** -8],
    ['Q8_0', 1 / 127],
    ['Q4_0', 1 / 7],
    ['q4_k_m', 1 / 14],
    ['q5_k_m', 1 / 28],
  ] as const)
    test(`${type}: within the format of each row's block`, async () => {
      const { weights, path } = await write(configs.v3, type, `v3-${type}`);
      const [before, after] = [await arrays(weights), await arrays((await read(path)).weights)];
      for (const [name, values] of Object.entries(before)) {
        const most = Math.max(...values.map(Math.abs));
        values.forEach((x, i) => {
          assert.ok(Math.abs(x - after[name][i]) <= step * most, `${name}[${i}]`);
        });
      }
    });

  test('Q8_0 and Q4_0: what was decoded encodes to the same bytes; zeros stay zeros', () => {
    const x = Float32Array.from({ length: 320 }, (_, i) => (i < 32 ? 0 : Math.sin(i * i) * 2 ** ((i >> 5) - 4)));
    for (const type of ['Q8_0', 'Q4_0'] as const) {
      const bytes = encodeGgml(type, x);
      const values = decode({ name: 'x', type, shape: [320], file: 'x' }, bytes);
      assert.ok(values.subarray(0, 32).every((v) => v === 0));
      assert.deepEqual(encodeGgml(type, values), bytes);
    }
  });

  test('parts of a model open by the first; a missing, a repeated and a later part are refused', async () => {
    const config = configs.qwen2;
    const weights = initialWeights(config, 7);
    const tensors = ggufTensors(config, weightValues(config, weights), 'F32');
    const part = (i: number) => join(folder, `parts-0000${i + 1}-of-00002.gguf`);
    const writePart = (i: number, own: typeof tensors) => {
      const metadata = i === 0 ? ggufMetadata(config) : new Map();
      for (const [key, value] of Object.entries({ no: i, count: 2, 'tensors.count': tensors.length }))
        metadata.set(`split.${key}`, { type: 'u32', value });
      return writeGguf(part(i), metadata, own);
    };
    await writePart(0, tensors.slice(0, 5));
    await assert.rejects(openGguf(part(0)), /parts-00002-of-00002/);
    await writePart(1, tensors.slice(5));
    const again = await read(part(0));
    assert.deepEqual(await arrays(again.weights), await arrays(weights));
    await assert.rejects(openGguf(part(1)), /is not the first of its parts; name parts-00001-of-00002\.gguf/);
    await writePart(1, tensors.slice(4));
    await assert.rejects(openGguf(part(0)), /a tensor is in two of its parts/);
    await writePart(1, tensors.slice(6));
    await assert.rejects(openGguf(part(0)), /its parts have \d+ tensors, \d+ are claimed/);
  });

  test('attn_kv_b from before llama.cpp split it, with the widths of expanded heads', async () => {
    const config = configs.v3;
    const weights = initialWeights(config, 7);
    const values = weightValues(config, weights);
    const metadata = ggufMetadata(config);
    const change = (key: string, value: number) => metadata.set(`deepseek2.attention.${key}`, { type: 'u32', value });
    change('head_count_kv', config.numAttentionHeads);
    change('key_length', 64);
    change('value_length', 32);
    for (const key of ['key_length_mla', 'value_length_mla']) metadata.delete(`deepseek2.attention.${key}`);
    const tensors = ggufTensors(config, values, 'F32').flatMap((tensor) => {
      const name = tensor.name.replace('attn_k_b', 'attn_kv_b');
      if (tensor.name.includes('attn_v_b')) return [];
      if (name === tensor.name) return [tensor];
      const layer = /\d+/.exec(name)?.[0];
      const own = values.find((value) => value.name === `model.layers.${layer}.self_attn.kv_b_proj.weight`);
      return own ? [{ ...tensor, name, shape: own.shape, parts: [own.read] }] : [];
    });
    const path = join(folder, 'combined.gguf');
    await writeGguf(path, metadata, tensors);
    const again = await read(path);
    assert.deepEqual({ ...again.config, initializerRange: config.initializerRange }, config);
    assert.deepEqual(await arrays(again.weights), await arrays(weights));
  });

  test('MTP modules of any depth, as further blocks', async () => {
    const config = readConfig({ ...v3, num_nextn_predict_layers: 2 });
    const { weights, path } = await write(config, 'F32', 'mtp');
    const again = await read(path);
    assert.deepEqual({ ...again.config, initializerRange: config.initializerRange }, config);
    assert.deepEqual(await arrays(again.weights), await arrays(weights));
    const file = await openGguf(path);
    assert.ok(file.entries.has('blk.4.nextn.eh_proj.weight'));
    await file.close();
  });
});

test('@huggingface/gguf reads the same metadata and tensors', async () => {
  const { path } = await write(configs['v3-yarn-groups'], 'BF16', 'oracle', bytesOnly);
  const theirs = await gguf(path, { allowLocalFile: true });
  const ours = await openGguf(path);
  const { version, tensor_count, kv_count, ...metadata } = theirs.metadata as Record<string, unknown>;
  assert.deepEqual([version, Number(tensor_count), Number(kv_count)], [3, ours.entries.size, ours.metadata.size]);
  const plain = (value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as Int32Array) : value);
  for (const [key, value] of ours.metadata) assert.deepEqual(metadata[key], plain(value), key);
  for (const { name, shape } of theirs.tensorInfos)
    assert.deepEqual(ours.entries.get(name)?.shape, shape.map(Number).reverse(), name);
  await ours.close();
});

/** A file by hand: numbers are u32, bigints u64, texts with their length. */
function handmade(...parts: (number | bigint | string | Uint8Array)[]): Buffer {
  const bytes = parts.map((part) => {
    const out = Buffer.alloc(typeof part === 'number' ? 4 : 8);
    if (typeof part === 'number') out.writeUInt32LE(part);
    else if (typeof part === 'bigint') out.writeBigUInt64LE(part);
    else if (part instanceof Uint8Array) return Buffer.from(part);
    else {
      out.writeBigUInt64LE(BigInt(Buffer.byteLength(part)));
      return Buffer.concat([out, Buffer.from(part)]);
    }
    return out;
  });
  return Buffer.concat(bytes);
}

const magic = 0x46554747;
const start = (tensors: bigint, pairs: bigint) => handmade(magic, 3, tensors, pairs);
const tensor = (name: string, dims: bigint[], type: number, offset: bigint) =>
  handmade(name, dims.length, ...dims, type, offset);
const padded = (file: Buffer, data: number) =>
  Buffer.concat([file, Buffer.alloc(((32 - (file.length % 32)) % 32) + data)]);

const lies: [what: string, file: Buffer, message: RegExp][] = [
  ['empty', Buffer.alloc(0), /the magic number: needs 4 bytes/],
  ['another magic', handmade(1, 3, 0n, 0n), /does not start with GGUF/],
  ['version 1', handmade(magic, 1, 0n, 0n), /version 1, expected 2 or 3/],
  ['big-endian', handmade(magic, 0x03000000, 0n, 0n), /a big-endian file/],
  ['cut in the counts', handmade(magic, 3, 0n), /metadata: needs 8 bytes/],
  ['absurd tensor count', handmade(magic, 3, 2n ** 40n, 0n), /tensors: 1099511627776 claimed/],
  ['absurd metadata count', handmade(magic, 3, 0n, 2n ** 50n), /metadata: .* claimed/],
  ['a count beyond all numbers', handmade(magic, 3, 2n ** 63n, 0n), /tensors: 9223372036854775808 is too large/],
  [
    'a key longer than the file',
    Buffer.concat([start(0n, 1n), handmade(2n ** 33n), Buffer.alloc(16)]),
    /length of a key.*: 8589934592 claimed/,
  ],
  [
    'a key that is no UTF-8',
    Buffer.concat([start(0n, 1n), handmade(1n), Buffer.from([0xff]), Buffer.alloc(8)]),
    /not UTF-8/,
  ],
  ['a value of no type', Buffer.concat([start(0n, 1n), handmade('k', 77), Buffer.alloc(8)]), /k: no value has type 77/],
  ['a key twice', Buffer.concat([start(0n, 2n), handmade('k', 4, 1, 'k', 4, 2)]), /k: appears twice in the metadata/],
  [
    'an array longer than the file',
    Buffer.concat([start(0n, 1n), handmade('k', 9, 8, 2n ** 40n)]),
    /k: 1099511627776 claimed/,
  ],
  ['an array of no type', Buffer.concat([start(0n, 1n), handmade('k', 9, 99, 1n)]), /k: no value has type 99/],
  [
    'arrays in arrays in arrays',
    Buffer.concat([start(0n, 1n), handmade('k', 9, 9, 1n, 9, 1n, 9, 1n, 9, 1n, 9, 1n, 4, 1n, 0)]),
    /more than 4 deep/,
  ],
  [
    'a boolean of 2',
    Buffer.concat([start(0n, 1n), handmade('k', 7, Uint8Array.of(2)), Buffer.alloc(8)]),
    /k: expected a boolean, received 2/,
  ],
  [
    'alignment 0',
    Buffer.concat([start(0n, 1n), handmade('general.alignment', 4, 0)]),
    /general\.alignment: expected a power of two/,
  ],
  [
    'alignment that is a text',
    Buffer.concat([start(0n, 1n), handmade('general.alignment', 8, '32')]),
    /general\.alignment/,
  ],
  [
    'five dimensions',
    padded(Buffer.concat([start(1n, 0n), tensor('t', [1n, 1n, 1n, 1n, 1n], 0, 0n)]), 32),
    /t: 5 dimensions/,
  ],
  [
    'an unknown format',
    padded(Buffer.concat([start(1n, 0n), tensor('t', [4n], 99, 0n)]), 32),
    /t: expected a format of F32.*received number 99/,
  ],
  [
    'a format that needs a grid',
    padded(Buffer.concat([start(1n, 0n), tensor('t', [256n], 17, 0n)]), 128),
    /t: is IQ2_XS, 2\.3125 bits a weight, which is not read; get the file in Q2_K \(about .* GB\) or larger/,
  ],
  [
    'rows that are no super-blocks',
    padded(Buffer.concat([start(1n, 0n), tensor('t', [128n], 12, 0n)]), 128),
    /t: rows of 128 are not whole blocks of 256/,
  ],
  [
    'a product beyond all numbers',
    padded(Buffer.concat([start(1n, 0n), tensor('t', [2n ** 40n, 2n ** 40n], 0, 0n)]), 32),
    /t: .* is too large/,
  ],
  [
    'rows that are no blocks',
    padded(Buffer.concat([start(1n, 0n), tensor('t', [33n], 8, 0n)]), 64),
    /t: rows of 33 are not whole blocks of 32/,
  ],
  [
    'a name twice',
    padded(Buffer.concat([start(2n, 0n), tensor('t', [1n], 0, 0n), tensor('t', [1n], 0, 32n)]), 64),
    /t: appears twice/,
  ],
  [
    'misaligned',
    padded(Buffer.concat([start(1n, 0n), tensor('t', [1n], 0, 4n)]), 32),
    /t: starts at 4, which is not a multiple of 32/,
  ],
  [
    'overlapping',
    padded(Buffer.concat([start(2n, 0n), tensor('s', [16n], 0, 0n), tensor('t', [1n], 0, 32n)]), 64),
    /t: overlaps/,
  ],
  ['a hole', padded(Buffer.concat([start(1n, 0n), tensor('t', [1n], 0, 64n)]), 96), /t: 64 bytes before it are unused/],
  [
    'data cut short',
    padded(Buffer.concat([start(1n, 0n), tensor('t', [64n], 0, 0n)]), 32),
    /t: ends 224 bytes beyond the file/,
  ],
];

describe('files that lie', () => {
  for (const [what, bytes, message] of lies)
    test(what, async () => {
      const path = join(folder, 'lie.gguf');
      writeFileSync(path, bytes);
      await assert.rejects(openGguf(path), (error: Error) => {
        assert.ok(error instanceof CheckpointError, String(error));
        assert.match(error.message, message);
        return error.message.startsWith(`[${path}]`);
      });
    });

  test('a header without end', async () => {
    const path = join(folder, 'endless.gguf');
    const bytes = 2 ** 27;
    writeFileSync(path, Buffer.concat([start(0n, 1n), handmade('k', 9, 0, BigInt(bytes - 64))]));
    truncateSync(path, bytes);
    await assert.rejects(openGguf(path), /the header takes more than 67108864 bytes/);
  });

  test('another architecture, a missing key, a missing tensor, another shape', async () => {
    const path = join(folder, 'wrong.gguf');
    await writeGguf(path, new Map([['general.architecture', { type: 'string', value: 'mamba' } as const]]), []);
    await assert.rejects(
      openGgufModel(path),
      /general\.architecture: expected one of deepseek2, llama, .*, received "mamba"/,
    );
    const config = configs.llama;
    const metadata = ggufMetadata(config);
    const tensors = ggufTensors(config, weightValues(config, initialWeights(config, 1)), 'F32');
    await writeGguf(path, metadata, tensors.slice(0, -1));
    await assert.rejects(openGgufModel(path), /blk\.1\..*expected .*received nothing; convert the model again/);
    metadata.set('llama.embedding_length', { type: 'u32', value: 32 });
    await writeGguf(path, metadata, tensors);
    await assert.rejects(openGgufModel(path), /token_embd\.weight: expected \[256,32\], received \[256,64\]/);
    metadata.delete('llama.embedding_length');
    await writeGguf(path, metadata, tensors);
    await assert.rejects(openGgufModel(path), /llama\.embedding_length: expected a number/);
  });

  test('mutations of a good header: refused with a CheckpointError, or read within the file', async () => {
    const { path } = await write(configs.llama, 'BF16', 'mutate', bytesOnly);
    const file = readFileSync(path);
    const { dataStart } = parseGguf(file, file.length, 'x');
    const header = file.subarray(0, dataStart);
    const mutation = fc.record({ at: fc.nat(header.length - 1), by: fc.nat(255), more: fc.nat(3) });
    const counts = fc.record({ at: fc.nat(23), by: fc.nat(255), more: fc.nat(3) });
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.array(fc.oneof(mutation, mutation, counts), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        (changes, cut) => {
          const bytes = Uint8Array.from(header);
          for (const { at, by, more } of changes) bytes.fill(by, at, at + more + 1);
          const size = cut ? header.length : file.length;
          try {
            const { entries, dataStart: from } = parseGguf(bytes, size, 'x');
            accepted++;
            for (const { offset, bytes: length } of entries.values()) assert.ok(from + offset + length <= size);
          } catch (error) {
            // A length that grew within the file asks for bytes of its data: the reader would read on.
            if ((error as Error).constructor.name === 'NeedsMore') return;
            assert.ok(error instanceof CheckpointError, `${error}`);
            assert.match(error.message, /^\[x\] .+; .+/s);
          }
        },
      ),
      { numRuns: process.env.MINKE_LONG ? 20_000 : 4000, seed: 1 },
    );
    assert.ok(accepted > 100, `${accepted} mutations left a good file`);
  });
});
