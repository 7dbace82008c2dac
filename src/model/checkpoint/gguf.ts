// The GGUF format (ggml, docs/gguf.md; version 3, and 2 which differs in nothing read here): metadata, then tensors.
//
// Contract of the reader: one cursor checks every length and count against the bytes that the file still has before it
// reads or allocates; tensors must follow each other, aligned, without overlap, and end within the file. Dimensions are
// given here as everywhere in minke, slowest first (the file has them the other way round). Left out: big-endian files.
import { countElements } from '../parameters.ts';
import { type BinaryFile, opened } from './binary-file.ts';
import { CheckpointError } from './errors.ts';
import { type GgmlType, ggmlBytes, ggmlTypes } from './ggml-blocks.ts';
import { findEntry, resolveRange, type TensorEntry, type TensorSource } from './source.ts';

/** Arrays of numbers and booleans are typed arrays, no larger than in the file. */
export type GgufValue = number | boolean | string | NumberArray | readonly GgufValue[];

type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

interface GgufEntry extends TensorEntry {
  readonly type: GgmlType;
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly entries: ReadonlyMap<string, GgufEntry>;
  readonly dataStart: number;
}

/** Thrown while only the beginning of a file is in memory and more of it is needed. */
class NeedsMore extends Error {}

const remedy = 'the file is damaged or no GGUF: fetch or write it again';
export const typeIds = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
};
const minBytes = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];
/** Typed arrays by type of their elements; texts and arrays have none. */
const numericArrays: readonly ((new (count: number) => NumberArray) | undefined)[] = [
  ...[Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Uint8Array],
  ...[undefined, undefined, Float64Array, Float64Array, Float64Array],
];
const maxDepth = 4; // arrays in arrays

