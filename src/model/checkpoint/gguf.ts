// The GGUF format (ggml, docs/gguf.md; versions 2 and 3, which differ in nothing read here): metadata, then tensors.
//
// Contract of the reader: one cursor checks every length and count against the bytes that are left in the file before
// it reads or allocates; tensors follow each other, aligned, without overlap, and end within the file. Dimensions are
// given slowest first, as everywhere in minke (the file has them the other way round). Left out: big-endian files.
import { basename } from 'node:path';
import { showValue } from '../errors.ts';
import { countElements } from '../parameters.ts';
import { type BinaryFile, opened } from './binary-file.ts';
import { CheckpointError } from './errors.ts';
import { type GgmlType, ggmlBytes, ggmlTypes, unreadTypes } from './ggml-blocks.ts';
import {
  type ElementRange,
  type FilePlace,
  findEntry,
  resolveRange,
  type TensorEntry,
  type TensorSource,
} from './source.ts';

/** Arrays of numbers and booleans are typed arrays, no larger than in the file. */
export type GgufValue = number | boolean | string | NumberArray | readonly GgufValue[];

type NumberArray = InstanceType<(typeof scalars)[keyof typeof scalars]['List']>;

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

/** Thrown when only the beginning of a file is in memory and more of it is needed. */
class NeedsMore extends Error {}

const remedy = 'the file is damaged or not GGUF: fetch or write it again';
export const typeIds = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 };
/** How values of a fixed size are read, by type id. */
const scalars = {
  0: { bytes: 1, List: Uint8Array, read: (view: DataView, at: number) => view.getUint8(at) },
  1: { bytes: 1, List: Int8Array, read: (view: DataView, at: number) => view.getInt8(at) },
  2: { bytes: 2, List: Uint16Array, read: (view: DataView, at: number) => view.getUint16(at, true) },
  3: { bytes: 2, List: Int16Array, read: (view: DataView, at: number) => view.getInt16(at, true) },
  4: { bytes: 4, List: Uint32Array, read: (view: DataView, at: number) => view.getUint32(at, true) },
  5: { bytes: 4, List: Int32Array, read: (view: DataView, at: number) => view.getInt32(at, true) },
  6: { bytes: 4, List: Float32Array, read: (view: DataView, at: number) => view.getFloat32(at, true) },
  7: { bytes: 1, List: Uint8Array, read: (view: DataView, at: number) => view.getUint8(at) },
  10: { bytes: 8, List: Float64Array, read: (view: DataView, at: number) => Number(view.getBigUint64(at, true)) },
  11: { bytes: 8, List: Float64Array, read: (view: DataView, at: number) => Number(view.getBigInt64(at, true)) },
  12: { bytes: 8, List: Float64Array, read: (view: DataView, at: number) => view.getFloat64(at, true) },
} as const;
/** The fewest bytes of a string and of an array. */
const minBytes: Readonly<Record<number, number>> = { [typeIds.string]: 8, [typeIds.array]: 12 };
/** How deep arrays may nest. */
const maxDepth = 4;
/** DeepSeek-V3 has 1,147 tensors, 50 pairs, 128,000 tokens with as many merges. */
const maxTensors = 2 ** 16;
const maxPairs = 2 ** 12;
/** Texts in arrays, and arrays in arrays. */
const maxItems = 2 ** 20;
const maxTextBytes = 2 ** 22;
const maxNameBytes = 2 ** 12;

