// Rows of a table by id.
import { dtypeCode } from '../../kernels/index.ts';
import { apply, type Op, type OpRows } from '../op.ts';
import { expectDType, expectFloat, expectRank } from '../shape.ts';
import { empty, type Tensor } from '../tensor.ts';
import { converted } from './elementwise.ts';

type Embedding = Op<readonly [ids: Tensor, table: Tensor], 'f32' | 'bf16', readonly [Tensor]>;

export interface EmbeddingOps {
  embedding: Embedding;
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
};

/**
 * table[ids]: ids [..] i32, table [V, D] f32 or bf16, to [.., D] in format `out`. An id outside 0 to V - 1 is reported
 * by the next read.
 */
export function embedding(ids: Tensor, table: Tensor, out: 'f32' | 'bf16' = 'f32'): Tensor {
  return apply(embeddings.embedding, [ids, table], out)[0];
}
