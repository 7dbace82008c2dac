// Rows of a table by id.
import { codeOf } from '../../kernels/index.ts';
import { apply, type Op, type Rows } from '../op.ts';
import { expectDType, expectFloat, expectRank } from '../shape.ts';
import { empty, type Tensor } from '../tensor.ts';
import { converted } from './elementwise.ts';

interface Embedding extends Op {
  readonly inputs: readonly [ids: Tensor, table: Tensor];
  readonly params: 'f32' | 'bf16';
  readonly outputs: readonly [Tensor];
}

export interface EmbeddingOps {
  embedding: Embedding;
}

export const embeddings: Rows<EmbeddingOps> = {
  embedding: {
    name: 'embedding',
    shape: ([ids, table], out) => {
      expectDType(ids, 'i32', 'embedding', 'ids');
      expectFloat(table, 'embedding', 'table');
      expectRank(table, 2, 'embedding', 'table');
      return [{ shape: [...ids.shape, table.shape[1]], dtype: out }];
    },
    forward: (device, [ids, table], [out]) => {
      const [V, D] = table.shape as [number, number];
      const types = [codeOf[table.dtype], codeOf[out.dtype]] as const;
      device.encode(device.kernel('embedding'), ids.address, table.address, out.address, ids.size, V, D, ...types);
    },
    save: ([ids]) => [ids],
    vjp: ({ device, inputs: [ids, table], gradients: [dy] }) => {
      const [V, D] = table.shape as [number, number];
      const [d, sums] = [dy as Tensor, empty(table.shape, 'f32', device)];
      const kernel = device.kernel('embedding_backward');
      device.encode(kernel, ids.address, d.address, sums.address, ids.size, V, D, codeOf[d.dtype], 0);
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
