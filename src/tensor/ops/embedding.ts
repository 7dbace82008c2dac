// Rows of a table by id: a tensor, or a weight in blocks, whose rows are decoded where they lie.
import { DeviceError, dtypeCode, isBlocks, ValueError } from '../../kernels/index.ts';
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import { PackedWeight } from '../packed-weight.ts';
import { expectDType, expectFloat, expectRank } from '../shape.ts';
import { empty, type Tensor } from '../tensor.ts';
import { converted } from './elementwise.ts';

type Embedding = Op<readonly [ids: Tensor, table: Tensor], 'f32' | 'bf16', readonly [Tensor]>;

type PackedEmbedding = Op<
  readonly [ids: Tensor],
  { readonly table: PackedWeight; readonly out: 'f32' | 'bf16' },
  readonly [Tensor]
>;

export interface EmbeddingOps {
  embedding: Embedding;
  packedEmbedding: PackedEmbedding;
}

export const embeddings: OpRows<EmbeddingOps> = {
  embedding: {
    name: 'embedding',
    shape: ([ids, table], out) => {
      expectDType(ids, 'i32', 'embedding', 'ids');
      expectFloat(table, 'embedding', 'table');
      expectRank(table, 2, 'embedding', 'table');
      return [{ shape: [...ids.shape, table.shape[1]], dtype: out }];
    },
    forward: (device, [ids, table], [out]) => {
      const [vocab, cols] = table.shape as [number, number];
      const types = { table_type: dtypeCode[table.dtype], out_type: dtypeCode[out.dtype] };
      device.run('embedding', { ids, table, out, tokens: ids.size, vocab, cols, ...types });
    },
    save: ([ids]) => [ids],
    vjp: ({ device, inputs: [ids, table], gradients: [dy] }) => {
      const [vocab, cols] = table.shape as [number, number];
      const [dout, sums] = [dy as Tensor, empty(table.shape, 'f32', device)];
      const sizes = { tokens: ids.size, vocab, cols, dout_type: dtypeCode[dout.dtype], accumulate: 0 };
      device.run('embedding_backward', { ids, dout, dtable: sums, ...sizes });
      const dtable = converted(device, sums, table.dtype as 'f32' | 'bf16');
      sums.dispose();
      return [null, dtable];
    },
  },
  packedEmbedding: {
    name: 'packedEmbedding',
    shape: ([ids], { table, out }) => {
      const op = 'packedEmbedding';
      table.use(op);
      expectDType(ids, 'i32', op, 'ids');
      if (table.device !== ids.device)
        throw new DeviceError(op, 'the table is on another device', 'pack it on the device of the ids');
      if (!isBlocks(table.format) || table.shape.length !== 2)
        throw new ValueError(op, `${table} has no rows of blocks`, 'pass a tensor, or pack [V, D] in int8 or int4');
      return [{ shape: [...ids.shape, table.shape[1]], dtype: out }];
    },
    forward: (device, [ids], [out], { table: { format, panels, shape } }) => {
      const sizes = { tokens: ids.size, vocab: shape[0], cols: shape[1], out_type: dtypeCode[out.dtype] };
      if (isBlocks(format)) device.run(`embedding_panel_${format}`, { ids, panels, out, ...sizes });
    },
    save: saveNothing,
    vjp: null,
  },
};

/**
 * table[ids]: ids [..] i32, table [V, D] f32, bf16 or packed in blocks, to [.., D] in format `out`. An id outside 0 to
 * V - 1 is reported by the next read. A packed table has no gradient.
 */
export function embedding(ids: Tensor, table: Tensor | PackedWeight, out: 'f32' | 'bf16' = 'f32'): Tensor {
  if (table instanceof PackedWeight) return apply(embeddings.packedEmbedding, [ids], { table, out })[0];
  return apply(embeddings.embedding, [ids, table], out)[0];
}
