// Embedding, defined: out[t, :] = table[ids[t], :], and the gradient that adds rows back in token order.
import { KernelFault, kernel } from '../kernel.ts';
import { numbersIn } from './formats.ts';

function checked(ids: Int32Array, token: number, vocab: number): number {
  const id = ids[token];
  if (id < 0 || id >= vocab) throw new KernelFault('indexOutOfRange', token, id, vocab);
  return id;
}

export const embedding = {
  embedding: kernel(
    'ids:i32 table:any out:any! tokens:int vocab:int cols:int table_type:int out_type:int',
    (ids, table, out, tokens, vocab, cols, tableType, outType) => {
      const from = numbersIn(table, tableType);
      const to = numbersIn(out, outType);
      for (let t = 0; t < tokens; t++) {
        const id = checked(ids, t, vocab);
        for (let c = 0; c < cols; c++) to.set(t * cols + c, from.get(id * cols + c));
      }
    },
  ),

  /** dtable[ids[t], :] += dout[t, :], tokens in ascending order, from zeros unless `accumulate`. */
  embedding_backward: kernel(
    'ids:i32 dout:any dtable:f32! tokens:int vocab:int cols:int dout_type:int accumulate:int',
    (ids, dout, dtable, tokens, vocab, cols, doutType, accumulate) => {
      const from = numbersIn(dout, doutType);
      if (!accumulate) dtable.fill(0, 0, vocab * cols);
      for (let t = 0; t < tokens; t++) {
        const id = checked(ids, t, vocab);
        for (let c = 0; c < cols; c++) dtable[id * cols + c] += from.get(t * cols + c);
      }
    },
  ),
};
