// RMSNorm (Zhang and Sennrich 2019), alone and joined with the residual sum before it.
import { columnSumWorkspaceBytes, type Device, dtypeCode } from '../../kernels/index.ts';
import { full } from '../create.ts';
import { apply, type Op, type OpRows } from '../op.ts';
import { expectFloat, expectSameShape, expectTensor, lastDim, rowCount } from '../shape.ts';
import { emptyLike, type Tensor } from '../tensor.ts';
import { converted } from './elementwise.ts';

interface NormParams {
  readonly eps: number;
  readonly out: 'f32' | 'bf16';
}

type RmsNorm = Op<readonly [x: Tensor, gain: Tensor], NormParams, readonly [out: Tensor, invRms: Tensor]>;

type AddRmsNorm = Op<
  readonly [x: Tensor, delta: Tensor, gain: Tensor],
  NormParams,
  readonly [sum: Tensor, out: Tensor, invRms: Tensor]
>;

export interface NormOps {
  rmsNorm: RmsNorm;
  addRmsNorm: AddRmsNorm;
}

function expectNorm(op: string, x: Tensor, gain: Tensor): void {
  expectFloat(x, op, 'x');
  expectTensor(gain, 'f32', [lastDim(x.shape)], op, 'gain');
}

interface NormBackward {
  readonly x: Tensor;
  readonly gain: Tensor;
  readonly invRms: Tensor;
  readonly dy: Tensor;
  /** Another gradient of x, added to dx. */
  readonly added: Tensor | null;
  readonly dx: Tensor;
  /** dx once more, in bf16. */
  readonly rounded: Tensor | null;
  readonly needsGain: boolean;
}

/** Fills dx and returns the gradient of the gain; both come from one kernel, so dx is always made. */
function normBackward(device: Device, { needsGain, ...given }: NormBackward): Tensor | null {
  const { x, gain, invRms, dy, added, dx, rounded } = given;
  const [rows, cols] = [rowCount(x.shape), lastDim(x.shape)];
  const dgain = needsGain ? emptyLike(gain) : null;
  const workspace = device.alloc(columnSumWorkspaceBytes(rows, cols), 'rmsNorm');
  const strides = { x_ld: cols, dy_ld: cols, dx_ld: cols };
  const types = { x_type: dtypeCode[x.dtype], dy_type: dtypeCode[dy.dtype] };
  const places = { x, gain, inv_rms: invRms, dy, added, dx, rounded, dgain, workspace };
  device.run('rms_norm_backward', { ...places, rows, cols, ...strides, ...types, accumulate_dgain: 0 });
  workspace.free();
  return dgain;
}

export const norm: OpRows<NormOps> = {
  rmsNorm: {
    name: 'rmsNorm',
    shape: ([x, gain], { out }) => {
      expectNorm('rmsNorm', x, gain);
      return [
        { shape: x.shape, dtype: out },
        { shape: x.shape.slice(0, -1), dtype: 'f32' },
      ];
    },
    forward: (device, [x, gain], [out, invRms], { eps }) => {
      const [rows, cols] = [rowCount(x.shape), lastDim(x.shape)];
      const types = { x_type: dtypeCode[x.dtype], out_type: dtypeCode[out.dtype] };
      device.run('rms_norm', { x, gain, out, inv_rms: invRms, rows, cols, x_ld: cols, out_ld: cols, eps, ...types });
    },
    save: ([x, gain], [, invRms]) => [x, gain, invRms],
    vjp: ({ device, inputs: [x, gain], outputs: [, invRms], gradients: [dy], needs }) => {
      const dx = emptyLike(x);
      const given = { x, gain, invRms, dy: dy as Tensor, added: null, dx, rounded: null, needsGain: needs[1] };
      return [dx, normBackward(device, given)];
    },
  },

  addRmsNorm: {
    name: 'addRmsNorm',
    shape: ([x, delta, gain], { out }) => {
      expectNorm('addRmsNorm', x, gain);
      expectFloat(delta, 'addRmsNorm', 'delta');
      expectSameShape(x, delta, 'addRmsNorm', 'x and delta');
      return [x, { shape: x.shape, dtype: out }, { shape: x.shape.slice(0, -1), dtype: 'f32' }];
    },
    forward: (device, [x, delta, gain], [sum, out, invRms], { eps }) => {
      const types = { x_type: dtypeCode[x.dtype], delta_type: dtypeCode[delta.dtype], out_type: dtypeCode[out.dtype] };
      const sizes = { rows: rowCount(x.shape), cols: lastDim(x.shape), eps, ...types };
      device.run('add_rms_norm', { x, delta, gain, sum, out, inv_rms: invRms, ...sizes });
    },
    save: ([, , gain], [sum, , invRms]) => [sum, gain, invRms],
    vjp: ({ device, inputs: [, delta, gain], outputs: [sum, , invRms], gradients: [dsum, dy], needs }) => {
      const toDelta = (d: Tensor) => needs[1] && converted(device, d, delta.dtype as 'f32' | 'bf16');
      if (dy === null) {
        const d = dsum as Tensor;
        return [d.alias(), toDelta(d), needs[2] && full(gain.shape, 0, gain)];
      }
      const dx = emptyLike(sum);
      const rounded = needs[1] && delta.dtype === 'bf16' && sum.dtype === 'f32' ? emptyLike(delta) : null;
      const dgain = normBackward(device, { x: sum, gain, invRms, dy, added: dsum, dx, rounded, needsGain: needs[2] });
      return [dx, rounded ?? toDelta(dx), dgain];
    },
  },
};

/**
 * x / sqrt(mean(x^2) + eps) * gain along the last dimension: x [.., C] f32 or bf16, gain [C] f32.
 * @default out: the format of x
 */
export function rmsNorm(x: Tensor, gain: Tensor, eps: number, out = x.dtype as 'f32' | 'bf16'): Tensor {
  const [normed, invRms] = apply(norm.rmsNorm, [x, gain], { eps, out });
  invRms.dispose();
  return normed;
}

/**
 * The residual stream and its norm in one pass: sum = x + delta in the format of x, out = rmsNorm(sum, gain, eps, out).
 * delta is f32 or bf16, whatever x is: what a product adds to the stream has been rounded once already.
 */
export function addRmsNorm(
  x: Tensor,
  delta: Tensor,
  gain: Tensor,
  eps: number,
  out = x.dtype as 'f32' | 'bf16',
): { sum: Tensor; out: Tensor } {
  const [sum, normed, invRms] = apply(norm.addRmsNorm, [x, delta, gain], { eps, out });
  invRms.dispose();
  return { sum, out: normed };
}
