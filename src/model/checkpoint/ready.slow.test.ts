// Ready checkpoints: the weights they were written from to the bit, on every device and from every device's file; and
// files that lie, refused by name. npm test -- checkpoint/ready
import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type Device,
  type Buffer as DeviceBuffer,
  isSameLayout,
  unpackPanels,
  weightStride,
} from '../../kernels/index.ts';
import { testDevices } from '../../kernels/test-devices.ts';
import { type PackableFormat, PackedWeight, useDevice, type Weight, weightSizes } from '../../tensor/index.ts';
import { type ModelConfig, readConfig, writeConfig } from '../config.ts';
import { initialWeights } from '../weights.ts';
import { exportWeights } from './export.ts';
import { openCheckpoint, writeCheckpoint } from './folder.ts';
import { openReady } from './ready.ts';
import { isReady, readyFile, toPanelFormat } from './ready-format.ts';
import { writeReady } from './ready-writer.ts';
import { encodeHeader, openSafetensors, type SafetensorsEntry } from './safetensors.ts';
import { eachServed, servingWeights } from './serving.ts';
import { v3 } from './test-gguf-models.ts';

const formats: readonly PackableFormat[] = ['f32', 'bf16', 'fp8', 'int8', 'int4'];
/** Widths that fill no panel, no group of 32 and no block of 128. */
const odd = readConfig({
  ...v3,
  num_hidden_layers: 2,
  vocab_size: 75,
  hidden_size: 72,
  moe_intermediate_size: 36,
  num_nextn_predict_layers: 1,
  intermediate_size: 160,
});
const tied = readConfig({
  model_type: 'qwen2',
  vocab_size: 75,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 256,
  tie_word_embeddings: true,
});

let folder: string;
const devices = testDevices();
/** One device of each layout of panels. */
const layouts = [...new Map(devices.map((device) => [JSON.stringify(device.panelLayout), device])).values()];
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'minke-ready-'));
  const [device] = devices as [Device];
  useDevice(device);
  for (const [name, config] of Object.entries({ odd, tied })) {
    const weights = initialWeights(config, 3);
    await writeCheckpoint(join(folder, name), writeConfig(config), exportWeights(config, weights, 'bf16'));
    for (const weight of weights.values()) weight.dispose();
  }
});
after(async () => {
  for (const device of devices) await device.close();
  rmSync(folder, { recursive: true });
});

const readyPath = (device: Device, name: string, format: PackableFormat) =>
  join(folder, `${name}-${device.isa}-${format}`);

async function write(device: Device, name: string, config: ModelConfig, format: PackableFormat): Promise<string> {
  const path = readyPath(device, name, format);
  if (isReady(path)) return path;
  useDevice(device);
  const source = await openCheckpoint(join(folder, name));
  await writeReady(path, config, eachServed(config, source, { format }, []), { format, device });
  await source.close();
  return path;
}

/** What a weight is, and its rows: the rest of a panel is padding. */
async function contents(weight: Weight): Promise<unknown[]> {
  const { device, shape } = weight;
  if (!(weight instanceof PackedWeight)) return [weight.dtype, shape, await weight.read()];
  const [panels, scales] = await Promise.all(
    weight.buffers.map((buffer: DeviceBuffer) => device.read(buffer, new Uint8Array(buffer.bytes))),
  );
  const [groups, n, k] = weightSizes(shape);
  const format = toPanelFormat(weight.format as PackableFormat);
  const stride = weightStride(format, n, k, device.panelLayout);
  const rows = Array.from({ length: groups }, (_, group) =>
    unpackPanels(
      (panels as Uint8Array).subarray(group * stride, (group + 1) * stride),
      format,
      n,
      k,
      device.panelLayout,
    ),
  );
  return [weight.format, shape, Buffer.concat(rows), scales];
}

async function assertSame(actual: ReadonlyMap<string, Weight>, expected: ReadonlyMap<string, Weight>): Promise<void> {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort());
  for (const [name, weight] of expected)
    assert.deepEqual(await contents(actual.get(name) as Weight), await contents(weight), name);
}