const findScalar = (type: number) => (type in scalars ? scalars[type as keyof typeof scalars] : null);

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly fileSize: number;
  readonly #file: string;
  #items = 0;
  at = 0;

  constructor(bytes: Uint8Array, fileSize: number, file: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.fileSize = fileSize;
    this.#file = file;
  }

  refuse(problem: string): never {
    throw new CheckpointError(this.#file, problem, remedy);
  }

  /** Returns the offset of the next `bytes`, after a check that the file has them. */
  #take(bytes: number, what: string): number {
    const from = this.at;
    if (from + bytes > this.fileSize)
      this.refuse(`${what}: needs ${bytes} bytes at ${from}, the file ends at ${this.fileSize}`);
    if (from + bytes > this.#bytes.length) throw new NeedsMore();
    this.at += bytes;
    return from;
  }

  u32(what: string): number {
    return this.value(typeIds.u32, what) as number;
  }

  /** Reads a whole number that JavaScript represents exactly. */
  u64(what: string): number {
    return this.value(10, what) as number;
  }

  /** Reads how many items follow, each of at least `minBytes` bytes. */
  count(what: string, minBytes: number, max = Number.POSITIVE_INFINITY): number {
    const count = this.u64(what);
    if (count > max) this.refuse(`${what}: ${count} claimed, expected at most ${max}`);
    if (count * minBytes > this.fileSize - this.at)
      this.refuse(`${what}: ${count} claimed, but only ${this.fileSize - this.at} bytes follow`);
    return count;
  }

  string(what: string, maxBytes = maxTextBytes): string {
    const length = this.count(`length of ${what}`, 1, maxBytes);
    const from = this.#take(length, what);
    try {
      return utf8.decode(this.#bytes.subarray(from, from + length));
    } catch {
      return this.refuse(`${what}: not UTF-8`);
    }
  }

  value(type: number, what: string, depth = 0): GgufValue {
    if (type === typeIds.string) return this.string(what);
    if (type === typeIds.array) return this.#array(what, depth + 1);
    const scalar = findScalar(type);
    if (scalar === null) return this.refuse(`${what}: no value has type ${type}`);
    const value = scalar.read(this.#view, this.#take(scalar.bytes, what));
    if (scalar === scalars[10] && !Number.isSafeInteger(value)) this.refuse(`${what}: ${BigInt(value)} is too large`);
    if (type !== typeIds.bool) return value;
    return value > 1 ? this.refuse(`${what}: expected a boolean, received ${value}`) : value === 1;
  }

  #array(what: string, depth: number): GgufValue {
    const type = this.u32(what);
    const scalar = findScalar(type);
    const bytes = scalar?.bytes ?? minBytes[type];
    if (bytes === undefined) this.refuse(`${what}: no value has type ${type}`);
    if (depth > maxDepth) this.refuse(`${what}: arrays within arrays, more than ${maxDepth} deep`);
    const count = this.count(what, bytes);
    if (scalar) return this.#numbers(type, count, what);
    this.#items += count;
    if (this.#items > maxItems) this.refuse(`${what}: more than ${maxItems} texts and arrays`);
    return Array.from({ length: count }, () => this.value(type, what, depth));
  }

  #numbers(type: number, count: number, what: string): NumberArray {
    const scalar = scalars[type as keyof typeof scalars];
    const from = this.#take(count * scalar.bytes, what); // no memory is taken before its bytes are here
    const isPlain = type !== typeIds.bool && type !== 10 && type !== 11;
    const values = new scalar.List(count);
    if (isPlain) {
      new Uint8Array(values.buffer).set(this.#bytes.subarray(from, this.at));
      return values;
    }
    this.at = from;
    for (let i = 0; i < count; i++) values[i] = Number(this.value(type, what));
    return values;
  }
}

const typeNames = new Map(Object.entries(ggmlTypes).map(([name, { id }]) => [id as number, name as GgmlType]));

/** Says which format is not read, and how large the file is in the smallest that is. */
function unreadType(file: string, name: string, id: number, fileSize: number): CheckpointError {
  const unread = unreadTypes[id];
  if (unread === undefined)
    return new CheckpointError(
      file,
      `${name}: expected a format of ${[...typeNames.values()].join(', ')}, received number ${id}`,
      'get the file in one of these',
    );
  const [type, bits, instead] = unread;
  const { block, bytes } = ggmlTypes[instead];
  const size = ((fileSize / bits) * ((8 * bytes) / block)) / 1e9;
  return new CheckpointError(
    file,
    `${name}: is ${type}, ${bits} bits a weight, which is not read`,
    `get the file in ${instead} (about ${size.toPrecision(2)} GB) or larger, such as Q4_K_M`,
  );
}

function readTensor(cursor: Cursor, file: string): GgufEntry {
  const name = cursor.string('a tensor name', maxNameBytes);
  const rank = cursor.u32(name);
  if (rank > 4) cursor.refuse(`${name}: ${rank} dimensions, expected at most 4`);
  const shape = Array.from({ length: rank }, () => cursor.u64(`${name}, a dimension`)).reverse();
  const id = cursor.u32(name);
  const type = typeNames.get(id);
  if (type === undefined) throw unreadType(file, name, id, cursor.fileSize);
  const elements = countElements(shape);
  if (!Number.isSafeInteger(elements)) cursor.refuse(`${name}: [${shape}] is too large`);
  if ((shape.at(-1) ?? 1) % ggmlTypes[type].block !== 0)
    cursor.refuse(`${name}: rows of ${shape.at(-1)} are not whole blocks of ${ggmlTypes[type].block}`);
  const offset = cursor.u64(`${name}, its offset`);
  return { name, type, shape, file, offset, bytes: ggmlBytes(type, elements) };
}

/** Rounds up to a multiple of the alignment. */
export const padded = (at: number, alignment: number) => Math.ceil(at / alignment) * alignment;

function checkPlaces(cursor: Cursor, entries: readonly GgufEntry[], alignment: number, dataBytes: number): void {
  let end = 0;
  for (const { name, offset, bytes } of [...entries].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (offset % alignment !== 0)
      cursor.refuse(`${name}: starts at ${offset}, which is not a multiple of ${alignment}`);
    if (offset < end) cursor.refuse(`${name}: overlaps the tensor before it`);
    if (offset > padded(end, alignment)) cursor.refuse(`${name}: ${offset - end} bytes before it are unused`);
    end = offset + bytes;
    if (end > dataBytes) cursor.refuse(`${name}: ends ${end - dataBytes} bytes beyond the file`);
  }
}

/** Parses a header and checks it against the size of its file. `bytes` may be only the beginning of the file. */
export function parseGguf(bytes: Uint8Array, fileSize: number, file: string): GgufHeader {
  const cursor = new Cursor(bytes, fileSize, file);
  if (cursor.u32('the magic number') !== 0x46554747) cursor.refuse('does not start with GGUF');
  const version = cursor.u32('the version');
  if (version !== 2 && version !== 3)
    cursor.refuse(`version ${version}, expected 2 or 3${version % 65536 === 0 ? ' (a big-endian file?)' : ''}`);
  const tensors = cursor.count('tensors', 24, maxTensors);
  const pairs = cursor.count('metadata', 13, maxPairs);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < pairs; i++) {
    const key = cursor.string('a key of the metadata', maxNameBytes);
    if (metadata.has(key)) cursor.refuse(`${key}: appears twice in the metadata`);
    metadata.set(key, cursor.value(cursor.u32(key), key));
  }
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || alignment < 8 || !Number.isInteger(Math.log2(alignment)))
    cursor.refuse(`general.alignment: expected a power of two, received ${alignment}`);
  const entries = new Map<string, GgufEntry>();
  for (let i = 0; i < tensors; i++) {
    const entry = readTensor(cursor, file);
    if (entries.has(entry.name)) cursor.refuse(`${entry.name}: appears twice`);
    entries.set(entry.name, entry);
  }
  const dataStart = tensors === 0 ? cursor.at : padded(cursor.at, alignment as number);
  checkPlaces(cursor, [...entries.values()], alignment as number, fileSize - dataStart);
  return { metadata, entries, dataStart };
}

