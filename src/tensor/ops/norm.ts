// RMSNorm (Zhang and Sennrich 2019), alone and joined with the residual sum before it.
import { columnSumWorkspaceBytes, type Device, dtypeCode } from '../../kernels/index.ts';
import { full } from '../create.ts';
import { apply, type Op, type OpRows } from '../op.ts';
import { expectAlike, expectFloat, expectTensor, lastDim, rowCount } from '../shape.ts';
import { empty, emptyLike, type Tensor } from '../tensor.ts';

type RmsNorm = Op<readonly [x: Tensor, gain: Tensor], number, readonly [out: Tensor, invRms: Tensor]>;

type AddRmsNorm = Op<
  readonly [x: Tensor, delta: Tensor, gain: Tensor],
  number,
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
  /** Added to when `accumulate`. */
  readonly dx: Tensor;
  readonly accumulate: boolean;
  readonly needsGain: boolean;
}

/** Fills dx and returns the gradient of the gain; both come from one kernel, so dx is always made. */
function normBackward(device: Device, { x, gain, invRms, dy, dx, accumulate, needsGain }: NormBackward): Tensor | null {
  const [rows, cols] = [rowCount(x.shape), lastDim(x.shape)];
  const dgain = needsGain ? emptyLike(gain) : null;
  const workspace = device.alloc(columnSumWorkspaceBytes(rows, cols), 'rmsNorm');
  const strides = { x_ld: cols, dy_ld: cols, dx_ld: cols };
  const types = { x_type: dtypeCode[x.dtype], dy_type: dtypeCode[dy.dtype] };
  const added = { accumulate_dx: accumulate ? 1 : 0, accumulate_dgain: 0 };
  const given = { x, gain, inv_rms: invRms, dy, dx, dgain, workspace, rows, cols };
  device.run('rms_norm_backward', { ...given, ...strides, ...types, ...added });
  workspace.free();
  return dgain;
}

export const norm: OpRows<NormOps> = {
  rmsNorm: {
    name: 'rmsNorm',
    shape: ([x, gain]) => {
      expectNorm('rmsNorm', x, gain);
      return [x, { shape: x.shape.slice(0, -1), dtype: 'f32' }];
    },
    forward: (device, [x, gain], [out, invRms], eps) => {
      const [rows, cols, type] = [rowCount(x.shape), lastDim(x.shape), dtypeCode[x.dtype]];
      const sizes = { rows, cols, x_ld: cols, out_ld: cols, eps, x_type: type, out_type: type };
      device.run('rms_norm', { x, gain, out, inv_rms: invRms, ...sizes });
    },
    save: ([x, gain], [, invRms]) => [x, gain, invRms],
    vjp: ({ device, inputs: [x, gain], outputs: [, invRms], gradients: [dy], needs }) => {
      const dx = emptyLike(x);
      const given = { x, gain, invRms, dy: dy as Tensor, dx, accumulate: false, needsGain: needs[1] };
      return [dx, normBackward(device, given)];
    },
  },

  addRmsNorm: {
    name: 'addRmsNorm',
    shape: ([x, delta, gain]) => {
      expectNorm('addRmsNorm', x, gain);
      expectAlike(x, delta, 'addRmsNorm', 'x and delta');
      return [x, x, { shape: x.shape.slice(0, -1), dtype: 'f32' }];
    },
    forward: (device, [x, delta, gain], [sum, out, invRms], eps) => {
      const type = dtypeCode[x.dtype];
      const sizes = { rows: rowCount(x.shape), cols: lastDim(x.shape), eps, x_type: type, out_type: type };
      device.run('add_rms_norm', { x, delta, gain, sum, out, inv_rms: invRms, ...sizes });
    },
    save: ([, , gain], [sum, , invRms]) => [sum, gain, invRms],
    vjp: ({ device, inputs: [, , gain], outputs: [sum, , invRms], gradients: [dsum, dy], needs }) => {
      const d = empty(sum.shape, sum.dtype, device);
      if (dsum) device.run('copy_bytes', { from: dsum, to: d, n: d.bytes });
      if (dy === null) return [d, needs[1] && d.alias(), needs[2] && full(gain.shape, 0, gain)];
      const given = { x: sum, gain, invRms, dy, dx: d, accumulate: dsum !== null, needsGain: needs[2] };
      const dgain = normBackward(device, given);
      return [d, needs[1] && d.alias(), dgain];
    },
  },
};

/** x / sqrt(mean(x^2) + eps) * gain along the last dimension: x [.., C] f32 or bf16, gain [C] f32. */
export function rmsNorm(x: Tensor, gain: Tensor, eps: number): Tensor {
  const [out, invRms] = apply(norm.rmsNorm, [x, gain], eps);
  invRms.dispose();
  return out;
}

/** The residual stream and its norm in one pass: sum = x + delta, out = rmsNorm(sum, gain, eps). */
export function addRmsNorm(x: Tensor, delta: Tensor, gain: Tensor, eps: number): { sum: Tensor; out: Tensor } {
  const [sum, out, invRms] = apply(norm.addRmsNorm, [x, delta, gain], eps);
  invRms.dispose();
  return { sum, out };
}
