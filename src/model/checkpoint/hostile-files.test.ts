// Files of strangers that lie: refused in words, quickly, and never read beyond. npm test -- hostile-files
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { CheckpointError } from './errors.ts';
import { openCheckpoint } from './folder.ts';
import { readJson } from './json.ts';
import { openSafetensors, parseHeader, writeSafetensors } from './safetensors.ts';
import { decode } from './source.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-hostile-'));
after(() => rmSync(folder, { recursive: true }));

/** A file of header text and some bytes. */
function makeFile(header: string, dataBytes: number, claimed = Buffer.byteLength(header)): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimed));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes)]);
}

const entry = (dtype: unknown, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets });
const json = (tensors: object) => JSON.stringify(tensors);
const empties = (count: number) =>
  Array.from({ length: count }, (_, i) => `"${i}":${json(entry('U8', [0], [0, 0]))}`).join();

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
  ['a header of 60 MB', makeFile(json({ __metadata__: { a: 'x'.repeat(6e7) } }), 0), /60000025 bytes; .*16777216 are/],
  ['132,000 tensors', makeFile(`{${empties(132_000)}}`, 0), /the header has more than 131072 tensors/],
  ['a name of 5,000 characters', makeFile(json({ ['x'.repeat(5000)]: 1 }), 0), /has a name of 5000 characters/],
  ['arrays in arrays', makeFile(`{"a":${'['.repeat(1e6)}`, 0), /the header nests more than 8 deep/],
  ['a text without end', makeFile(`{"a":{"b":"${'\\\\'.repeat(1e6)}\\"`, 0), /the header is not JSON/],
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

  const foreign: [files: Record<string, string>, message: RegExp][] = [
    [
      { 'adapter_config.json': '{}', 'model.safetensors': '' },
      /peft_type: expected "LORA", received nothing; merge the adapter/,
    ],
    [{ 'hf_quant_config.json': '{}', 'model.safetensors': '' }, /quantized by ModelOpt/],
    [{ 'quantize_config.json': '{}', 'model.safetensors': '' }, /quantized by GPTQ/],
    [{ 'pytorch_model.bin': '' }, /holds pytorch_model\.bin, which is not read; save the model as safetensors/],
    [{ 'model.safetensors': '', 'model.safetensors.index.json': '{}' }, /holds both model\.safetensors and/],
  ];
  for (const [files, message] of foreign)
    test(`a folder of ${Object.keys(files)}`, async () => {
      const path = mkdtempSync(join(folder, 'foreign-'));
      for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
      await assert.rejects(openCheckpoint(path), { name: 'CheckpointError', message });
    });

  test('JSON that is no file, too large, or missing', () => {
    const path = join(folder, 'large.json');
    writeFileSync(path, '');
    truncateSync(path, 2 ** 27);
    assert.throws(() => readJson(path), /large\.json\] has 128\.0 MiB, more than the 64\.0 MiB that are read/);
    assert.throws(() => readJson(folder), /is a folder, not a file/);
    writeFileSync(path, '['.repeat(1e6));
    assert.throws(() => readJson(path), /large\.json\] is nested deeper than 64 levels/);
    assert.throws(() => readJson(join(folder, 'none.json')), /none\.json\] is missing/);
    if (process.platform === 'win32') return;
    execFileSync('mkfifo', [join(folder, 'pipe.json')]);
    assert.throws(() => readJson(join(folder, 'pipe.json')), /pipe\.json\] is a pipe, not a file/);
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

  test('keys are found whatever their texts hold', () => {
    const names = ['a"b', 'a\\\\', '\\\\"', '{', '}:', ' : '];
    const header = json(Object.fromEntries(names.map((name) => [name, entry('U8', [0], [0, 0])])));
    assert.deepEqual([...parseHeader(Buffer.from(header), 8 + header.length, 'x').entries.keys()], names);
    const twice = `${header.slice(0, -1)},"}:" :{}}`;
    assert.throws(() => parseHeader(Buffer.from(twice), 8 + twice.length, 'x'), /}:: appears twice/);
  });

  test('a writer that fails leaves no file behind', async () => {
    const path = join(folder, 'failed.safetensors');
    const short = { name: 'a', type: 'F32' as const, shape: [2], bytes: () => new Uint8Array(4) };
    await assert.rejects(writeSafetensors(path, [short]), /a: expected 8 bytes, received 4/);
    assert.ok(!readdirSync(folder).some((file) => file.startsWith('failed')));
  });

  test('mutations of a good header: refused with a CheckpointError, or read within the file', () => {
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
      { numRuns: process.env.MINKE_LONG ? 20_000 : 4000, seed: 1 },
    );
    assert.ok(accepted > 10, `${accepted} mutations left a good file`);
  });
});
