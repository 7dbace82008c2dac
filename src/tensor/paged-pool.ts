// A pool of cache blocks: 64 records of tokens each, one pool per layer. Its owner tracks which block is whose.
//
// Formats: f32, bf16, or codes of a byte (fp8, int8), which keep the first `codes` numbers of a token with a scale for
// each `tile` of them and the rest as bf16 (the rotary key of MLA); kernels/reference/paged.ts defines the bytes.
// Blocks start as zeros. Left out: growing.
import {
  blockTokens,
  type Device,
  type PoolFormat,
  poolFormat,
  type RecordLayout,
  recordBytes,
  tileSize,
  ValueError,
} from '../kernels/index.ts';
import { CachePool } from './cache-pool.ts';
import { currentDevice } from './current-device.ts';

export interface PagedPoolOptions {
  readonly format: PoolFormat;
  /** Numbers a token: C + R of MLA, keys and values of all heads of GQA. */
  readonly width: number;
  readonly blocks: number;
  /** Leading numbers kept as codes with formats fp8 and int8 (MLA: C), even. */
  readonly codes?: number;
  /** Codes that share a scale, even. @default 128 */
  readonly tile?: number;
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
  /** 0 unless the format is fp8 or int8. */
  readonly codes: number;
  readonly tile: number;
  readonly recordBytes: number;

  constructor({ format, width, blocks, codes = 0, tile = tileSize, device = currentDevice() }: PagedPoolOptions) {
    if (!isCount(width) || !isCount(blocks))
      throw new ValueError('PagedPool', `${blocks} blocks of width ${width}`, 'pass whole numbers above 0');
    const hasCodes = format === 'fp8' || format === 'int8';
    if (hasCodes ? !isCount(codes) || codes % 2 !== 0 || codes > width : codes !== 0)
      throw new ValueError(
        'PagedPool',
        `${codes} codes of width ${width} in format ${format}`,
        hasCodes ? 'give the number of codes: even, at most all numbers' : 'only fp8 and int8 have codes',
      );
    if (!isCount(tile) || tile % 2 !== 0)
      throw new ValueError('PagedPool', `tiles of ${tile} codes`, 'pass an even number above 0');
    const bytes = recordBytes({ width, codes, tile, format: poolFormat[format] });
    super(blocks, blockTokens * bytes, device);
    this.format = format;
    this.width = width;
    this.codes = codes;
    this.tile = tile;
    this.recordBytes = bytes;
  }

  /** The arguments that describe the pool to a kernel. */
  get layout(): RecordLayout & { readonly blocks: number } {
    const { blocks, width, codes, tile, format } = this;
    return { blocks, width, codes, tile, format: poolFormat[format] };
  }
}
