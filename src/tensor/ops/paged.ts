// The paged cache: rows into a pool, rows back, and attention that reads the pool. No gradients: for inference.
//
// Everything that varies from step to step is data (tables, lengths, slots, starts), so that a recorded step can be
// replayed with other contents; sizes are bounds. A block id or slot outside the pool is reported by the next read.
import { blockTokens, dtypeCode, pagedAttentionWorkspaceBytes, ShapeError, ValueError } from '../../kernels/index.ts';
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import type { PagedPool } from '../paged-pool.ts';
import { expectDType, expectFloat, expectRank, expectShape, expectTensor, formatShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import type { RopeTensors } from './rope.ts';

type WriteCache = Op<readonly [rows: Tensor, slots: Tensor, records: Tensor], PagedPool, readonly []>;

type WriteLatentCache = Op<
  readonly [x: Tensor, gain: Tensor, positions: Tensor, cos: Tensor, sin: Tensor, slots: Tensor, records: Tensor],
  { readonly pool: PagedPool; readonly eps: number },
  readonly []
>;

type ReadCache = Op<
  readonly [tables: Tensor, starts: Tensor, records: Tensor],
  { readonly pool: PagedPool; readonly rows: number },
  readonly [Tensor]
>;

/** The sequences of a batch, as the pool holds them. All i32. */
export interface PagedSequences {
  /** [B, maxBlocks]: the blocks of each sequence in order; entries beyond its length are not read. */
  readonly tables: Tensor;
  /** [B]: tokens of each sequence, the new ones included. */
  readonly lengths: Tensor;
  /** [B + 1]: sequence b owns queries queryStart[b] to queryStart[b + 1], the last of its tokens; none is fine. */
  readonly queryStart: Tensor;
  /** No sequence has more queries. */
  readonly maxQueries: number;
}

/** Where a key head's numbers lie in a record. The defaults are absorbed MLA's: one head, values in front. */
export interface PagedHeads {
  /** Numbers of a value head, Dv. */
  readonly valueWidth: number;
  /** @default 1 */
  readonly keyHeads?: number;
  /** First key. @default 0 */
  readonly keyOffset?: number;
  /** From key head to key head. @default the width of a key */
  readonly keyStride?: number;
  /** First value. @default 0 */
  readonly valueOffset?: number;
  /** From value head to value head. @default valueWidth */
  readonly valueStride?: number;
  /** @default 1 / sqrt(width of a key) */
  readonly scale?: number;
  /** How many keys a query sees, itself included. @default all */
  readonly window?: number | null;
}

type PagedAttention = Op<
  readonly [q: Tensor, tables: Tensor, lengths: Tensor, queryStart: Tensor, records: Tensor],
  Required<PagedHeads> & { readonly pool: PagedPool; readonly maxQueries: number },
  readonly [Tensor]
>;

export interface PagedOps {
  writeCache: WriteCache;
  writeLatentCache: WriteLatentCache;
  readCache: ReadCache;
  pagedAttention: PagedAttention;
}

/** Queries of a sequence up to which its keys are split over threads. */
const fewQueries = 8;
/** Bytes that the workspace of a split may take; beyond it there are rows enough for all threads. */
const maxWorkspaceBytes = 2 ** 26;

/** Widths that a kernel adds up at once divide by this number or are smaller. */
const widestPanel = 32;

/** Whether a head of codes has scales of its own: it begins with a tile, and no piece of a sum has two. */
function fitsTiles({ codes, tile }: PagedPool, offset: number, stride: number, heads: number, width: number): boolean {
  const starts = offset % tile === 0 && (heads === 1 || stride % tile === 0);
  return offset >= codes || (starts && (width <= tile || tile % widestPanel === 0));
}

/** Heads of a record must lie within it, and in records of codes at tiles. */
function checkHeads(q: Tensor, heads: PagedAttention['params']): void {
  const { pool, keyHeads, keyOffset, keyStride, valueOffset, valueStride, valueWidth } = heads;
  const [, Hq, Dk] = q.shape as [number, number, number];
  if (keyHeads < 1 || Hq % keyHeads !== 0)
    throw new ShapeError(
      'pagedAttention',
      `expected query heads in whole groups, received q ${formatShape(q.shape)} and ${keyHeads} key heads`,
      'use a multiple of the key heads',
    );
  const ends = [keyOffset + (keyHeads - 1) * keyStride + Dk, valueOffset + (keyHeads - 1) * valueStride + valueWidth];
  if (ends.some((end) => end > pool.width) || Math.min(keyOffset, keyStride, valueOffset, valueStride) < 0)
    throw new ShapeError(
      'pagedAttention',
      `keys end at ${ends[0]} and values at ${ends[1]} of records of width ${pool.width}`,
      'correct the offsets and strides of the heads',
    );
  const fits =
    fitsTiles(pool, keyOffset, keyStride, keyHeads, Dk) &&
    fitsTiles(pool, valueOffset, valueStride, keyHeads, valueWidth) &&
    ends[1] <= pool.codes;
  if (pool.codes > 0 && !fits)
    throw new ShapeError(
      'pagedAttention',
      `${pool.format} records have ${pool.codes} codes in tiles of ${pool.tile}, ` +
        `received keys of ${Dk} from ${keyOffset} on and values of ${valueWidth} from ${valueOffset} on`,
      'make a pool whose tiles are the heads, or use format bf16',
    );
}

export const pages: OpRows<PagedOps> = {
  writeCache: {
    name: 'writeCache',
    shape: ([rows, slots], pool) => {
      expectFloat(rows, 'writeCache', 'rows');
      expectShape(rows, [-1, pool.width], 'writeCache', 'rows');
      expectTensor(slots, 'i32', [rows.shape[0]], 'writeCache', 'slots');
      return [];
    },
    forward: (device, [rows, slots, records], _outputs, pool) => {
      const [tokens, width] = rows.shape as [number, number];
      const sizes = { tokens, row_ld: width, rows_type: dtypeCode[rows.dtype] };
      device.run('cache_write', { rows, slots, pool: records, ...sizes, ...pool.layout });
      records.storage.change();
    },
    save: saveNothing,
    vjp: null,
  },

  writeLatentCache: {
    name: 'writeLatentCache',
    shape: ([x, gain, positions, cos, sin, slots], { pool }) => {
      expectTensor(x, 'f32', [-1, pool.width], 'writeLatentCache', 'x');
      const T = x.shape[0];
      expectTensor(positions, 'i32', [T], 'writeLatentCache', 'positions');
      expectTensor(slots, 'i32', [T], 'writeLatentCache', 'slots');
      expectRank(cos, 2, 'writeLatentCache', 'cos');
      expectShape(sin, cos.shape, 'writeLatentCache', 'sin');
      expectDType(gain, 'f32', 'writeLatentCache', 'gain');
      expectShape(gain, [pool.width - 2 * cos.shape[1]], 'writeLatentCache', 'gain');
      return [];
    },
    forward: (device, inputs, _outputs, { pool, eps }) => {
      const [x, gain, positions, cos, sin, slots, records] = inputs;
      const sizes = { tokens: x.shape[0], latent: gain.size, table_length: cos.shape[0], eps };
      device.run('mla_cache_write', { x, gain, cos, sin, positions, slots, pool: records, ...sizes, ...pool.layout });
      records.storage.change();
    },
    save: saveNothing,
    vjp: null,
  },

  readCache: {
    name: 'readCache',
    shape: ([tables, starts], { pool, rows }) => {
      expectDType(tables, 'i32', 'readCache', 'tables');
      expectRank(tables, 2, 'readCache', 'tables');
      expectTensor(starts, 'i32', [tables.shape[0] + 1], 'readCache', 'starts');
      if (!(Number.isInteger(rows) && rows >= 0))
        throw new ValueError('readCache', `${rows} rows`, 'pass a whole number, at least starts[B]');
      return [{ shape: [rows, pool.width], dtype: 'f32' }];
    },
    forward: (device, [tables, starts, records], [out], { pool, rows }) => {
      const sizes = { B: tables.shape[0], S: rows, max_blocks: tables.shape[1] };
      device.run('cache_read', { pool: records, tables, starts, out, ...sizes, ...pool.layout });
    },
    save: saveNothing,
    vjp: null,
  },

  pagedAttention: {
    name: 'pagedAttention',
    shape: ([q, tables, lengths, queryStart], heads) => {
      expectFloat(q, 'pagedAttention', 'q');
      expectRank(q, 3, 'pagedAttention', 'q');
      expectDType(tables, 'i32', 'pagedAttention', 'tables');
      expectRank(tables, 2, 'pagedAttention', 'tables');
      const B = tables.shape[0];
      expectTensor(lengths, 'i32', [B], 'pagedAttention', 'lengths');
      expectTensor(queryStart, 'i32', [B + 1], 'pagedAttention', 'queryStart');
      checkHeads(q, heads);
      return [{ shape: [q.shape[0], q.shape[1], heads.valueWidth], dtype: 'f32' }];
    },
    forward: (device, [q, tables, lengths, queryStart, records], [out], heads) => {
      const { pool, maxQueries, keyHeads, valueWidth, keyOffset, keyStride, valueOffset, valueStride } = heads;
      const { scale, window } = heads;
      const [T, Hq, Dk] = q.shape as [number, number, number];
      const [B, maxBlocks] = tables.shape as [number, number];
      const workspaceBytes = pagedAttentionWorkspaceBytes(T, Hq, valueWidth, maxBlocks);
      const isSplit = maxQueries <= fewQueries && workspaceBytes <= maxWorkspaceBytes;
      const partial = isSplit ? device.alloc(workspaceBytes, 'pagedAttention') : null;
      const sizes = { B, T, max_queries: maxQueries, max_blocks: maxBlocks, Hq, Hkv: keyHeads, Dk, Dv: valueWidth };
      const places = { k_offset: keyOffset, k_head: keyStride, v_offset: valueOffset, v_head: valueStride };
      const mask = { window: window ?? 0, scale };
      const given = {
        q,
        q_type: dtypeCode[q.dtype],
        pool: records,
        tables,
        lengths,
        query_start: queryStart,
        partial,
        out,
      };
      device.run('paged_attention', { ...given, ...sizes, ...places, ...mask, ...pool.layout });
      partial?.free();
    },
    save: saveNothing,
    vjp: null,
  },
};

/**
 * Writes rows [T, width], f32 or bf16, to slots [T] i32 (block * 64 + offset) of a pool; a slot of -1 is not written.
 */
export function writeCache(pool: PagedPool, rows: Tensor, slots: Tensor): void {
  apply(pages.writeCache, [rows, slots, pool.records], pool);
}

/**
 * Writes the cached part of x [T, C + R] in MLA, the output of kv_a_proj_with_mqa: [rmsNorm(x[:C], gain, eps) |
 * rope(x[C:])], in one pass and with the bits of those ops. positions and slots [T] i32; R is twice the table's width.
 */
export function writeLatentCache(
  pool: PagedPool,
  x: Tensor,
  gain: Tensor,
  positions: Tensor,
  slots: Tensor,
  { cos, sin }: RopeTensors,
  eps: number,
): void {
  apply(pages.writeLatentCache, [x, gain, positions, cos, sin, slots, pool.records], { pool, eps });
}

/**
 * All tokens of sequences, end to end, as they are stored: [rows, width] f32. Sequence b of tables [B, maxBlocks] has
 * rows starts[b] to starts[b + 1] (starts [B + 1] i32, as keyStart of attention); rows of no sequence are zeros.
 */
export function readCache(pool: PagedPool, tables: Tensor, starts: Tensor, rows: number): Tensor {
  return apply(pages.readCache, [tables, starts, pool.records], { pool, rows })[0];
}

/**
 * Causal attention of q [T, Hq, Dk], f32 or bf16, over a pool: [T, Hq, Dv] f32. Query i of a sequence's n sees its
 * tokens up to length - n + i, which must have been written. Queries are rounded to bf16 unless the pool is f32. A
 * row's bits depend on its own query and keys alone. Rows of no sequence are zeros.
 */
export function pagedAttention(q: Tensor, pool: PagedPool, sequences: PagedSequences, heads: PagedHeads): Tensor {
  const { tables, lengths, queryStart, maxQueries } = sequences;
  const Dk = q.shape[2] ?? 1;
  const { valueWidth, keyHeads = 1, keyOffset = 0, keyStride = Dk, valueOffset = 0, valueStride = valueWidth } = heads;
  const { scale = Dk ** -0.5, window = null } = heads;
  const places = { valueWidth, keyHeads, keyOffset, keyStride, valueOffset, valueStride, scale, window };
  const params = { ...places, pool, maxQueries };
  return apply(pages.pagedAttention, [q, tables, lengths, queryStart, pool.records], params)[0];
}

/** Returns the number of blocks that hold the given number of tokens. */
export function blocksFor(tokens: number): number {
  return Math.ceil(tokens / blockTokens);
}
