// A tensor: a shape and a number format over a piece of device memory.
//
// Contract: contiguous, row-major, never resized. Memory is shared by count, so reshape and narrowing along the first
// dimension copy nothing and any of the handles may be disposed first. Ops only queue work; read() is the only wait.
// Left out: strides, broadcasting, values that JavaScript can see without waiting.
import type { Buffer, Data, Device, DType } from '../kernels/index.ts';
import { assert, DisposedError, dtypeBytes, fromBf16, fromE4m3, newData, ShapeError } from '../kernels/index.ts';
import { Resource } from './scope.ts';
import { elementCount, formatShape, type Shape } from './shape.ts';

/** Storages overwritten in place while a list is recorded, so that each replay counts as a change. */
let overwritten: Set<Storage> | null = null;

/** Runs `body` and gives the storages it overwrote in place. For record. */
export function collectOverwritten<T>(body: () => T): { result: T; storages: Set<Storage> } {
  const storages = new Set<Storage>();
  overwritten = storages;
  try {
    return { result: body(), storages };
  } finally {
    overwritten = null;
  }
}

/** Device memory with the number of tensors (and tape entries) that need it. */
export class Storage {
  readonly buffer: Buffer;
  /** How often the contents were changed in place; the tape compares it. */
  version = 0;
  #references = 1;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  get references(): number {
    return this.#references;
  }

  retain(): this {
    assert(this.#references > 0, 'retained storage was freed');
    this.#references++;
    return this;
  }

  /** To be called by whatever queues a change in place. */
  change(): void {
    this.version++;
    overwritten?.add(this);
  }

  release(): void {
    assert(this.#references > 0, 'storage released twice');
    if (--this.#references === 0) this.buffer.free();
  }
}

export class Tensor extends Resource {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Number of elements. */
  readonly size: number;
  readonly storage: Storage;
  readonly offsetBytes: number;
  #disposed = false;

  /** Takes over one reference of `storage`. For ops: use fromArray, zeros, full, randn. */
  constructor(storage: Storage, offsetBytes: number, shape: Shape, dtype: DType) {
    super();
    this.storage = storage;
    this.offsetBytes = offsetBytes;
    this.shape = shape;
    this.dtype = dtype;
    this.size = elementCount(shape);
  }

  get device(): Device {
    return this.storage.buffer.device;
  }

  get bytes(): number {
    return this.size * dtypeBytes[this.dtype];
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** For kernels: where the first element stands. */
  get address(): number {
    assert(this.storage.references > 0, 'the address of freed memory was asked for');
    return this.storage.buffer.address + this.offsetBytes;
  }

  /** Frees this handle; the memory goes with the last handle. Disposing twice is no error. */
  override dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.storage.release();
  }

  /** The values as they are stored (bf16 and e4m3 as codes), after everything queued so far has run. */
  async read(): Promise<Data> {
    this.use('read');
    return this.device.read(this.storage.buffer, newData(this.dtype, this.size), this.offsetBytes);
  }

  /** The values as numbers, row after row. */
  async toArray(): Promise<number[]> {
    const data = await this.read();
    if (this.dtype === 'bf16') return Array.from(data, fromBf16);
    if (this.dtype === 'e4m3') return Array.from(data, fromE4m3);
    return Array.from(data);
  }

  /** The value of a tensor of one element. */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new ShapeError('item', `expected one element, received ${formatShape(this.shape)}`, 'use toArray()');
    return (await this.toArray())[0];
  }

  /** Overwrites the values, in queue order. `data` holds codes for bf16 and e4m3. */
  write(data: Data): void {
    this.use('write');
    if (data.length !== this.size || data.byteLength !== this.bytes)
      throw new ShapeError(
        'write',
        `expected ${this.size} values of ${this.dtype}, received ${data.length} in ${data.byteLength} bytes`,
        'pass a typed array of the same size and format',
      );
    this.device.write(this.storage.buffer, data, this.offsetBytes);
    this.storage.change();
  }

  /** Throws DisposedError in the name of `op` when this handle was freed. */
  use(op: string): void {
    if (this.#disposed)
      throw new DisposedError(
        op,
        `a tensor ${this.dtype} ${formatShape(this.shape)} was freed`,
        'return it from its scope, or keep() it',
      );
  }

  /** Another handle on the same memory. */
  alias(shape: Shape = this.shape, offsetBytes = 0): Tensor {
    return new Tensor(this.storage.retain(), this.offsetBytes + offsetBytes, shape, this.dtype);
  }

  override toString(): string {
    return `Tensor ${this.dtype} ${formatShape(this.shape)}${this.#disposed ? ' (freed)' : ''}`;
  }
}

/** A tensor whose values are not yet set. For ops. */
export function empty(shape: Shape, dtype: DType, device: Device, op = 'empty'): Tensor {
  return new Tensor(new Storage(device.alloc(elementCount(shape) * dtypeBytes[dtype], op)), 0, shape, dtype);
}

/** A tensor over a buffer, which it takes over. Throws ShapeError when the sizes differ. */
export function tensorOver(buffer: Buffer, shape: Shape, dtype: DType): Tensor {
  const bytes = elementCount(shape) * dtypeBytes[dtype];
  if (bytes !== buffer.bytes)
    throw new ShapeError(
      'tensorOver',
      `${dtype} ${formatShape(shape)} takes ${bytes} bytes, the buffer has ${buffer.bytes}`,
      'cut the buffer to the tensor',
    );
  return new Tensor(new Storage(buffer), 0, shape, dtype);
}

/** Every byte 0, in queue order. */
export function zeroed(shape: Shape, dtype: DType, device: Device, op: string): Tensor {
  return new Tensor(new Storage(device.allocZeros(elementCount(shape) * dtypeBytes[dtype], op)), 0, shape, dtype);
}

/** Unset, in the shape, format and device of another. */
export function emptyLike(tensor: Tensor): Tensor {
  return empty(tensor.shape, tensor.dtype, tensor.device);
}
