// Blocks of a cache of keys and values, 64 tokens each: memory that is read, written, and copied by whole blocks. What
// lies in a block is the business of the kind of pool (paged-pool.ts, head-pool.ts). Blocks start as zeros.
import { type Device, ShapeError, ValueError } from '../kernels/index.ts';
import { zeros } from './create.ts';
import { Resource, unscoped } from './scope.ts';
import type { Tensor } from './tensor.ts';

/** Belongs to the scope it was made in, unless it is kept. */
export abstract class CachePool extends Resource {
  readonly blocks: number;
  readonly blockBytes: number;
  /** [blocks, blockBytes] u8 */
  readonly records: Tensor;

  constructor(blocks: number, blockBytes: number, device: Device) {
    const records = unscoped(() => zeros([blocks, blockBytes], { dtype: 'u8', device }));
    super();
    this.blocks = blocks;
    this.blockBytes = blockBytes;
    this.records = records;
  }

  get bytes(): number {
    return this.records.bytes;
  }

  get device(): Device {
    return this.records.device;
  }

  /** The bytes of a block, after everything queued so far. */
  async readBlock(block: number): Promise<Uint8Array> {
    const at = this.#at(block, 'readBlock');
    return this.device.read(this.records.storage.buffer, new Uint8Array(this.blockBytes), at);
  }

  /** Overwrites a block, in queue order. */
  writeBlock(block: number, bytes: Uint8Array): void {
    const at = this.#at(block, 'writeBlock');
    if (bytes.length !== this.blockBytes)
      throw new ShapeError(
        'writeBlock',
        `expected ${this.blockBytes} bytes, received ${bytes.length}`,
        'pass what readBlock returned for a pool with the same format and width',
      );
    this.device.write(this.records.storage.buffer, bytes, at);
    this.records.storage.change();
  }

  /** Copies a block over another, in queue order. */
  copyBlock(from: number, to: number): void {
    const [source, target] = [from, to].map((block) => this.records.address + this.#at(block, 'copyBlock'));
    this.device.run('copy_bytes', { from: source, to: target, n: this.blockBytes });
    this.records.storage.change();
  }

  override dispose(): void {
    this.records.dispose();
  }

  #at(block: number, op: string): number {
    this.records.use(op);
    if (!(Number.isInteger(block) && block >= 0 && block < this.blocks))
      throw new ValueError(op, `block ${block}, expected 0 to ${this.blocks - 1}`, 'pass a block of this pool');
    return block * this.blockBytes;
  }
}
