// Packs matrices that a checkpoint stores in the format they are served in, without decoding them.
//
// ggml's blocks keep their format (Q8_0 and Q4_0 are int8 and int4), DeepSeek's FP8 codes with their scales become fp8.
// Blocks are packed from the mapped file where the device maps files, a weight at a time, so that nothing of the file
// stays in memory. kv_b_proj is left out, because the absorbed form needs it in two halves.
import { type Buffer, blockSize, isBlocks, type PackedBlocks, packedBlocks, tileSize } from '../../kernels/index.ts';
import {
  currentDevice,
  keep,
  narrow,
  type PackedFormat,
  type PackedWeight,
  packBlocks,
  packCodes,
  type Quantized,
  reshape,
  scope,
  type Tensor,
  tensorOver,
  zeros,
} from '../../tensor/index.ts';
import type { JoinedWeight } from '../packing.ts';
import type { Parameter } from '../parameters.ts';
import { scaleSuffix, sourcePieces } from './expected-tensors.ts';
import type { ImportedTensor } from './import.ts';
import type { CheckpointPiece } from './pieces.ts';
import { scaleShape } from './ready-format.ts';
import { decode, type StoredType, type TensorEntry, type TensorSource } from './source.ts';

const storedAs: Readonly<Partial<Record<PackedFormat, StoredType>>> = { ...packedBlocks, fp8: 'F8_E4M3', bf16: 'BF16' };
const packedAs = new Map(Object.entries(storedAs).map(([format, type]) => [type, format as PackedFormat]));

/** Returns the format in which a parameter of a file in blocks is served: its own, or else bf16, or f32. */
function servedFormat(source: TensorSource, parameter: Parameter): PackedFormat {
  const types = new Set(sourcePieces(parameter, source).map(({ name }) => source.entries.get(name)?.type));
  const [type] = types;
  if (parameter.name.endsWith('.kv_b_proj.weight')) return 'bf16'; // decoded: its halves are other matrices
  if (parameter.group === 'router' || types.has('F32') || types.has('F16')) return 'f32';
  return (types.size === 1 && type && packedAs.get(type)) || 'bf16';
}

/** Returns the format in which parameters that are joined are served. */
export function toStoredFormat(source: TensorSource, parameters: readonly Parameter[]): PackedFormat {
  return servedFormat(source, parameters[0] as Parameter);
}

/** Takes weights apart whose parts are stored in different formats, and their biases with them. */
export function joinedAsStored(source: TensorSource, joined: readonly JoinedWeight[]): JoinedWeight[] {
  const isMixed = ({ parts }: JoinedWeight) => new Set(parts.map((part) => servedFormat(source, part))).size > 1;
  const mixed = new Set(joined.filter(isMixed).map(({ name }) => name));
  return joined.flatMap((weight) => {
    const isApart = mixed.has(weight.name.replace(/bias$/, 'weight')) || mixed.has(weight.name);
    return isApart ? weight.parts.map((part) => ({ name: part.name, parts: [part] })) : [weight];
  });
}

/** Writes bytes at an offset of a u8 or e4m3 tensor. */
function place(tensor: Tensor, bytes: Uint8Array, at: number): void {
  scope(() => narrow(reshape(tensor, [tensor.bytes]), at, bytes.length).write(bytes as Uint8Array<ArrayBuffer>));
}

/** Maps the pieces of a parameter; null where they do not follow each other in a file that the device can map. */
function mapPieces(source: TensorSource, pieces: readonly CheckpointPiece[]): Buffer | null {
  const places = pieces.map(({ name }) => source.locate?.(name) ?? null);
  const [first] = places;
  if (!first) return null;
  let bytes = 0;
  for (const place of places) {
    if (place?.fd !== first.fd || place.offset !== first.offset + bytes) return null;
    bytes += place.bytes;
  }
  const mapping = currentDevice().map(first.fd, first.fileBytes);
  const buffer = mapping?.cut(first.offset, bytes) ?? null;
  mapping?.close(); // the buffer keeps it
  return buffer;
}

