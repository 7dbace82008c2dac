// The GGUF format (ggml, docs/gguf.md; version 3, and 2 which differs in nothing read here): metadata, then tensors.
//
// Contract of the reader: one cursor checks every length and count against the bytes that the file still has before it
// reads or allocates; tensors must follow each other, aligned, without overlap, and end within the file. Dimensions are
// given here as everywhere in minke, slowest first (the file has them the other way round). Left out: big-endian files.
import { BinaryFile, writeWhole } from './binary-file.ts';
import { CheckpointError } from './errors.ts';
import { encodeGgml, type GgmlType, ggmlBytes, ggmlTypes } from './ggml-blocks.ts';
import type { TensorEntry, TensorSource } from './source.ts';

export type GgufValue = number | boolean | string | readonly GgufValue[];

/** How a value is written. Numbers of metadata are u32 or f32 by their key's meaning, so the writer is told. */
export interface TypedValue {
  readonly type: 'u32' | 'i32' | 'f32' | 'bool' | 'string';
  readonly value: GgufValue;
}

interface Placed extends TensorEntry {
  readonly type: GgmlType;
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly entries: ReadonlyMap<string, Placed>;
  readonly dataStart: number;
}

/** Thrown while only the beginning of a file is in memory and more of it is needed. */
class NeedsMore extends Error {}

const remedy = 'the file is damaged or no GGUF: fetch or write it again';
const typeIds = {
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
const leastBytes = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];
const deepest = 4; // arrays in arrays

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

  #array(what: string, depth: number): GgufValue[] {
    const type = this.u32(what);
    if (leastBytes[type] === undefined) this.refuse(`${what}: no value has type ${type}`);
    if (depth > deepest) this.refuse(`${what}: arrays within arrays, more than ${deepest} deep`);
    const count = this.count(what, leastBytes[type] as number);
    const values: GgufValue[] = [];
    for (let i = 0; i < count; i++) values.push(this.value(type, what, depth));
    return values;
  }
}

const nameOfType = new Map(Object.entries(ggmlTypes).map(([name, { id }]) => [id as number, name as GgmlType]));

function readTensor(cursor: Cursor, file: string): Placed {
  const name = cursor.string('a tensor name');
  const rank = cursor.u32(name);
  if (rank > 4) cursor.refuse(`${name}: ${rank} dimensions, expected at most 4`);
  const shape = Array.from({ length: rank }, () => cursor.u64(`${name}, a dimension`)).reverse();
  const id = cursor.u32(name);
  const type = nameOfType.get(id);
  if (type === undefined)
    throw new CheckpointError(
      file,
      `${name}: expected a format of ${[...nameOfType.values()].join(', ')}, received number ${id}`,
      'requantise the file to one of these',
    );
  const elements = shape.reduce((product, n) => product * n, 1);
  if (!Number.isSafeInteger(elements)) cursor.refuse(`${name}: [${shape}] is absurd`);
  if ((shape.at(-1) ?? 1) % ggmlTypes[type].block !== 0)
    cursor.refuse(`${name}: rows of ${shape.at(-1)} do not fall into blocks of ${ggmlTypes[type].block}`);
  const offset = cursor.u64(`${name}, its offset`);
  return { name, type, shape, file, offset, bytes: ggmlBytes(type, elements) };
}

const padded = (at: number, alignment: number) => Math.ceil(at / alignment) * alignment;

function checkPlaces(cursor: Cursor, entries: readonly Placed[], alignment: number, dataBytes: number): void {
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
  const entries = new Map<string, Placed>();
  for (let i = 0; i < tensors; i++) {
    const entry = readTensor(cursor, file);
    if (entries.has(entry.name)) cursor.refuse(`${entry.name}: stands twice`);
    entries.set(entry.name, entry);
  }
  const dataStart = tensors === 0 ? cursor.at : padded(cursor.at, alignment as number);
  checkPlaces(cursor, [...entries.values()], alignment as number, fileSize - dataStart);
  return { metadata, entries, dataStart };
}

/** Reads as much of the beginning as the header needs. */
async function readHeader(file: BinaryFile): Promise<GgufHeader> {
  for (let length = 2 ** 20; ; length *= 8) {
    const bytes = await file.read(0, Math.min(length, file.size));
    try {
      return parseGguf(bytes, file.size, file.path);
    } catch (error) {
      if (!(error instanceof NeedsMore)) throw error;
    }
  }
}

