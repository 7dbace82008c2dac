// RMSNorm, defined: out = x * inv_rms * gain, inv_rms = 1 / sqrt(mean(x^2) + eps) (Zhang and Sennrich 2019).
// A row length (`*_ld`) apart from cols norms a slice in place, such as the latent part of MLA's compressed rows.
import { toBf16 } from '../dtype.ts';
import { kernel } from '../kernel.ts';
import { type Numbers, numbersIn } from './formats.ts';

function normRow(x: Numbers, from: number, gain: Float32Array, out: Numbers, to: number, cols: number, eps: number) {
  let square = 0;
  for (let c = 0; c < cols; c++) square += x.get(from + c) ** 2;
  const inverse = 1 / Math.sqrt(square / cols + eps);
  for (let c = 0; c < cols; c++) out.set(to + c, x.get(from + c) * inverse * gain[c]);
  return inverse;
}

const joinedSizes = 'rows:int cols:int eps:float x_type:int delta_type:int out_type:int';
const backwardSizes = 'rows:int cols:int x_ld:int dy_ld:int dx_ld:int x_type:int dy_type:int accumulate_dgain:int';

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
    `x:any delta:any gain:f32 sum:any! out:any! inv_rms:f32! ${joinedSizes}`,
    (x, delta, gain, sum, out, invRms, rows, cols, eps, xType, deltaType, outType) => {
      const [a, b, joined] = [numbersIn(x, xType), numbersIn(delta, deltaType), numbersIn(sum, xType)];
      const to = numbersIn(out, outType);
      for (let i = 0; i < rows * cols; i++) joined.set(i, a.get(i) + b.get(i));
      for (let r = 0; r < rows; r++) invRms[r] = normRow(joined, r * cols, gain, to, r * cols, cols, eps);
    },
  ),

  /**
   * With g = dy * gain: dx = added + inv_rms * (g - x * inv_rms^2 * mean(g * x)), dgain (+)= sum over rows of
   * dy * x * inv_rms. x, added (another gradient of x, perhaps dx itself) and dx share a format and a row length;
   * rounded [rows, cols] is dx once more, in bf16. added, rounded and dgain may be absent. Workspace:
   * columnSumWorkspaceBytes.
   */
  rms_norm_backward: kernel(
    `x:any gain:f32 inv_rms:f32 dy:any added:any dx:any! rounded:bf16! dgain:f32! workspace:f32! ${backwardSizes}`,
    (x, gain, invRms, dy, added, dx, rounded, dgain, _workspace, ...sizes) => {
      const [rows, cols, xLd, dyLd, dxLd, xType, dyType, accumulateDgain] = sizes;
      const [values, grads, to] = [numbersIn(x, xType), numbersIn(dy, dyType), numbersIn(dx, xType)];
      const others = added.length > 0 ? numbersIn(added, xType) : null;
      const dgains = new Float64Array(cols);
      for (let r = 0; r < rows; r++) {
        const inverse = invRms[r];
        let dot = 0;
        for (let c = 0; c < cols; c++) dot += grads.get(r * dyLd + c) * gain[c] * values.get(r * xLd + c);
        for (let c = 0; c < cols; c++) {
          const v = values.get(r * xLd + c);
          const d = grads.get(r * dyLd + c);
          const sum = (others?.get(r * dxLd + c) ?? 0) + inverse * (d * gain[c] - (v * inverse ** 2 * dot) / cols);
          dgains[c] += d * v * inverse;
          to.set(r * dxLd + c, sum);
          if (rounded.length > 0) rounded[r * cols + c] = toBf16(sum);
        }
      }
      for (let c = 0; c < dgain.length && c < cols; c++) dgain[c] = dgains[c] + (accumulateDgain ? dgain[c] : 0);
    },
  ),
};
