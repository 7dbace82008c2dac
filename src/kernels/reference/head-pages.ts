// Pages of heads, defined: keys and values of every head in blocks of 64 tokens, and attention over them.
//
// A pool is [blocks, Hkv] pieces of 32-bit words: keys [words of the width, 64 tokens], then values [64 / each, Dv]. In
// f32 a word is a number (each = 1). In bf16 a word of a key is two neighbors of the width (a zero beside the last of
// an odd width), a word of values the same column of two neighboring tokens, the first one below. Slot s is token s %
// 64 of block s / 64; a slot of -1 is a padding row and is not written. Attention has the bits of attention_f32 and
// attention_bf16 over the same keys and values, with the same `window`: queries query_start[b] to query_start[b + 1]
// are the last of sequence b's lengths[b] tokens. Rows of no sequence are zeros.
import { newData } from '../dtype.ts';
import { KernelFault, kernel } from '../kernel.ts';
import { blockTokens } from '../sizes.ts';
import { attention } from './attention.ts';
import { findSlot } from './paged.ts';

type Format = 'f32' | 'bf16';

interface Heads {
  readonly Hkv: number;
  readonly Dk: number;
  readonly Dv: number;
}

/** Where a number of a token's head lies, in numbers from the start of the pool. */
class Layout {
  readonly #heads: Heads;
  readonly #each: number;

  constructor(heads: Heads, format: Format) {
    this.#heads = heads;
    this.#each = format === 'f32' ? 1 : 2;
  }

  key(slot: number, h: number, d: number): number {
    const each = this.#each;
    return this.#start(slot, h) + (Math.floor(d / each) * blockTokens + (slot % blockTokens)) * each + (d % each);
  }

  value(slot: number, h: number, c: number): number {
    const each = this.#each;
    const token = slot % blockTokens;
    const row = Math.floor(token / each) * this.#heads.Dv;
    return this.#start(slot, h) + this.#keyNumbers() + (row + c) * each + (token % each);
  }

  #keyNumbers(): number {
    return Math.ceil(this.#heads.Dk / this.#each) * this.#each * blockTokens;
  }

  #start(slot: number, h: number): number {
    const { Hkv, Dv } = this.#heads;
    return (Math.floor(slot / blockTokens) * Hkv + h) * (this.#keyNumbers() + blockTokens * Dv);
  }
}

const viewPool = (pool: Uint8Array, format: Format) =>
  format === 'f32'
    ? new Float32Array(pool.buffer, pool.byteOffset, pool.length / 4)
    : new Uint16Array(pool.buffer, pool.byteOffset, pool.length / 2);

/** keys [tokens, Hkv, Dk] and values [tokens, Hkv, Dv] to their slots. */
function write(format: Format) {
  return (
    keys: ArrayLike<number>,
    values: ArrayLike<number>,
    slots: Int32Array,
    pool: Uint8Array,
    ...[tokens, Hkv, Dk, Dv, blocks]: number[]
  ) => {
    const numbers = viewPool(pool, format);
    const layout = new Layout({ Hkv, Dk, Dv }, format);
    for (let t = 0; t < tokens; t++) {
      const slot = slots[t];
      if (slot < -1 || slot >= blocks * blockTokens)
        throw new KernelFault('indexOutOfRange', t, slot, blocks * blockTokens);
      if (slot < 0) continue;
      for (let h = 0; h < Hkv; h++) {
        for (let d = 0; d < Dk; d++) numbers[layout.key(slot, h, d)] = keys[(t * Hkv + h) * Dk + d];
        for (let c = 0; c < Dv; c++) numbers[layout.value(slot, h, c)] = values[(t * Hkv + h) * Dv + c];
      }
    }
  };
}

/** q [T, Hq, Dk] over the blocks of the sequences to out [T, Hq, Dv]. */
function attend(format: Format) {
  return (
    q: Float32Array | Uint16Array,
    pool: Uint8Array,
    tables: Int32Array,
    lengths: Int32Array,
    queryStart: Int32Array,
    out: Float32Array | Uint16Array,
    ...[B, T, maxQueries, maxBlocks, Hq, Hkv, Dk, Dv, window, scale, blocks]: number[]
  ) => {
    const numbers = viewPool(pool, format);
    const layout = new Layout({ Hkv, Dk, Dv }, format);
    out.fill(0, 0, T * Hq * Dv);
    for (let b = 0; b < B; b++) {
      const [from, end, length] = [queryStart[b], queryStart[b + 1], lengths[b]];
      const room = maxBlocks * blockTokens;
      if (from < 0) throw new KernelFault('badOffsets', b, from, T);
      if (end < from || end > T || end - from > maxQueries) throw new KernelFault('badOffsets', b + 1, end, T);
      if (end === from) continue;
      if (length < end - from || length > room) throw new KernelFault('badOffsets', b, length, room);
      const slots = Array.from({ length }, (_, j) => findSlot(tables, b, j, maxBlocks, blocks));
      const gather = (width: number, at: (slot: number, h: number, d: number) => number) =>
        newData(format, length * Hkv * width).map(
          (_, i) => numbers[at(slots[Math.floor(i / (Hkv * width))], Math.floor(i / width) % Hkv, i % width)],
        );
      const k = gather(Dk, (slot, h, d) => layout.key(slot, h, d));
      const v = gather(Dv, (slot, h, c) => layout.value(slot, h, c));
      const own = q.slice(from * Hq * Dk, end * Hq * Dk);
      const n = end - from;
      const starts = [Int32Array.of(0, n), Int32Array.of(0, length), Int32Array.of(length - n)];
      const strides = [Hq * Dk, Dk, Hkv * Dk, Dk, Hkv * Dv, Dv, Hq * Dv, Dv];
      const words = [1, n, n, length, Hq, Hkv, Dk, Dv, ...strides, 1, window, scale];
      const o = out.subarray(from * Hq * Dv, end * Hq * Dv);
      attention[`attention_${format}`].define(own, k, v, ...starts, o, new Float32Array(0), ...words);
    }
  };
}

const heads = 'Hkv:int Dk:int Dv:int';
const sequences = 'tables:i32 lengths:i32 query_start:i32';
const sizes = `B:int T:int max_queries:int max_blocks:int Hq:int ${heads} window:int scale:float blocks:int` as const;

export const headPages = {
  head_cache_write_f32: kernel(
    `keys:f32 values:f32 slots:i32 pool:u8! tokens:int ${heads} blocks:int`,
    (keys, values, slots, pool, ...words) => write('f32')(keys, values, slots, pool, ...words),
  ),
  head_cache_write_bf16: kernel(
    `keys:bf16 values:bf16 slots:i32 pool:u8! tokens:int ${heads} blocks:int`,
    (keys, values, slots, pool, ...words) => write('bf16')(keys, values, slots, pool, ...words),
  ),
  head_attention_f32: kernel(
    `q:f32 pool:u8 ${sequences} out:f32! ${sizes}`,
    (q, pool, tables, lengths, queryStart, out, ...words) =>
      attend('f32')(q, pool, tables, lengths, queryStart, out, ...words),
  ),
  head_attention_bf16: kernel(
    `q:bf16 pool:u8 ${sequences} out:bf16! ${sizes}`,
    (q, pool, tables, lengths, queryStart, out, ...words) =>
      attend('bf16')(q, pool, tables, lengths, queryStart, out, ...words),
  ),
};