/** A GGUF file: its tensors under their own names, and its metadata. */
export async function openGguf(path: string): Promise<TensorSource & { readonly metadata: GgufHeader['metadata'] }> {
  const file = await BinaryFile.open(path);
  try {
    const { metadata, entries, dataStart } = await readHeader(file);
    return {
      metadata,
      entries,
      read: (name, range) => {
        const entry = entries.get(name);
        if (!entry)
          throw new CheckpointError(path, `${name}: no such tensor`, 'look at its list: minke inspect --tensors');
        const all = entry.shape.reduce((product, n) => product * n, 1);
        const { offset, length } = range ?? { offset: 0, length: all };
        if (offset + length > all)
          throw new CheckpointError(path, `${name}: ${offset} to ${offset + length} lie outside of it`, 'report it');
        return file.read(dataStart + entry.offset + ggmlBytes(entry.type, offset), ggmlBytes(entry.type, length));
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A tensor to be written, in parts that are asked for when their turn comes; each part is whole rows. */
export interface GgufTensor {
  readonly name: string;
  readonly type: GgmlType;
  readonly shape: readonly number[];
  readonly parts: readonly (() => Promise<Float32Array>)[];
}

class Builder {
  readonly #parts: Uint8Array[] = [];
  length = 0;

  push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.length += bytes.length;
  }

  number(write: (view: DataView) => void, bytes: number): void {
    const part = new Uint8Array(bytes);
    write(new DataView(part.buffer));
    this.push(part);
  }

  u32(x: number): void {
    this.number((view) => view.setUint32(0, x, true), 4);
  }

  u64(x: number): void {
    this.number((view) => view.setBigUint64(0, BigInt(x), true), 8);
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    this.push(bytes);
  }

  scalar(type: TypedValue['type'], value: GgufValue): void {
    if (type === 'string') this.string(value as string);
    else if (type === 'bool') this.push(Uint8Array.of(value ? 1 : 0));
    else if (type === 'f32') this.number((view) => view.setFloat32(0, value as number, true), 4);
    else if (type === 'i32') this.number((view) => view.setInt32(0, value as number, true), 4);
    else this.u32(value as number);
  }

  pair(key: string, { type, value }: TypedValue): void {
    this.string(key);
    if (!Array.isArray(value)) {
      this.u32(typeIds[type]);
      this.scalar(type, value);
      return;
    }
    this.u32(typeIds.array);
    this.u32(typeIds[type]);
    this.u64(value.length);
    for (const item of value) this.scalar(type, item);
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }
}

const alignment = 32;

function headerOf(metadata: ReadonlyMap<string, TypedValue>, tensors: readonly GgufTensor[]): Uint8Array {
  const header = new Builder();
  header.push(new TextEncoder().encode('GGUF'));
  header.u32(3);
  header.u64(tensors.length);
  header.u64(metadata.size);
  for (const [key, value] of metadata) header.pair(key, value);
  let offset = 0;
  for (const { name, type, shape } of tensors) {
    header.string(name);
    header.u32(shape.length);
    for (const n of [...shape].reverse()) header.u64(n);
    header.u32(ggmlTypes[type].id);
    header.u64(offset);
    offset = padded(
      offset +
        ggmlBytes(
          type,
          shape.reduce((product, n) => product * n, 1),
        ),
      alignment,
    );
  }
  header.push(new Uint8Array(padded(header.length, alignment) - header.length));
  return header.bytes();
}

/** Writes a GGUF file, a part of a tensor at a time. */
export async function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, TypedValue>,
  tensors: readonly GgufTensor[],
  written: (bytes: number) => void = () => undefined,
): Promise<void> {
  const header = headerOf(metadata, tensors);
  await writeWhole(path, async (append) => {
    await append(header);
    for (const { name, type, shape, parts } of tensors) {
      const wanted = ggmlBytes(
        type,
        shape.reduce((product, n) => product * n, 1),
      );
      let length = 0;
      for (const part of parts) {
        const bytes = encodeGgml(type, await part());
        await append(bytes);
        length += bytes.length;
        written(bytes.length);
      }
      if (length !== wanted)
        throw new CheckpointError(path, `${name}: expected ${wanted} bytes, received ${length}`, 'report it');
      await append(new Uint8Array(padded(length, alignment) - length));
    }
  });
}
