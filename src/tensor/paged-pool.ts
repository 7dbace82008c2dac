// A pool of cache blocks: 64 records of tokens each, one pool per layer. Its owner tracks which block is whose.
//
// Formats: f32, bf16, or fp8, which keeps the first `codes` numbers of a token (MLA's latent) as E4M3 with a scale for
// each 128 and the rest (the rotary key) as bf16; kernels/reference/paged.ts defines the bytes. Blocks start as
// zeros. Left out: growing.
import { blockTokens, type Device, type PoolFormat, poolFormat, recordBytes, ValueError } from '../kernels/index.ts';
import { CachePool } from './cache-pool.ts';
import { currentDevice } from './current-device.ts';

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
export class PagedPool extends CachePool {
  readonly format: PoolFormat;
  readonly width: number;
  /** 0 unless the format is fp8. */
  readonly codes: number;
  readonly recordBytes: number;

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
    super(blocks, blockTokens * bytes, device);
    this.format = format;
    this.width = width;
    this.codes = codes;
    this.recordBytes = bytes;
  }

  /** The arguments that describe the pool to a kernel. */
  get layout(): { blocks: number; width: number; codes: number; format: number } {
    return { blocks: this.blocks, width: this.width, codes: this.codes, format: poolFormat[this.format] };
  }
}
