// Tokens to their experts and back, defined: the plan (pairs sorted by expert, stable in token order), the gather, the
// weighted sum in ascending slot order on top of `base`, and its gradient.
import { KernelFault, kernel } from '../kernel.ts';
import { numbersIn } from './formats.ts';

function check(where: number, index: number, limit: number): number {
  if (index < 0 || index >= limit) throw new KernelFault('indexOutOfRange', where, index, limit);
  return index;
}

const backwardWords = 'dout_type:int y_type:int dy_type:int T:int K:int rows:int cols:int';

export const dispatch = {
  dispatch_plan: kernel(
    'indices:i32 offsets:i32! row_index:i32! token_index:i32! T:int K:int E:int',
    (indices, offsets, rowIndex, tokenIndex, T, K, E) => {
      for (let i = 0; i < T * K; i++) check(i, indices[i], E);
      let row = 0;
      for (let e = 0; e < E; e++) {
        offsets[e] = row;
        for (let i = 0; i < T * K; i++) {
          if (indices[i] !== e) continue;
          rowIndex[i] = row;
          tokenIndex[row++] = Math.floor(i / K);
        }
      }
      offsets[E] = row;
    },
  ),

  permute_rows: kernel(
    'x:any token_index:i32 out:any! rows:int tokens:int row_bytes:int',
    (x, tokenIndex, out, rows, tokens, rowBytes) => {
      for (let r = 0; r < rows; r++) {
        const at = check(r, tokenIndex[r], tokens) * rowBytes;
        out.set(x.subarray(at, at + rowBytes), r * rowBytes);
      }
    },
  ),

  unpermute_rows: kernel(
    'y:any row_index:i32 weights:f32 base:any out:any! y_type:int out_type:int T:int K:int rows:int cols:int',
    (y, rowIndex, weights, base, out, yType, outType, T, K, rows, cols) => {
      for (let i = 0; i < T * K; i++) check(i, rowIndex[i], rows);
      const from = numbersIn(y, yType);
      const start = base.length > 0 ? numbersIn(base, outType) : { get: () => 0 };
      const to = numbersIn(out, outType);
      for (let t = 0; t < T; t++)
        for (let c = 0; c < cols; c++) {
          let sum = start.get(t * cols + c);
          for (let i = t * K; i < (t + 1) * K; i++) sum += (weights[i] ?? 1) * from.get(rowIndex[i] * cols + c);
          to.set(t * cols + c, sum);
        }
    },
  ),

  unpermute_rows_backward: kernel(
    `dout:any y:any row_index:i32 weights:f32 dy:any! dweights:f32! ${backwardWords}`,
    (dout, y, rowIndex, weights, dy, dweights, doutType, yType, dyType, T, K, rows, cols) => {
      for (let i = 0; i < T * K; i++) check(i, rowIndex[i], rows);
      const from = numbersIn(dout, doutType);
      const value = numbersIn(y, yType);
      const to = numbersIn(dy, dyType);
      for (let i = 0; i < T * K; i++) {
        const token = Math.floor(i / K) * cols;
        const row = rowIndex[i] * cols;
        let dot = 0;
        for (let c = 0; c < cols; c++) {
          to.set(row + c, (weights[i] ?? 1) * from.get(token + c));
          if (dweights.length > 0) dot += value.get(row + c) * from.get(token + c);
        }
        if (dweights.length > 0) dweights[i] = dot;
      }
    },
  ),
};
