// The paged cache, defined: records of tokens in blocks of 64, how they are written and read back.
//
// A pool is [blocks, 64, record]; slot s is token s % 64 of block s / 64. A record keeps `width` numbers of one token:
//   0  f32 as they are
//   1  bf16
//   2  FP8 as FlashMLA keeps MLA's latent: `codes` values as E4M3 with one f32 scale for each 128 (amax / 448), the
//      rest (the rotary key) as bf16: codes, scales, rest end to end; 656 bytes for 512 + 64.
// A slot of -1 is a padding row and is not written. Sources: FlashMLA's FP8 record, vLLM's block tables.
import { fromBf16, fromE4m3, toBf16 } from '../dtype.ts';
import { KernelFault, kernel } from '../kernel.ts';
import { blockTokens, poolFormat, type RecordLayout, recordBytes, tilesIn } from '../sizes.ts';
import { numbersIn } from './formats.ts';
import { norm } from './norm.ts';
import { quantizeKernels } from './quantize.ts';
import { rope } from './rope.ts';

export function writeRecord(row: Float32Array, pool: Uint8Array, slot: number, layout: RecordLayout): void {
  const { width, codes, format } = layout;
  const bytes = recordBytes(layout);
  const record = new DataView(pool.buffer, pool.byteOffset + slot * bytes, bytes);
  if (format === poolFormat.f32) {
    for (let c = 0; c < width; c++) record.setFloat32(4 * c, row[c], true);
    return;
  }
  const scales = new Float32Array(tilesIn(codes));
  const latent = new Uint8Array(row.slice(0, codes).buffer);
  const values = new Uint8Array(codes);
  quantizeKernels.quantize_tiles_e4m3.define(latent, values, scales, 0, codes > 0 ? 1 : 0, codes, 0);
  values.forEach((code, c) => {
    record.setUint8(c, code);
  });
  scales.forEach((scale, i) => {
    record.setFloat32(codes + 4 * i, scale, true);
  });
  const rest = codes + 4 * scales.length;
  for (let c = codes; c < width; c++) record.setUint16(rest + 2 * (c - codes), toBf16(row[c]), true);
}

export function readRecord(pool: Uint8Array, slot: number, layout: RecordLayout): Float32Array {
  const { width, codes, format } = layout;
  const bytes = recordBytes(layout);
  const record = new DataView(pool.buffer, pool.byteOffset + slot * bytes, bytes);
  const rest = codes + 4 * tilesIn(codes);
  return Float32Array.from({ length: width }, (_, c) => {
    if (format === poolFormat.f32) return record.getFloat32(4 * c, true);
    if (c >= codes) return fromBf16(record.getUint16(rest + 2 * (c - codes), true));
    return fromE4m3(record.getUint8(c)) * record.getFloat32(codes + 4 * Math.floor(c / 128), true);
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

const record = 'blocks:int width:int codes:int format:int';

const table = 'cos:f32 sin:f32 positions:i32';

export const paged = {
  /** rows [tokens, width], `row_ld` apart, to their slots. */
  cache_write: kernel(
    `rows:any slots:i32 pool:u8! tokens:int row_ld:int rows_type:int ${record}`,
    (rows, slots, pool, tokens, rowLd, rowsType, blocks, width, codes, format) => {
      const numbers = numbersIn(rows, rowsType);
      const row = (t: number) => Float32Array.from({ length: width }, (_, c) => numbers.get(t * rowLd + c));
      for (let t = 0; t < tokens; t++)
        if (isWritten(slots[t], t, blocks)) writeRecord(row(t), pool, slots[t], { width, codes, format });
    },
  ),

  /**
   * What MLA caches of x [tokens, latent + rotary] (the output of kv_a_proj_with_mqa): the first `latent` numbers
   * normed by gain, the others rotated to the token's position (pairs are neighbors). width = latent + rotary.
   */
  mla_cache_write: kernel(
    `x:f32 gain:f32 ${table} slots:i32 pool:u8! tokens:int latent:int table_length:int eps:float ${record}`,
    (x, gain, cos, sin, positions, slots, pool, tokens, latent, length, eps, blocks, width, codes, format) => {
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
        writeRecord(row, pool, slots[t], { width, codes, format });
      }
    },
  ),

  /**
   * Tokens 0 to starts[b + 1] - starts[b] of each sequence, end to end from row starts[b] on: out [S, width]. Rows of
   * no sequence are zeros.
   */
  cache_read: kernel(
    `pool:u8 tables:i32 starts:i32 out:f32! B:int S:int max_blocks:int ${record}`,
    (pool, tables, starts, out, B, S, maxBlocks, blocks, width, codes, format) => {
      out.fill(0, 0, S * width);
      for (let b = 0; b < B; b++) {
        const from = starts[b];
        const to = starts[b + 1];
        if (from < 0) throw new KernelFault('badOffsets', b, from, S);
        if (to < from || to > S || to - from > maxBlocks * blockTokens)
          throw new KernelFault('badOffsets', b + 1, to, S);
        for (let j = 0; j < to - from; j++) {
          const slot = findSlot(tables, b, j, maxBlocks, blocks);
          out.set(readRecord(pool, slot, { width, codes, format }), (from + j) * width);
        }
      }
    },
  ),
};