function dispose(...all: ReadonlyMap<string, Weight>[]): void {
  for (const weights of all) for (const weight of weights.values()) weight.dispose();
}

describe('ready checkpoints', () => {
  for (const device of layouts)
    test(`${device.name} ${device.isa}: written and opened, every format, no memory left behind`, async () => {
      useDevice(device);
      const baseline = device.liveBytes;
      for (const [name, config] of Object.entries({ odd, tied }))
        for (const format of formats) {
          const ready = await openReady(await write(device, name, config, format));
          assert.equal(ready.format, format);
          const notices: string[] = [];
          const opened = await ready.weights({ notice: (text) => notices.push(text) });
          await ready.close();
          const source = await openCheckpoint(join(folder, name));
          const { weights } = await servingWeights(config, source, { format });
          await source.close();
          await assertSame(opened, weights);
          assert.deepEqual(notices, []);
          dispose(opened, weights);
          assert.equal(device.liveBytes, baseline, format);
        }
    });

  // In a ring: each layout is read once, and packed once.
  for (const [i, device] of layouts.entries())
    test(`${device.name} ${device.isa}: files of other devices are repacked, with a notice`, async () => {
      const other = layouts[(i + 1) % layouts.length];
      if (other !== device)
        for (const format of formats) {
          const ready = await openReady(await write(other, 'odd', odd, format));
          useDevice(device);
          const baseline = device.liveBytes;
          const notices: string[] = [];
          const opened = await ready.weights({ notice: (text) => notices.push(text) });
          await ready.close();
          // An odd width leaves some weights of int8 and int4 in bf16.
          const isAlike = isSameLayout(format === 'f32' ? 'f32' : 'bf16', device.panelLayout, other.panelLayout);
          assert.equal(notices.length, isAlike ? 0 : 1);
          if (!isAlike) assert.match(notices[0], /repacked while loading; to open at once, convert on this machine/);
          const source = await openCheckpoint(join(folder, 'odd'));
          const { weights } = await servingWeights(odd, source, { format });
          await source.close();
          await assertSame(opened, weights);
          dispose(opened, weights);
          assert.equal(device.liveBytes, baseline, `${other.isa} ${format}`);
        }
    });

  test('every tensor starts at a multiple of 64 bytes, and it is a safetensors file like any other', async () => {
    const [device] = devices as [Device];
    const path = await write(device, 'odd', odd, 'fp8');
    const file = await openSafetensors(join(path, readyFile));
    for (const { name, begin } of file.entries.values())
      if (!name.startsWith('padding.')) assert.equal((file.dataStart + begin) % 64, 0, name);
    assert.equal(file.entries.get('model.embed_tokens.weight')?.type, 'BF16');
    assert.equal(file.entries.get('model.layers.1.mlp.experts.gate_up_proj')?.type, 'U8');
    assert.equal(file.metadata.weights, 'fp8');
    await file.close();
    await assert.rejects(
      openCheckpoint(path),
      /holds only ready\.safetensors, weights packed for serving; chat and serve/,
    );
  });
});

/** The parts of a file, to be put together otherwise. */
async function parts(
  path: string,
): Promise<{ entries: SafetensorsEntry[]; metadata: Record<string, string>; data: Uint8Array }> {
  const file = await openSafetensors(path);
  await file.close();
  return {
    entries: [...file.entries.values()],
    metadata: { ...file.metadata },
    data: readFileSync(path).subarray(file.dataStart),
  };
}

type Parts = Awaited<ReturnType<typeof parts>>;
const changed = (metadata: Record<string, string>) => (file: Parts) =>
  Object.assign(file.metadata, metadata) as unknown as undefined;
const router = 'model.layers.1.mlp.gate.weight';