/** Returns all pieces of a parameter in ggml's blocks, mapped or read: u8 [.., bytes of a row's blocks]. */
async function openBlocks(
  source: TensorSource,
  { shape }: Parameter,
  pieces: readonly CheckpointPiece[],
  format: PackedBlocks,
): Promise<Tensor> {
  const { values, bytes } = blockSize(format);
  const rows = [...shape.slice(0, -1), ((shape.at(-1) as number) / values) * bytes];
  const mapped = mapPieces(source, pieces);
  if (mapped) return keep(tensorOver(mapped, rows, 'u8'));
  const blocks = keep(zeros(rows, { dtype: 'u8' }));
  for (const { name, offset } of pieces) place(blocks, await source.read(name), (offset / values) * bytes);
  return blocks;
}

/**
 * Reads codes and scales of a parameter, whose pieces are whole blocks of 128 rows or whole experts; adds to `made`.
 */
async function readCodes(
  source: TensorSource,
  { shape }: Parameter,
  pieces: readonly CheckpointPiece[],
  made: Tensor[],
): Promise<Quantized> {
  const codes = keep(zeros(shape, { dtype: 'e4m3' }));
  const scales = keep(zeros(scaleShape(shape), { dtype: 'f32' }));
  made.push(codes, scales);
  let scaleAt = 0;
  for (const { name, offset } of pieces) {
    place(codes, await source.read(name), offset);
    const entry = source.entries.get(name + scaleSuffix) as TensorEntry;
    const values = decode(entry, await source.read(entry.name));
    scope(() =>
      narrow(reshape(scales, [scales.size]), scaleAt, values.length).write(values as Float32Array<ArrayBuffer>),
    );
    scaleAt += values.length;
  }
  return { codes, scales };
}

/** Whether the scales of the pieces, concatenated, are those of the whole parameter. */
function scalesFit(source: TensorSource, { shape }: Parameter, pieces: readonly CheckpointPiece[]): boolean {
  const rows = shape.at(-2) as number;
  return pieces.every(({ name, shape: own }) => {
    const isWhole = own[0] === rows || own[0] % tileSize === 0;
    return isWhole && source.entries.get(name + scaleSuffix)?.shape.join() === scaleShape(own).join();
  });
}

/** Packs the parameters of one served weight as they are stored; null where they are stored in another format. */
export async function packStored(
  source: TensorSource,
  parameters: readonly Parameter[],
  format: PackedFormat,
  report: ImportedTensor[],
): Promise<PackedWeight | null> {
  const type = storedAs[format];
  const pieces = parameters.map((parameter) => sourcePieces(parameter, source));
  const isStored = ({ name, shape }: CheckpointPiece) => {
    const entry = source.entries.get(name);
    return entry?.type === type && entry?.shape.join() === shape.join();
  };
  const [{ name }] = parameters as [Parameter];
  if (format !== 'fp8' && !isBlocks(format)) return null;
  if (name.endsWith('.kv_b_proj.weight') || !pieces.flat().every(isStored)) return null;
  if (format === 'fp8' && !parameters.every((p, i) => scalesFit(source, p, pieces[i]))) return null;
  for (const piece of pieces.flat()) {
    report.push({ name: piece.name, how: 'used', why: '' });
    if (format === 'fp8') report.push({ name: piece.name + scaleSuffix, how: 'used', why: 'scales of the FP8 blocks' });
  }
  const made: Tensor[] = [];
  try {
    if (format === 'fp8') {
      const parts: Quantized[] = [];
      for (const [i, parameter] of parameters.entries()) {
        parts.push(await readCodes(source, parameter, pieces[i], made));
      }
      return keep(packCodes(parts));
    }
    for (const [i, parameter] of parameters.entries())
      made.push(await openBlocks(source, parameter, pieces[i], format));
    return keep(packBlocks(made, format));
  } finally {
    for (const tensor of made) tensor.dispose();
    await currentDevice().flush(); // what was mapped for this weight leaves memory before the next one comes
  }
}
