// RMSNorm (Zhang and Sennrich 2019), alone and joined with the residual sum before it.
import { codeOf, columnSumWorkspaceBytes, type Device } from '../../kernels/index.ts';
import { full } from '../create.ts';
import { apply, type Op, type Rows } from '../op.ts';
import { expectDType, expectFloat, expectSameDType, expectSameShape, expectShape, lastOf, rowsOf } from '../shape.ts';
import { empty, emptyLike, type Tensor } from '../tensor.ts';

interface RmsNorm extends Op {
  readonly inputs: readonly [x: Tensor, gain: Tensor];
  readonly params: number;
  readonly outputs: readonly [out: Tensor, invRms: Tensor];
}

interface AddRmsNorm extends Op {
  readonly inputs: readonly [x: Tensor, delta: Tensor, gain: Tensor];
  readonly params: number;
  readonly outputs: readonly [sum: Tensor, out: Tensor, invRms: Tensor];
}

export interface NormOps {
  rmsNorm: RmsNorm;
  addRmsNorm: AddRmsNorm;
}

function expectNorm(op: string, x: Tensor, gain: Tensor): void {
  expectFloat(x, op, 'x');
  expectDType(gain, 'f32', op, 'gain');
  expectShape(gain, [lastOf(x.shape)], op, 'gain');
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
function normBackward(device: Device, given: NormBackward): Tensor | null {
  const { x, gain, invRms, dy, dx, accumulate, needsGain } = given;
  const [rows, cols] = [rowsOf(x.shape), lastOf(x.shape)];
  const dgain = needsGain ? emptyLike(gain) : null;
  const workspace = device.alloc(columnSumWorkspaceBytes(rows, cols), 'rmsNorm');
  device.encode(
    device.kernel('rms_norm_backward'),
    x.address,
    gain.address,
    invRms.address,
    dy.address,
    dx.address,
    dgain?.address ?? 0,
    workspace.address,
    rows,
    cols,
    cols,
    cols,
    cols,
    codeOf[x.dtype],
    codeOf[dy.dtype],
    accumulate ? 1 : 0,
    0,
  );
  workspace.free();
  return dgain;
}

export const norm: Rows<NormOps> = {
  rmsNorm: {
    name: 'rmsNorm',
    shape: ([x, gain]) => {
      expectNorm('rmsNorm', x, gain);
      return [x, { shape: x.shape.slice(0, -1), dtype: 'f32' }];
    },
    forward: (device, [x, gain], [out, invRms], eps) => {
      const [cols, type] = [lastOf(x.shape), codeOf[x.dtype]];
      const kernel = device.kernel('rms_norm');
      const rows = rowsOf(x.shape);
      device.encode(
        kernel,
        x.address,
        gain.address,
        out.address,
        invRms.address,
        rows,
        cols,
        cols,
        cols,
        eps,
        type,
        type,
      );
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
      expectSameShape(x, delta, 'addRmsNorm', 'x and delta');
      expectSameDType(x, delta, 'addRmsNorm', 'x and delta');
      return [x, x, { shape: x.shape.slice(0, -1), dtype: 'f32' }];
    },
    forward: (device, [x, delta, gain], [sum, out, invRms], eps) => {
      const type = codeOf[x.dtype];
      device.encode(
        device.kernel('add_rms_norm'),
        x.address,
        delta.address,
        gain.address,
        sum.address,
        out.address,
        invRms.address,
        rowsOf(x.shape),
        lastOf(x.shape),
        eps,
        type,
        type,
      );
    },
    save: ([, , gain], [sum, , invRms]) => [sum, gain, invRms],
    vjp: ({ device, inputs: [, , gain], outputs: [sum, , invRms], gradients: [dsum, dy], needs }) => {
      const d = empty(sum.shape, sum.dtype, device);
      if (dsum) device.encode(device.kernel('copy_bytes'), dsum.address, d.address, d.bytes);
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
