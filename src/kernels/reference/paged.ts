// The paged cache, defined: records of tokens in blocks of 64, how they are written and read back.
//
// A pool is [blocks, 64, record]; slot s is token s % 64 of block s / 64, -1 a padding row, not written. A record keeps
// `width` numbers of one token:
//   0  f32 as they are; 1  bf16
//   2  FP8: `codes` values as E4M3 with one f32 scale for each `tile` of them (amax / 448), the rest as bf16: codes,
//      scales, rest end to end. MLA: the latent in tiles of 128, as in FlashMLA; others: a tile for each head.
//   3  int8: the same with codes -127 to 127 and scales amax / 127; NaN and codes of 0 where a number is not finite.
// Sources: FlashMLA's FP8 record, vLLM's block tables.
import { fromBf16, fromE4m3, toBf16, toE4m3 } from '../dtype.ts';
import { KernelFault, kernel } from '../kernel.ts';
import { blockTokens, poolFormat, type RecordLayout, recordBytes } from '../sizes.ts';
import { numbersIn } from './formats.ts';
import { norm } from './norm.ts';
import { rope } from './rope.ts';

const { fround } = Math;

/** The codes of one tile in a format, and its scale. */
function encodeTile(values: Float32Array, format: number): { codes: number[]; scale: number } {
  const amax = values.reduce((top, x) => (Math.abs(x) > top ? Math.abs(x) : top), 0);
  if (format === poolFormat.fp8) {
    const scale = fround(Math.max(amax, fround(1e-4)) / 448);
    return { codes: Array.from(values, (x) => toE4m3(fround(x / scale))), scale };
  }
  if (!values.every(Number.isFinite)) return { codes: Array.from(values, () => 0), scale: Number.NaN };
  const scale = amax > 0 ? fround(amax / 127) : 1;
  const magic = 1.5 * 2 ** 23; // added in f32, it rounds to whole numbers, ties to even
  return { codes: Array.from(values, (x) => fround(fround(x / scale) + magic) - magic), scale };
}

export function writeRecord(row: Float32Array, pool: Uint8Array, slot: number, layout: RecordLayout): void {
  const { width, codes, tile, format } = layout;
  const bytes = recordBytes(layout);
  const record = new DataView(pool.buffer, pool.byteOffset + slot * bytes, bytes);
  if (format === poolFormat.f32) {
    for (let c = 0; c < width; c++) record.setFloat32(4 * c, row[c], true);
    return;
  }
  const tiles = Math.ceil(codes / tile);
  for (let i = 0; i < tiles; i++) {
    const encoded = encodeTile(row.slice(i * tile, Math.min(codes, (i + 1) * tile)), format);
    encoded.codes.forEach((code, c) => {
      record.setUint8(i * tile + c, code);
    });
    record.setFloat32(codes + 4 * i, encoded.scale, true);
  }
  const rest = codes + 4 * tiles;
  for (let c = codes; c < width; c++) record.setUint16(rest + 2 * (c - codes), toBf16(row[c]), true);
}

export function readRecord(pool: Uint8Array, slot: number, layout: RecordLayout): Float32Array {
  const { width, codes, tile, format } = layout;
  const bytes = recordBytes(layout);
  const record = new DataView(pool.buffer, pool.byteOffset + slot * bytes, bytes);
  const rest = codes + 4 * Math.ceil(codes / tile);
  return Float32Array.from({ length: width }, (_, c) => {
    if (format === poolFormat.f32) return record.getFloat32(4 * c, true);
    if (c >= codes) return fromBf16(record.getUint16(rest + 2 * (c - codes), true));
    const code = format === poolFormat.int8 ? record.getInt8(c) : fromE4m3(record.getUint8(c));
    return code * record.getFloat32(codes + 4 * Math.floor(c / tile), true);
  });
}

