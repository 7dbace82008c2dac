// A pool of cache blocks with the keys and values of every head: 64 tokens a block, one pool per layer. Its owner
// tracks which block is whose.
//
// The format is that of the attention that reads it, f32 or bf16; kernels/reference/head-pages.ts defines the bytes.
import { blockTokens, type Device, ValueError } from '../kernels/index.ts';
import { CachePool } from './cache-pool.ts';
import { currentDevice } from './current-device.ts';

export interface HeadPoolOptions {
  readonly format: 'f32' | 'bf16';
  readonly blocks: number;
  readonly heads: number;
  readonly keyWidth: number;
  readonly valueWidth: number;
  /** @default the current device */
  readonly device?: Device;
}

export class HeadPool extends CachePool {
  readonly format: 'f32' | 'bf16';
  readonly heads: number;
  readonly keyWidth: number;
  readonly valueWidth: number;

  constructor({ format, blocks, heads, keyWidth, valueWidth, device = currentDevice() }: HeadPoolOptions) {
    if ([blocks, heads, keyWidth, valueWidth].some((n) => !(Number.isInteger(n) && n > 0)))
      throw new ValueError(
        'HeadPool',
        `${blocks} blocks of ${heads} heads with keys of ${keyWidth} and values of ${valueWidth}`,
        'pass whole numbers above 0',
      );
    const tokenBytes = format === 'f32' ? 4 * (keyWidth + valueWidth) : 4 * Math.ceil(keyWidth / 2) + 2 * valueWidth;
    super(blocks, blockTokens * heads * tokenBytes, device);
    this.format = format;
    this.heads = heads;
    this.keyWidth = keyWidth;
    this.valueWidth = valueWidth;
  }

  /** The arguments that describe the pool to a kernel. */
  get layout(): { Hkv: number; Dk: number; Dv: number; blocks: number } {
    return { Hkv: this.heads, Dk: this.keyWidth, Dv: this.valueWidth, blocks: this.blocks };
  }
}
