// A pool of cache blocks: 64 records of tokens each, one pool per layer. Its owner tracks which block is whose.
//
// Formats: f32, bf16, or fp8, which keeps the first `codes` numbers of a token (MLA's latent) as E4M3 with a scale for
// each 128 and the rest (the rotary key) as bf16; kernels/reference/paged.ts defines the bytes. Blocks start as
// zeros. Left out: growing.
import {
  blockTokens,
  type Device,
  type PoolFormat,
  poolFormat,
  recordBytes,
  ShapeError,
  ValueError,
} from '../kernels/index.ts';
import { zeros } from './create.ts';
import { currentDevice } from './current-device.ts';
import { Resource, unscoped } from './scope.ts';
import type { Tensor } from './tensor.ts';

export interface PagedPoolOptions {
  readonly format: PoolFormat;
  /** Numbers a token: C + R of MLA, keys and values of all heads of GQA. */
  readonly width: number;
  readonly blocks: number;
  /** Leading numbers kept as E4M3 with format fp8 (MLA: C), even. */
  readonly codes?: number;
  /** @default the current device */
  readonly device?: Device;
}

function isCount(n: number): boolean {
  return Number.isInteger(n) && n > 0;
}

/** Belongs to the scope it was made in, unless it is kept. */
export class PagedPool extends Resource {
  readonly format: PoolFormat;
  readonly width: number;
  readonly blocks: number;
  /** 0 unless the format is fp8. */
  readonly codes: number;
  readonly recordBytes: number;
  /** [blocks, 64, recordBytes] u8 */
  readonly records: Tensor;

  constructor({ format, width, blocks, codes = 0, device = currentDevice() }: PagedPoolOptions) {
    if (!isCount(width) || !isCount(blocks))
      throw new ValueError('PagedPool', `${blocks} blocks of width ${width}`, 'pass whole numbers above 0');
    const isFp8 = format === 'fp8';
    if (isFp8 ? !isCount(codes) || codes % 2 !== 0 || codes > width : codes !== 0)
      throw new ValueError(
        'PagedPool',
        `${codes} codes of width ${width} in format ${format}`,
        isFp8 ? 'give the number of codes: even, at most all numbers' : 'only fp8 has codes',
      );
    const bytes = recordBytes({ width, codes, format: poolFormat[format] });
    const records = unscoped(() => zeros([blocks, blockTokens, bytes], { dtype: 'u8', device }));
    super();
    this.format = format;
    this.width = width;
    this.blocks = blocks;
    this.codes = codes;
    this.recordBytes = bytes;
    this.records = records;
  }

  get bytes(): number {
    return this.records.bytes;
  }

  get device(): Device {
    return this.records.device;
  }

  /** The arguments that describe the pool to a kernel. */
  get layout(): { blocks: number; width: number; codes: number; format: number } {
    return { blocks: this.blocks, width: this.width, codes: this.codes, format: poolFormat[this.format] };
  }

  /** The bytes of a block, after everything queued so far. */
  async readBlock(block: number): Promise<Uint8Array> {
    const at = this.#at(block, 'readBlock');
    return this.device.read(this.records.storage.buffer, new Uint8Array(blockTokens * this.recordBytes), at);
  }

  /** Overwrites a block, in queue order. */
  writeBlock(block: number, bytes: Uint8Array): void {
    const at = this.#at(block, 'writeBlock');
    if (bytes.length !== blockTokens * this.recordBytes)
      throw new ShapeError(
        'writeBlock',
        `expected ${blockTokens * this.recordBytes} bytes, received ${bytes.length}`,
        'pass what readBlock returned for a pool with the same format and width',
      );
    this.device.write(this.records.storage.buffer, bytes, at);
    this.records.storage.change();
  }

  /** Copies a block over another, in queue order. */
  copyBlock(from: number, to: number): void {
    const [source, target] = [from, to].map((block) => this.records.address + this.#at(block, 'copyBlock'));
    this.device.run('copy_bytes', { from: source, to: target, n: blockTokens * this.recordBytes });
    this.records.storage.change();
  }

  override dispose(): void {
    this.records.dispose();
  }

  #at(block: number, op: string): number {
    this.records.use(op);
    if (!(Number.isInteger(block) && block >= 0 && block < this.blocks))
      throw new ValueError(op, `block ${block}, expected 0 to ${this.blocks - 1}`, 'pass a block of this pool');
    return block * blockTokens * this.recordBytes;
  }
}