/** Slot of a sequence's token through the block tables [B, maxBlocks]. */
export function findSlot(tables: Int32Array, b: number, token: number, maxBlocks: number, blocks: number): number {
  const at = b * maxBlocks + Math.floor(token / blockTokens);
  const block = tables[at];
  if (block < 0 || block >= blocks) throw new KernelFault('indexOutOfRange', at, block, blocks);
  return block * blockTokens + (token % blockTokens);
}

/** False for a padding row. */
function isWritten(slot: number, t: number, blocks: number): boolean {
  if (slot < -1 || slot >= blocks * blockTokens)
    throw new KernelFault('indexOutOfRange', t, slot, blocks * blockTokens);
  return slot >= 0;
}

const record = 'blocks:int width:int codes:int tile:int format:int';

const table = 'cos:f32 sin:f32 positions:i32';

export const paged = {
  /** rows [tokens, width], `row_ld` apart, to their slots. */
  cache_write: kernel(
    `rows:any slots:i32 pool:u8! tokens:int row_ld:int rows_type:int ${record}`,
    (rows, slots, pool, tokens, rowLd, rowsType, blocks, width, codes, tile, format) => {
      const numbers = numbersIn(rows, rowsType);
      const row = (t: number) => Float32Array.from({ length: width }, (_, c) => numbers.get(t * rowLd + c));
      for (let t = 0; t < tokens; t++)
        if (isWritten(slots[t], t, blocks)) writeRecord(row(t), pool, slots[t], { width, codes, tile, format });
    },
  ),

  /**
   * What MLA caches of x [tokens, latent + rotary] (the output of kv_a_proj_with_mqa): the first `latent` numbers
   * normed by gain, the others rotated to the token's position (pairs are neighbors). width = latent + rotary.
   */
  mla_cache_write: kernel(
    `x:f32 gain:f32 ${table} slots:i32 pool:u8! tokens:int latent:int table_length:int eps:float ${record}`,
    (x, gain, cos, sin, positions, slots, pool, tokens, latent, length, eps, blocks, width, codes, tile, format) => {
      const rotary = width - latent;
      for (let t = 0; t < tokens; t++) {
        if (!isWritten(slots[t], t, blocks)) continue;
        const row = x.slice(t * width, (t + 1) * width);
        const bytes = new Uint8Array(row.buffer);
        norm.rms_norm.define(bytes, gain, bytes, new Float32Array(1), 1, latent, latent, latent, eps, 0, 0);
        const turned = bytes.subarray(4 * latent);
        const position = positions.subarray(t, t + 1);
        if (position[0] < 0 || position[0] >= length) throw new KernelFault('indexOutOfRange', t, position[0], length);
        rope.rope.define(turned, turned, cos, sin, position, 1, 1, rotary, 0, 0, 0, 0, length, 0, 0, 0);
        writeRecord(row, pool, slots[t], { width, codes, tile, format });
      }
    },
  ),

  /**
   * Tokens 0 to starts[b + 1] - starts[b] of each sequence, end to end from row starts[b] on: out [S, width]. Rows of
   * no sequence are zeros.
   */
  cache_read: kernel(
    `pool:u8 tables:i32 starts:i32 out:f32! B:int S:int max_blocks:int ${record}`,
    (pool, tables, starts, out, B, S, maxBlocks, blocks, width, codes, tile, format) => {
      out.fill(0, 0, S * width);
      for (let b = 0; b < B; b++) {
        const from = starts[b];
        const to = starts[b + 1];
        if (from < 0) throw new KernelFault('badOffsets', b, from, S);
        if (to < from || to > S || to - from > maxBlocks * blockTokens)
          throw new KernelFault('badOffsets', b + 1, to, S);
        for (let j = 0; j < to - from; j++) {
          const slot = findSlot(tables, b, j, maxBlocks, blocks);
          out.set(readRecord(pool, slot, { width, codes, tile, format }), (from + j) * width);
        }
      }
    },
  ),
};
