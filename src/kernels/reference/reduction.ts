// Reductions, defined: to one number, to one number a row, to one row.
import { kernel } from '../kernel.ts';
import { numbersIn } from './formats.ts';

function total(term: (x: number) => number) {
  return kernel(
    'x:any out:f32! workspace:f32! n:int factor:float x_type:int',
    (x, out, _workspace, n, factor, type) => {
      const values = numbersIn(x, type);
      let sum = 0;
      for (let i = 0; i < n; i++) sum += term(values.get(i));
      out[0] = factor * sum;
    },
  );
}

/** Index of the first NaN from `start` on, else of the largest element: lowest on ties, 0 of nothing. */
function argmax(get: (index: number) => number, start: number, count: number): number {
  let best = Number.NEGATIVE_INFINITY;
  let index = 0;
  for (let c = 0; c < count; c++) {
    const value = get(start + c);
    if (Number.isNaN(value)) return c;
    if (value > best) [best, index] = [value, c];
  }
  return index;
}

export const reduction = {
  /** out = factor * sum of x: the mean with factor 1 / n */
  sum: total((x) => x),
  sum_squares: total((x) => x * x),

  row_sum: kernel('x:any out:f32! rows:int cols:int x_ld:int x_type:int', (x, out, rows, cols, ld, type) => {
    const values = numbersIn(x, type);
    for (let r = 0; r < rows; r++) {
      let sum = 0;
      for (let c = 0; c < cols; c++) sum += values.get(r * ld + c);
      out[r] = sum;
    }
  }),

  /** out[r] = a[r, :] . b[r, :] */
  row_dot: kernel(
    'a:any b:any out:f32! rows:int cols:int a_ld:int b_ld:int a_type:int b_type:int',
    (a, b, out, rows, cols, aLd, bLd, aType, bType) => {
      const left = numbersIn(a, aType);
      const right = numbersIn(b, bType);
      for (let r = 0; r < rows; r++) {
        let sum = 0;
        for (let c = 0; c < cols; c++) sum += left.get(r * aLd + c) * right.get(r * bLd + c);
        out[r] = sum;
      }
    },
  ),

  row_argmax: kernel('x:any out:i32! rows:int cols:int x_ld:int x_type:int', (x, out, rows, cols, ld, type) => {
    const { get } = numbersIn(x, type);
    for (let r = 0; r < rows; r++) out[r] = argmax(get, r * ld, cols);
  }),

  /** out[c] (+)= sum of x[:, c]. Workspace: columnSumWorkspaceBytes. */
  column_sum: kernel(
    'x:any out:f32! workspace:f32! rows:int cols:int x_ld:int x_type:int accumulate:int',
    (x, out, _workspace, rows, cols, ld, type, accumulate) => {
      const values = numbersIn(x, type);
      for (let c = 0; c < cols; c++) {
        let sum = accumulate ? out[c] : 0;
        for (let r = 0; r < rows; r++) sum += values.get(r * ld + c);
        out[c] = sum;
      }
    },
  ),
};