const lies: readonly [what: string, lie: (file: Parts) => void, message: RegExp][] = [
  [
    'of another version',
    changed({ version: '9' }),
    /has version 9, expected 1; convert the model again with this minke/,
  ],
  ['without a version', ({ metadata }) => delete metadata.version, /has version none, expected 1/],
  [
    'no ready checkpoint at all',
    ({ metadata }) => delete metadata.minke,
    /minke in its metadata: expected ready, received nothing; convert the model again: minke convert/,
  ],
  [
    'an unknown order',
    changed({ panel_order: 'spirals' }),
    /panel_order in its metadata: expected rows, steps, pairs, received spirals/,
  ],
  [
    'a width that is none',
    changed({ panel_width: '-3' }),
    /panel_width in its metadata: expected a count, received -3/,
  ],
  ['a wrong width', changed({ panel_width: '16' }), /takes \d+ bytes of U8, received \d+ of U8/],
  [
    'an unknown format',
    changed({ weights: 'int3' }),
    /weights in its metadata: expected f32, bf16, fp8, int8, int4, received int3/,
  ],
  ['packed no JSON', changed({ packed: '{' }), /packed in its metadata is not JSON/],
  ['packed no object', changed({ packed: '[]' }), /packed in its metadata: expected weights by name/],
  [
    'a shape of five',
    changed({ packed: `{"${router}":{"format":"f32","shape":[1,2,3,4,5]}}` }),
    /gate\.weight: expected a shape \[N, K\] or \[E, N, K\], received \[1,2,3,4,5\]/,
  ],
  [
    'a weight without format',
    changed({ packed: `{"${router}":{"shape":[1,2]}}` }),
    /gate\.weight in its metadata: expected f32, bf16, fp8, int8, int4, received nothing/,
  ],
  [
    'half a group',
    changed({ packed: `{"${router}":{"format":"int8","shape":[8,16]}}` }),
    /gate\.weight: int8 needs K to be whole groups of 32, received \[8, 16\]/,
  ],
  [
    'a promise of more',
    changed({ packed: '{"more":{"format":"f32","shape":[1,2]}}' }),
    /more is missing, but its metadata names it/,
  ],
  [
    'a weight that is not packed',
    ({ metadata }) => {
      const packed = JSON.parse(metadata.packed);
      delete packed[router];
      metadata.packed = JSON.stringify(packed);
    },
    /gate\.weight: expected F32, BF16 or a packed weight, received U8/,
  ],
];

describe('ready files that lie', () => {
  const makeCopy = async (what: string): Promise<string> => {
    const [device] = devices as [Device];
    const path = await write(device, 'odd', odd, 'int8');
    const copy = join(folder, what.replaceAll(' ', '-'));
    mkdirSync(copy);
    copyFileSync(join(path, readyFile), join(copy, readyFile));
    return copy;
  };

  for (const [what, lie, message] of lies)
    test(what, async () => {
      const copy = await makeCopy(what);
      const file = await parts(join(copy, readyFile));
      lie(file);
      const header = encodeHeader(file.entries, file.metadata);
      writeFileSync(join(copy, readyFile), Buffer.concat([header, file.data]));
      await assert.rejects(openReady(copy), message);
    });

  test('cut short anywhere: refused before anything is mapped', async () => {
    const copy = await makeCopy('cut short');
    const path = join(copy, readyFile);
    const { size } = statSync(path);
    for (const bytes of [size - 1, size - 64, size >> 1, 4096, 100, 8, 3, 0]) {
      truncateSync(path, bytes);
      await assert.rejects(
        openReady(copy),
        /ready\.safetensors\] .*(beyond the file|claims a header|too few for a header)/,
      );
    }
  });

  for (const device of devices)
    test(`${device.name} ${device.isa}: cut between opening and loading: refused, nothing left behind`, async () => {
      const copy = await makeCopy(`cut later ${device.isa}`);
      const path = join(copy, readyFile);
      useDevice(device);
      const baseline = device.liveBytes;
      const ready = await openReady(copy);
      truncateSync(path, statSync(path).size >> 1);
      await assert.rejects(ready.weights(), /become shorter|became shorter/);
      await ready.close();
      assert.equal(device.liveBytes, baseline);
    });
});
