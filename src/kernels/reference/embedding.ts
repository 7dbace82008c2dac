// Embedding, defined: out[t, :] = table[ids[t], :], plain or in blocks (panels, here: the blocks as they are), and the
// gradient that adds rows back in token order.
import { decodeBlocks } from '../block-formats.ts';
import { KernelFault, kernel } from '../kernel.ts';
import { blockSize } from '../panel-layout.ts';
import { type PackedBlocks, packedBlocks } from '../sizes.ts';
import { numbersIn } from './formats.ts';

function checked(ids: Int32Array, token: number, vocab: number): number {
  const id = ids[token];
  if (id < 0 || id >= vocab) throw new KernelFault('indexOutOfRange', token, id, vocab);
  return id;
}

function embeddingPanel(format: PackedBlocks) {
  return kernel(
    'ids:i32 panels:u8 out:any! tokens:int vocab:int cols:int out_type:int',
    (ids, panels, out, tokens, vocab, cols, outType) => {
      const to = numbersIn(out, outType);
      const { values, bytes } = blockSize(format);
      const rowBytes = (cols / values) * bytes;
      for (let t = 0; t < tokens; t++) {
        const id = checked(ids, t, vocab);
        const row = decodeBlocks(packedBlocks[format], panels.subarray(id * rowBytes, (id + 1) * rowBytes));
        for (let c = 0; c < cols; c++) to.set(t * cols + c, row[c]);
      }
    },
  );
}

type PanelKernels = { [F in PackedBlocks as `embedding_panel_${F}`]: ReturnType<typeof embeddingPanel> };

export const embedding = {
  ...(Object.fromEntries(
    (Object.keys(packedBlocks) as PackedBlocks[]).map((format) => [
      `embedding_panel_${format}`,
      embeddingPanel(format),
    ]),
  ) as PanelKernels),

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
