// Pieces of device memory: taken from an arena, or cut from a mapped file.
//
// Contract of a mapping: its bytes are those of the file, read from the disk when a kernel first touches them, and
// dropped when memory is short. Writes stay in this process. The file must not become shorter while it is mapped: the
// system then ends the process, as it does for every program that maps files.
import type { Device } from './device.ts';
import { assert } from './errors.ts';

/** Takes a freed buffer's memory back. */
interface Owner {
  free(address: number, bytes: number): void;
}

export class Buffer {
  readonly device: Device;
  readonly bytes: number;
  readonly #owner: Owner;
  #address: number;
  #freed = false;

  constructor(device: Device, owner: Owner, address: number, bytes: number) {
    this.device = device;
    this.#owner = owner;
    this.#address = address;
    this.bytes = bytes;
  }

  get address(): number {
    return this.#address;
  }

  /** For the end of a recording, which gives its buffers their places. */
  move(address: number): void {
    this.#address = address;
  }

  get freed(): boolean {
    return this.#freed;
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#owner.free(this.#address, this.bytes);
  }
}

/** A mapped file. It is unmapped in stream order, once it is closed and the last buffer cut from it is freed. */
export class Mapping {
  readonly device: Device;
  readonly bytes: number;
  readonly #address: number;
  readonly #unmap: (address: number) => void;
  #users = 1;
  #closed = false;

  /** For Device.map only. */
  constructor(device: Device, address: number, bytes: number, unmap: (address: number) => void) {
    this.device = device;
    this.bytes = bytes;
    this.#address = address;
    this.#unmap = unmap;
  }

  /** Returns part of the file as a buffer. */
  cut(offset: number, bytes: number): Buffer {
    assert(!this.#closed, 'a closed mapping was cut');
    assert(offset >= 0 && offset + bytes <= this.bytes, `bytes ${offset} to ${offset + bytes} of ${this.bytes} mapped`);
    this.#users++;
    return new Buffer(this.device, { free: () => this.#leave() }, this.#address + offset, bytes);
  }

  /** Buffers cut from it stay valid. Closing twice is no error. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#leave();
  }

  #leave(): void {
    if (--this.#users === 0) this.#unmap(this.#address);
  }
}
