// RMSNorm, defined: out = x * inv_rms * gain, inv_rms = 1 / sqrt(mean(x^2) + eps) (Zhang and Sennrich 2019).
// A row length (`*_ld`) apart from cols norms a slice in place, such as the latent part of MLA's compressed rows.
import { kernel } from '../kernel.ts';
import { type Numbers, numbersIn } from './formats.ts';

function normRow(x: Numbers, from: number, gain: Float32Array, out: Numbers, to: number, cols: number, eps: number) {
  let square = 0;
  for (let c = 0; c < cols; c++) square += x.get(from + c) ** 2;
  const inverse = 1 / Math.sqrt(square / cols + eps);
  for (let c = 0; c < cols; c++) out.set(to + c, x.get(from + c) * inverse * gain[c]);
  return inverse;
}

const backwardSizes =
  'rows:int cols:int x_ld:int dy_ld:int dx_ld:int x_type:int dy_type:int accumulate_dx:int accumulate_dgain:int';

export const norm = {
  /** inv_rms [rows] may be absent; out may be x. */
  rms_norm: kernel(
    'x:any gain:f32 out:any! inv_rms:f32! rows:int cols:int x_ld:int out_ld:int eps:float x_type:int out_type:int',
    (x, gain, out, invRms, rows, cols, xLd, outLd, eps, xType, outType) => {
      const from = numbersIn(x, xType);
      const to = numbersIn(out, outType);
      for (let r = 0; r < rows; r++) invRms[r] = normRow(from, r * xLd, gain, to, r * outLd, cols, eps);
    },
  ),

  /** sum = x + delta in x's format, out = rms_norm(sum): a residual branch joins and the next one begins. */
  add_rms_norm: kernel(
    'x:any delta:any gain:f32 sum:any! out:any! inv_rms:f32! rows:int cols:int eps:float x_type:int out_type:int',
    (x, delta, gain, sum, out, invRms, rows, cols, eps, xType, outType) => {
      const [a, b, joined] = [numbersIn(x, xType), numbersIn(delta, xType), numbersIn(sum, xType)];
      const to = numbersIn(out, outType);
      for (let i = 0; i < rows * cols; i++) joined.set(i, a.get(i) + b.get(i));
      for (let r = 0; r < rows; r++) invRms[r] = normRow(joined, r * cols, gain, to, r * cols, cols, eps);
    },
  ),

  /**
   * With g = dy * gain: dx (+)= inv_rms * (g - x * inv_rms^2 * mean(g * x)), dgain (+)= sum over rows of
   * dy * x * inv_rms. x and dx share a format; dgain may be absent. Workspace: columnSumWorkspaceBytes.
   */
  rms_norm_backward: kernel(
    `x:any gain:f32 inv_rms:f32 dy:any dx:any! dgain:f32! workspace:f32! ${backwardSizes}`,
    (x, gain, invRms, dy, dx, dgain, _workspace, ...sizes) => {
      const [rows, cols, xLd, dyLd, dxLd, xType, dyType, accumulateDx, accumulateDgain] = sizes;
      const [values, grads, to] = [numbersIn(x, xType), numbersIn(dy, dyType), numbersIn(dx, xType)];
      const dgains = new Float64Array(cols);
      for (let r = 0; r < rows; r++) {
        const inverse = invRms[r];
        let dot = 0;
        for (let c = 0; c < cols; c++) dot += grads.get(r * dyLd + c) * gain[c] * values.get(r * xLd + c);
        for (let c = 0; c < cols; c++) {
          const v = values.get(r * xLd + c);
          const d = grads.get(r * dyLd + c);
          const before = accumulateDx ? to.get(r * dxLd + c) : 0;
          dgains[c] += d * v * inverse;
          to.set(r * dxLd + c, before + inverse * (d * gain[c] - (v * inverse ** 2 * dot) / cols));
        }
      }
      for (let c = 0; c < dgain.length && c < cols; c++) dgain[c] = dgains[c] + (accumulateDgain ? dgain[c] : 0);
    },
  ),
};
