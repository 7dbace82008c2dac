// Pages of heads: keys and values into a pool, and attention that reads the pool, with the bits of `attention` over the
// same keys and values. No gradients: for rollouts. Tables, lengths, slots and starts are data, as in paged.ts.
import { ShapeError } from '../../kernels/index.ts';
import type { HeadPool } from '../head-pool.ts';
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import { expectDType, expectRank, expectTensor, formatShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import type { PagedSequences } from './paged.ts';

type WriteHeads = Op<readonly [keys: Tensor, values: Tensor, slots: Tensor, records: Tensor], HeadPool, readonly []>;

interface HeadAttentionParams {
  readonly pool: HeadPool;
  readonly maxQueries: number;
  readonly scale: number;
  readonly window: number | null;
}

type HeadAttention = Op<
  readonly [q: Tensor, tables: Tensor, lengths: Tensor, queryStart: Tensor, records: Tensor],
  HeadAttentionParams,
  readonly [Tensor]
>;

export interface HeadPageOps {
  writeHeads: WriteHeads;
  headAttention: HeadAttention;
}

export const headPages: OpRows<HeadPageOps> = {
  writeHeads: {
    name: 'writeHeads',
    shape: ([keys, values, slots], { format, heads, keyWidth, valueWidth }) => {
      const T = keys.shape[0];
      expectTensor(keys, format, [-1, heads, keyWidth], 'writeHeads', 'keys');
      expectTensor(values, format, [T, heads, valueWidth], 'writeHeads', 'values');
      expectTensor(slots, 'i32', [T], 'writeHeads', 'slots');
      return [];
    },
    forward: (device, [keys, values, slots, records], _outputs, pool) => {
      const given = { keys, values, slots, pool: records, tokens: keys.shape[0], ...pool.layout };
      device.run(`head_cache_write_${pool.format}`, given);
      records.storage.change();
    },
    save: saveNothing,
    vjp: null,
  },

  headAttention: {
    name: 'headAttention',
    shape: ([q, tables, lengths, queryStart], { pool }) => {
      expectTensor(q, pool.format, [-1, -1, pool.keyWidth], 'headAttention', 'q');
      const [T, Hq] = q.shape as [number, number, number];
      if (Hq % pool.heads !== 0)
        throw new ShapeError(
          'headAttention',
          `expected query heads in whole groups, received q ${formatShape(q.shape)} and ${pool.heads} key heads`,
          'use a multiple of the key heads',
        );
      expectDType(tables, 'i32', 'headAttention', 'tables');
      expectRank(tables, 2, 'headAttention', 'tables');
      const B = tables.shape[0];
      expectTensor(lengths, 'i32', [B], 'headAttention', 'lengths');
      expectTensor(queryStart, 'i32', [B + 1], 'headAttention', 'queryStart');
      return [{ shape: [T, Hq, pool.valueWidth], dtype: pool.format }];
    },
    forward: (device, [q, tables, lengths, queryStart, records], [out], { pool, maxQueries, scale, window }) => {
      const [T, Hq] = q.shape as [number, number, number];
      const [B, maxBlocks] = tables.shape as [number, number];
      const sizes = { B, T, max_queries: maxQueries, max_blocks: maxBlocks, Hq, window: window ?? 0, scale };
      const given = { q, pool: records, tables, lengths, query_start: queryStart, out };
      device.run(`head_attention_${pool.format}`, { ...given, ...sizes, ...pool.layout });
    },
    save: saveNothing,
    vjp: null,
  },
};

/** Writes keys [T, G, Dk] and values [T, G, Dv] in the pool's format to slots [T] i32; a slot of -1 is not written. */
export function writeHeads(pool: HeadPool, keys: Tensor, values: Tensor, slots: Tensor): void {
  apply(headPages.writeHeads, [keys, values, slots, pool.records], pool);
}

/**
 * Causal attention of q [T, Hq, Dk] over a pool, all in the pool's format: [T, Hq, Dv], with the bits of `attention`
 * over the same keys and values. Query i of a sequence's n sees its tokens up to length - n + i, which must have been
 * written, and the last ones of them where there is a window. Rows of no sequence are zeros. @default scale: 1 /
 * sqrt(Dk), window: none
 */
export function headAttention(
  q: Tensor,
  pool: HeadPool,
  { tables, lengths, queryStart, maxQueries }: PagedSequences,
  { scale = pool.keyWidth ** -0.5, window = null }: { scale?: number; window?: number | null } = {},
): Tensor {
  const params = { pool, maxQueries, scale, window };
  return apply(headPages.headAttention, [q, tables, lengths, queryStart, pool.records], params)[0];
}