class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fileSize: number;
  readonly #file: string;
  at = 0;

  constructor(bytes: Uint8Array, fileSize: number, file: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fileSize = fileSize;
    this.#file = file;
  }

  refuse(problem: string): never {
    throw new CheckpointError(this.#file, problem, remedy);
  }

  /** Where `bytes` more stand, after a check that the file has them. */
  #take(bytes: number, what: string): number {
    const from = this.at;
    if (from + bytes > this.#fileSize)
      this.refuse(`${what}: needs ${bytes} bytes at ${from}, the file ends at ${this.#fileSize}`);
    if (from + bytes > this.#bytes.length) throw new NeedsMore();
    this.at += bytes;
    return from;
  }

  u32(what: string): number {
    return this.#view.getUint32(this.#take(4, what), true);
  }

  /** A whole number that JavaScript holds exactly. */
  u64(what: string): number {
    const value = this.#view.getBigUint64(this.#take(8, what), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.refuse(`${what}: ${value} is absurd`);
    return Number(value);
  }

  /** How many things follow, each of at least `least` bytes. */
  count(what: string, least: number): number {
    const count = this.u64(what);
    if (count * least > this.#fileSize - this.at)
      this.refuse(`${what}: ${count} claimed, but ${this.#fileSize - this.at} bytes are left`);
    return count;
  }

  string(what: string): string {
    const length = this.count(`length of ${what}`, 1);
    const from = this.#take(length, what);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        this.#bytes.subarray(from, from + length),
      );
    } catch {
      return this.refuse(`${what}: no UTF-8`);
    }
  }

  value(type: number, what: string, depth = 0): GgufValue {
    const view = this.#view;
    switch (type) {
      case typeIds.u8:
        return view.getUint8(this.#take(1, what));
      case typeIds.i8:
        return view.getInt8(this.#take(1, what));
      case typeIds.u16:
        return view.getUint16(this.#take(2, what), true);
      case typeIds.i16:
        return view.getInt16(this.#take(2, what), true);
      case typeIds.u32:
        return this.u32(what);
      case typeIds.i32:
        return view.getInt32(this.#take(4, what), true);
      case typeIds.f32:
        return view.getFloat32(this.#take(4, what), true);
      case typeIds.bool: {
        const byte = view.getUint8(this.#take(1, what));
        return byte > 1 ? this.refuse(`${what}: expected a boolean, received ${byte}`) : byte === 1;
      }
      case typeIds.string:
        return this.string(what);
      case typeIds.u64:
        return this.u64(what);
      case typeIds.i64:
        return Number(view.getBigInt64(this.#take(8, what), true));
      case typeIds.f64:
        return view.getFloat64(this.#take(8, what), true);
      case typeIds.array:
        return this.#array(what, depth + 1);
      default:
        return this.refuse(`${what}: no value has type ${type}`);
    }
  }

  #array(what: string, depth: number): GgufValue {
    const type = this.u32(what);
    if (minBytes[type] === undefined) this.refuse(`${what}: no value has type ${type}`);
    if (depth > maxDepth) this.refuse(`${what}: arrays within arrays, more than ${maxDepth} deep`);
    const count = this.count(what, minBytes[type]);
    const Numeric = numericArrays[type];
    if (Numeric === undefined) return this.#values(count, () => this.value(type, what, depth));
    this.#need(count * minBytes[type]);
    const numbers = new Numeric(count);
    for (let i = 0; i < count; i++) numbers[i] = Number(this.value(type, what));
    return numbers;
  }

  #values(count: number, next: () => GgufValue): GgufValue[] {
    const values: GgufValue[] = [];
    for (let i = 0; i < count; i++) values.push(next());
    return values;
  }

  /** Before memory is taken for bytes that are not there yet. */
  #need(bytes: number): void {
    if (this.at + bytes > this.#bytes.length) throw new NeedsMore();
  }
}

const typeNames = new Map(Object.entries(ggmlTypes).map(([name, { id }]) => [id as number, name as GgmlType]));

function readTensor(cursor: Cursor, file: string): GgufEntry {
  const name = cursor.string('a tensor name');
  const rank = cursor.u32(name);
  if (rank > 4) cursor.refuse(`${name}: ${rank} dimensions, expected at most 4`);
  const shape = Array.from({ length: rank }, () => cursor.u64(`${name}, a dimension`)).reverse();
  const id = cursor.u32(name);
  const type = typeNames.get(id);
  if (type === undefined)
    throw new CheckpointError(
      file,
      `${name}: expected a format of ${[...typeNames.values()].join(', ')}, received number ${id}`,
      'requantise the file to one of these',
    );
  const elements = countElements(shape);
  if (!Number.isSafeInteger(elements)) cursor.refuse(`${name}: [${shape}] is absurd`);
  if ((shape.at(-1) ?? 1) % ggmlTypes[type].block !== 0)
    cursor.refuse(`${name}: rows of ${shape.at(-1)} do not fall into blocks of ${ggmlTypes[type].block}`);
  const offset = cursor.u64(`${name}, its offset`);
  return { name, type, shape, file, offset, bytes: ggmlBytes(type, elements) };
}

export const padded = (at: number, alignment: number) => Math.ceil(at / alignment) * alignment;

function checkPlaces(cursor: Cursor, entries: readonly GgufEntry[], alignment: number, dataBytes: number): void {
  let end = 0;
  for (const { name, offset, bytes } of [...entries].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (offset % alignment !== 0) cursor.refuse(`${name}: starts at ${offset}, no multiple of ${alignment}`);
    if (offset < end) cursor.refuse(`${name}: overlaps the tensor before it`);
    if (offset > padded(end, alignment)) cursor.refuse(`${name}: ${offset - end} bytes lie unused before it`);
    end = offset + bytes;
    if (end > dataBytes) cursor.refuse(`${name}: ends ${end - dataBytes} bytes beyond the file`);
  }
}

/** Checks a header against the size of its file. `bytes` may be the beginning of the file only. */
export function parseGguf(bytes: Uint8Array, fileSize: number, file: string): GgufHeader {
  const cursor = new Cursor(bytes, fileSize, file);
  if (cursor.u32('the magic number') !== 0x46554747) cursor.refuse('does not start with GGUF');
  const version = cursor.u32('the version');
  if (version !== 2 && version !== 3)
    cursor.refuse(`version ${version}, expected 2 or 3${version % 65536 === 0 ? ' (a big-endian file?)' : ''}`);
  const tensors = cursor.count('tensors', 24);
  const pairs = cursor.count('metadata', 13);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < pairs; i++) {
    const key = cursor.string('a key of the metadata');
    if (metadata.has(key)) cursor.refuse(`${key}: stands twice in the metadata`);
    metadata.set(key, cursor.value(cursor.u32(key), key));
  }
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || alignment < 8 || !Number.isInteger(Math.log2(alignment)))
    cursor.refuse(`general.alignment: expected a power of two, received ${alignment}`);
  const entries = new Map<string, GgufEntry>();
  for (let i = 0; i < tensors; i++) {
    const entry = readTensor(cursor, file);
    if (entries.has(entry.name)) cursor.refuse(`${entry.name}: stands twice`);
    entries.set(entry.name, entry);
  }
  const dataStart = tensors === 0 ? cursor.at : padded(cursor.at, alignment as number);
  checkPlaces(cursor, [...entries.values()], alignment as number, fileSize - dataStart);
  return { metadata, entries, dataStart };
}

/** More is refused; DeepSeek-V3's vocabulary takes 4 MB. */
const maxHeaderBytes = 2 ** 26;

/** Reads as much of the beginning as the header needs. */
async function readHeader(file: BinaryFile): Promise<GgufHeader> {
  for (let length = 2 ** 20; length <= maxHeaderBytes; length *= 8) {
    const bytes = await file.read(0, Math.min(length, file.size));
    try {
      return parseGguf(bytes, file.size, file.path);
    } catch (error) {
      if (!(error instanceof NeedsMore)) throw error;
    }
  }
  throw new CheckpointError(file.path, `its header takes more than ${maxHeaderBytes} bytes`, remedy);
}

/** A GGUF file: its tensors under their own names, and its metadata. */
export function openGguf(path: string): Promise<TensorSource & { readonly metadata: GgufHeader['metadata'] }> {
  return opened(path, async (file) => {
    const { metadata, entries, dataStart } = await readHeader(file);
    return {
      metadata,
      entries,
      read: async (name, range) => {
        const entry = findEntry(entries, name, path);
        const { offset, length } = resolveRange(entry, range);
        return file.read(dataStart + entry.offset + ggmlBytes(entry.type, offset), ggmlBytes(entry.type, length));
      },
      close: () => file.close(),
    };
  });
}