/** Longer headers are refused; DeepSeek-V3's vocabulary takes 4 MB. */
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
  throw new CheckpointError(file.path, `the header takes more than ${maxHeaderBytes} bytes`, remedy);
}

/** A file with its tensors under their own names. */
export interface GgufFile extends TensorSource {
  readonly metadata: GgufHeader['metadata'];
  locate(name: string, range?: ElementRange): FilePlace;
}

function openPart(path: string): Promise<GgufFile> {
  return opened(path, async (file) => {
    const { metadata, entries, dataStart } = await readHeader(file);
    const locate: GgufFile['locate'] = (name, range) => {
      const entry = findEntry(entries, name, path);
      const { offset, length } = resolveRange(entry, range);
      const at = dataStart + entry.offset + ggmlBytes(entry.type, offset);
      return { fd: file.fd, fileBytes: file.size, offset: at, bytes: ggmlBytes(entry.type, length) };
    };
    return {
      metadata,
      entries,
      locate,
      read: async (name, range) => {
        const { offset, bytes } = locate(name, range);
        return file.read(offset, bytes);
      },
      close: () => file.close(),
    };
  });
}

/** More parts are refused; DeepSeek-R1 in BF16 has 30. */
const maxParts = 999;

/** Opens a GGUF file, or all parts of a model whose first part is named: its tensors and its metadata. */
export async function openGguf(path: string): Promise<GgufFile> {
  const first = await openPart(path);
  const parts = [first];
  const close = async () => {
    for (const part of parts) await part.close();
  };
  try {
    for (const next of otherParts(path, first.metadata)) parts.push(await openPart(next));
    const byName = new Map(parts.flatMap((part) => [...part.entries.keys()].map((name) => [name, part] as const)));
    const total = parts.reduce((sum, part) => sum + part.entries.size, 0);
    if (byName.size !== total) throw new CheckpointError(path, 'a tensor is in two of its parts', remedy);
    const expected = parts.length > 1 ? (first.metadata.get('split.tensors.count') ?? total) : total;
    if (expected !== total)
      throw new CheckpointError(path, `its parts have ${total} tensors, ${showValue(expected)} are claimed`, remedy);
    const entries = new Map(parts.flatMap((part) => [...part.entries]));
    const read: GgufFile['read'] = (name, range) => findEntry(byName, name, path).read(name, range);
    const locate: GgufFile['locate'] = (name, range) => findEntry(byName, name, path).locate(name, range);
    return { metadata: first.metadata, entries, read, locate, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Lists the files of the second to the last part; none where the model is one file. */
function otherParts(path: string, metadata: GgufHeader['metadata']): string[] {
  const count = metadata.get('split.count') ?? 1;
  if (count === 1 || count === 0) return [];
  const numbers = /-(\d{5})-of-(\d{5})\.gguf$/.exec(path);
  if (typeof count !== 'number' || !(count > 1 && count <= maxParts) || Number(numbers?.[2] ?? count) !== count)
    throw new CheckpointError(path, `split.count: ${showValue(count)} does not fit the file's name`, remedy);
  if (!numbers) throw new CheckpointError(path, `is one of ${count} parts`, 'name its parts NAME-00001-of-0000N.gguf');
  const stem = path.slice(0, numbers.index);
  const named = (part: number) => `${stem}-${String(part).padStart(5, '0')}-of-${numbers[2]}.gguf`;
  if (Number(numbers[1]) !== 1 || metadata.get('split.no') !== 0)
    throw new CheckpointError(path, 'is not the first of its parts', `name ${basename(named(1))}`);
  return Array.from({ length: count - 1 }, (_, i) => named(i + 2));
}
