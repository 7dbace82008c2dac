// A source of tensors, whatever the file format: names, formats, shapes, and bytes on demand.
//
// Contract: opening reads headers only; read() reads exactly one tensor's bytes, never beyond the file. Values come as
// float32 through `decode`, the only place that knows how each stored format is read.
import { type BlockType, blockFormats, decodeBlocks, fromE4m3, halfValues } from '../../kernels/index.ts';
import { countElements } from '../parameters.ts';
import { CheckpointError } from './errors.ts';

/** Bytes of an element in the formats of safetensors; those with a decoder below can become weights. */
export const storedWidths = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

/** Formats whose elements have a fixed width. */
export type PlainType = keyof typeof storedWidths;

/** Formats with fixed widths, and ggml's blocks. */
export type StoredType = PlainType | BlockType;

export interface TensorEntry {
  readonly name: string;
  readonly type: StoredType;
  readonly shape: readonly number[];
  /** The path of its file. */
  readonly file: string;
}

export interface ElementRange {
  readonly offset: number;
  readonly length: number;
}

/** Bytes of an open file. */
export interface FilePlace {
  readonly fd: number;
  readonly fileBytes: number;
  readonly offset: number;
  readonly bytes: number;
}

export interface TensorSource {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /**
   * Reads the tensor's bytes, row-major and little-endian, or those of a range of elements. Throws CheckpointError for
   * an unknown name.
   */
  read(name: string, range?: ElementRange): Promise<Uint8Array>;
  /** Returns where the bytes of a tensor lie that `read` returns; null where these are made. @default null */
  locate?(name: string): FilePlace | null;
  close(): Promise<void>;
}

/** Finds the entry of a name. `where`: the file or folder, for the error. */
export function findEntry<Entry>(entries: ReadonlyMap<string, Entry>, name: string, where: string): Entry {
  const entry = entries.get(name);
  if (entry === undefined)
    throw new CheckpointError(where, `${name}: no such tensor`, 'list its tensors: minke inspect --tensors');
  return entry;
}

/** Returns `range`, or all elements. Throws CheckpointError when the range lies outside the tensor. */
export function resolveRange({ name, shape, file }: TensorEntry, range?: ElementRange): ElementRange {
  const all = countElements(shape);
  const { offset, length } = range ?? { offset: 0, length: all };
  if (!(offset >= 0 && length >= 0 && offset + length <= all))
    throw new CheckpointError(file, `${name}: ${offset} to ${offset + length} lie outside it`, 'report it');
  return { offset, length };
}

/** Copies bytes that do not start where a typed array may. */
function aligned(bytes: Uint8Array, width: number): ArrayBuffer {
  if (bytes.byteOffset % width === 0 && bytes.byteLength === bytes.buffer.byteLength)
    return bytes.buffer as ArrayBuffer;
  return bytes.slice().buffer;
}

/** A bf16 is the upper half of an f32. */
function bf16Values(codes: Uint16Array): Float32Array {
  const bits = new Uint32Array(codes.length);
  for (let i = 0; i < codes.length; i++) bits[i] = codes[i] << 16;
  return new Float32Array(bits.buffer);
}

const decoders: Partial<Record<PlainType, (bytes: Uint8Array) => Float32Array>> = {
  F32: (bytes) => new Float32Array(aligned(bytes, 4)),
  F16: (bytes) => {
    const values = halfValues();
    return Float32Array.from(new Uint16Array(aligned(bytes, 2)), (code) => values[code]);
  },
  BF16: (bytes) => bf16Values(new Uint16Array(aligned(bytes, 2))),
  F8_E4M3: (bytes) => Float32Array.from(bytes, fromE4m3),
  F8_E8M0: (bytes) => Float32Array.from(bytes, (code) => (code === 255 ? Number.NaN : 2 ** (code - 127))),
  F64: (bytes) => Float32Array.from(new Float64Array(aligned(bytes, 8))),
};

/** Whether a format is one of ggml's blocks. */
export const isInBlocks = (type: StoredType): type is BlockType => type in blockFormats;

/** Decodes the values of a tensor. Throws CheckpointError for formats that hold no weights. */
export function decode(entry: TensorEntry, bytes: Uint8Array): Float32Array {
  const { type } = entry;
  const decoder = isInBlocks(type) ? (all: Uint8Array) => decodeBlocks(type, all) : decoders[type];
  if (!decoder)
    throw new CheckpointError(
      entry.file,
      `${entry.name}: expected weights in ${Object.keys(decoders).join(', ')}, received ${type}`,
      'convert the checkpoint to one of these',
    );
  return decoder(bytes);
}
