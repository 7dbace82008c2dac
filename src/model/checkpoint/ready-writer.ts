// Writes a ready checkpoint (ready-format.ts), a weight at a time.
//
// Contract: memory beyond one weight is a piece of 64 MiB. The header comes first but is known last, so room is left
// for it, as much as the configuration can need; spaces fill the rest. The file appears whole or not at all.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, type Buffer, type Device } from '../../kernels/index.ts';
import { isPackable, type PackableFormat, PackedWeight, type Weight } from '../../tensor/index.ts';
import { type ModelConfig, writeConfig } from '../config.ts';
import { listParameters } from '../parameters.ts';
import { writeJson, writeWhole } from './binary-file.ts';
import {
  type PackedShape,
  paddingName,
  readyAlignment,
  readyFile,
  scaleShape,
  scalesName,
  writeMetadata,
} from './ready-format.ts';
import { encodeHeader, type SafetensorsEntry } from './safetensors.ts';

export interface ReadyOptions {
  /** The format that the weights were packed in. */
  readonly format: PackableFormat;
  /** The device that they are on. */
  readonly device: Device;
  readonly written?: (bytes: number) => void;
}

const pieceBytes = 64 * 2 ** 20;

/** More bytes than the header takes: it names a weight up to three times, and kv_b_proj becomes three weights. */
function headerRoom(config: ModelConfig): number {
  const texts = listParameters(config).reduce((sum, { name }) => sum + 3 * (3 * name.length + 400), 4096);
  return Math.ceil(texts / 4096) * 4096;
}

interface FilePart {
  readonly name: string;
  readonly type: SafetensorsEntry['type'];
  readonly shape: readonly number[];
  readonly buffer: Buffer;
  readonly offset: number;
  readonly bytes: number;
}

function listParts(name: string, weight: Weight): FilePart[] {
  if (!(weight instanceof PackedWeight)) {
    const { dtype, shape, storage, offsetBytes, bytes } = weight;
    return [
      { name, type: dtype === 'bf16' ? 'BF16' : 'F32', shape, buffer: storage.buffer, offset: offsetBytes, bytes },
    ];
  }
  const [panels, scales] = weight.buffers as [Buffer, Buffer | undefined];
  const parts: FilePart[] = [
    { name, type: 'U8', shape: [panels.bytes], buffer: panels, offset: 0, bytes: panels.bytes },
  ];
  if (scales) {
    const shape = scaleShape(weight.shape);
    parts.push({ name: scalesName(name), type: 'F32', shape, buffer: scales, offset: 0, bytes: scales.bytes });
  }
  return parts;
}

/** Writes config.json and the weights; each weight is disposed once it is written. */
export async function writeReady(
  folder: string,
  config: ModelConfig,
  weights: AsyncIterable<readonly [name: string, weight: Weight]>,
  { format, device, written = () => undefined }: ReadyOptions,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { quantization_config: _, torch_dtype: __, ...fields } = writeConfig(config);
  await writeJson(join(folder, 'config.json'), fields);
  const room = headerRoom(config);
  const placed: Omit<SafetensorsEntry, 'file'>[] = [];
  const packed = new Map<string, PackedShape>();
  await writeWhole(join(folder, readyFile), async (write) => {
    let at = 0;
    const put = async ({ name, type, shape, buffer, offset, bytes }: FilePart) => {
      placed.push({ name, type, shape, begin: at, end: at + bytes });
      for (let done = 0; done < bytes; done += pieceBytes) {
        const piece = new Uint8Array(Math.min(pieceBytes, bytes - done));
        await write(await device.read(buffer, piece, offset + done), room + at + done);
        written(piece.length);
      }
      at += bytes;
      const gap = -at & (readyAlignment - 1);
      if (gap === 0) return;
      placed.push({ name: paddingName(placed.length), type: 'U8', shape: [gap], begin: at, end: at + gap });
      await write(new Uint8Array(gap), room + at);
      at += gap;
    };
    for await (const [name, weight] of weights) {
      try {
        if (weight instanceof PackedWeight) {
          const { format: own, shape } = weight;
          assert(isPackable(own), `${name} is in ${own}, which ready checkpoints do not have`);
          packed.set(name, { format: own, shape });
        }
        for (const part of listParts(name, weight)) await put(part);
      } finally {
        weight.dispose();
      }
    }
    const metadata = writeMetadata({ format, layout: device.panelLayout, packed });
    const needed = encodeHeader(placed, metadata).length;
    assert(needed <= room, `a header of ${needed} bytes, ${room} were left for it`);
    await write(encodeHeader(placed, metadata, room), 0);
  });
}
