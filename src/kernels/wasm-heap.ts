// Device memory inside one WebAssembly memory: blocks from the module's static data up to the limit of 32-bit
// addresses.
//
// Contract: a block never moves; released memory can be reserved again. WebAssembly memory can only grow, so released
// pages stay with the process until the device is closed.
import type { Data } from './dtype.ts';
import { assert } from './errors.ts';

/** The part of WebAssembly.Memory that is used; the lib of Node has no types for it. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  grow(pages: number): number;
}

const pageBytes = 65536;
/** The last page stays unused, so that the end of a block is an address too. */
export const heapLimit = 2 ** 32 - pageBytes;

interface Block {
  readonly address: number;
  bytes: number;
  free: boolean;
}

export class WasmHeap {
  readonly #memory: WasmMemory;
  readonly #blocks: Block[] = []; // ascending, without gaps from the heap's base to its top
  readonly #base: number;
  #bytes: Uint8Array;

  constructor(memory: WasmMemory, base: number) {
    this.#memory = memory;
    this.#base = Math.ceil(base / 64) * 64;
    this.#bytes = new Uint8Array(memory.buffer);
  }

  /** Returns a 64-byte aligned address, or 0 when there is no memory. */
  reserve(bytes: number): number {
    const size = Math.max(64, Math.ceil(bytes / 64) * 64);
    const at = this.#blocks.findIndex((block) => block.free && block.bytes >= size);
    if (at < 0) return this.#extend(size);
    const block = this.#blocks[at];
    const rest = block.bytes - size;
    if (rest > 0) this.#blocks.splice(at + 1, 0, { address: block.address + size, bytes: rest, free: true });
    block.bytes = size;
    block.free = false;
    return block.address;
  }

  release(address: number): void {
    const at = this.#find(address);
    const block = this.#blocks[at];
    assert(block && block.address === address && !block.free, 'release of an address that was never reserved');
    block.free = true;
    this.#join(at);
    this.#join(at - 1);
  }

  copyIn(address: number, data: Data | Float64Array): void {
    this.#check(address, data.byteLength);
    this.#bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), address);
  }

  copyOut(address: number, data: Data | Float64Array): void {
    this.#check(address, data.byteLength);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    bytes.set(this.#bytes.subarray(address, address + data.byteLength));
  }

  /** Reads zero-terminated text of the module's static data. */
  text(address: number): string {
    return String.fromCharCode(...this.#bytes.slice(address, this.#bytes.indexOf(0, address)));
  }

  #extend(size: number): number {
    const last = this.#blocks.at(-1);
    const address = last?.free ? last.address : last ? last.address + last.bytes : this.#base;
    if (address + size > heapLimit || !this.#grow(address + size)) return 0;
    if (last?.free) {
      last.bytes = size;
      last.free = false;
    } else {
      this.#blocks.push({ address, bytes: size, free: false });
    }
    return address;
  }

  #grow(end: number): boolean {
    const missing = Math.ceil((end - this.#bytes.length) / pageBytes);
    if (missing <= 0) return true;
    try {
      this.#memory.grow(missing);
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    this.#bytes = new Uint8Array(this.#memory.buffer);
    return true;
  }

  /** Joins two adjacent blocks that are both free. */
  #join(at: number): void {
    const block = this.#blocks[at];
    const next = this.#blocks[at + 1];
    if (!block?.free || !next?.free) return;
    block.bytes += next.bytes;
    this.#blocks.splice(at + 1, 1);
  }

  /** Returns the index of the last block that begins at or before an address, or -1. */
  #find(address: number): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#blocks[middle].address <= address) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #check(address: number, bytes: number): void {
    const block = this.#blocks[this.#find(address)];
    const inside = block && !block.free && address + bytes <= block.address + block.bytes;
    assert(inside || bytes === 0, `copy of ${bytes} bytes at ${address}, outside device memory`);
  }
}
