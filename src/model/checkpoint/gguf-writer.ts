// Writes GGUF version 3, a part of a tensor at a time.
//
// Contract: the header is laid out before any tensor is read, and a failed file is not left behind. Dimensions are
// given slowest first, as everywhere in minke. Tensors and metadata are the caller's: gguf-model.ts knows their names.
import { countElements } from '../parameters.ts';
import { writeWhole } from './binary-file.ts';
import { CheckpointError } from './errors.ts';
import { encodeGgml, ggmlBytes, ggmlTypes, type WritableType } from './ggml-blocks.ts';
import { type GgufValue, padded, typeIds } from './gguf.ts';

/** A value with its type, which the meaning of its key decides. */
export interface TypedValue {
  readonly type: 'u32' | 'i32' | 'f32' | 'bool' | 'string';
  readonly value: GgufValue;
}

/** A tensor to be written, in parts of whole rows; each part is read when its turn comes. */
export interface GgufTensor {
  readonly name: string;
  readonly type: WritableType;
  readonly shape: readonly number[];
  readonly parts: readonly (() => Promise<Float32Array>)[];
  /** How much an error counts in each column: [K], or [parts, K]. @default by the values alone */
  readonly importance?: Float32Array;
}

export function ggufByteLength({ type, shape }: Pick<GgufTensor, 'type' | 'shape'>): number {
  return ggmlBytes(type, countElements(shape));
}

class HeaderBuilder {
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
    return Buffer.concat(this.#parts);
  }
}

const alignment = 32;

function encodeGgufHeader(metadata: ReadonlyMap<string, TypedValue>, tensors: readonly GgufTensor[]): Uint8Array {
  const header = new HeaderBuilder();
  header.push(new TextEncoder().encode('GGUF'));
  header.u32(3);
  header.u64(tensors.length);
  header.u64(metadata.size);
  for (const [key, value] of metadata) header.pair(key, value);
  let offset = 0;
  for (const tensor of tensors) {
    header.string(tensor.name);
    header.u32(tensor.shape.length);
    for (const n of [...tensor.shape].reverse()) header.u64(n);
    header.u32(ggmlTypes[tensor.type].id);
    header.u64(offset);
    offset = padded(offset + ggufByteLength(tensor), alignment);
  }
  header.push(new Uint8Array(padded(header.length, alignment) - header.length));
  return header.bytes();
}

/** Returns the importance of the columns of a part. */
function columnImportance({ importance, shape, parts }: GgufTensor, part: number): Float32Array | null {
  const width = shape.at(-1) as number;
  if (importance === undefined) return null;
  return importance.length === width * parts.length
    ? importance.subarray(part * width, (part + 1) * width)
    : importance;
}

/** Writes a GGUF file, a part of a tensor at a time; `written` is called with the bytes of each. */
export async function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, TypedValue>,
  tensors: readonly GgufTensor[],
  written: (bytes: number) => void = () => undefined,
): Promise<void> {
  const header = encodeGgufHeader(metadata, tensors);
  await writeWhole(path, async (write) => {
    await write(header, 0);
    let at = header.length;
    for (const tensor of tensors) {
      const end = at + ggufByteLength(tensor);
      for (const [i, part] of tensor.parts.entries()) {
        const bytes = encodeGgml(tensor.type, await part(), columnImportance(tensor, i));
        await write(bytes, at);
        at += bytes.length;
        written(bytes.length);
      }
      if (at !== end)
        throw new CheckpointError(path, `${tensor.name}: ${at - end} bytes too many for its shape`, 'report it');
      at = padded(end, alignment);
      await write(new Uint8Array(at - end), end);
    }
  });
}
