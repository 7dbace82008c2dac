// Linear maps by packed weights (packed-weight.ts): x [.., K] times w [N, K], and rows sorted by expert times [E, N,
// K]. The weight's format is the arithmetic. No gradients: a packed weight is for serving.
import { DeviceError, dtypeCode, gemmWorkspaceBytes, ShapeError } from '../../kernels/index.ts';
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import { type PackedWeight, weightSizes } from '../packed-weight.ts';
import {
  expectDType,
  expectFloat,
  expectRank,
  expectShape,
  formatShape,
  lastDim,
  rowCount,
  withLast,
} from '../shape.ts';
import type { Tensor } from '../tensor.ts';

interface PackedParams {
  readonly weight: PackedWeight;
  readonly out: 'f32' | 'bf16';
}

type PackedLinear = Op<readonly [x: Tensor], PackedParams, readonly [Tensor]>;

type GroupedPackedLinear = Op<readonly [x: Tensor, offsets: Tensor], PackedParams, readonly [Tensor]>;

export interface PackedLinearOps {
  packedLinear: PackedLinear;
  groupedPackedLinear: GroupedPackedLinear;
}

function check(op: string, x: Tensor, weight: PackedWeight, rank: number): void {
  weight.use(op);
  expectFloat(x, op, 'x');
  if (weight.device !== x.device)
    throw new DeviceError(op, 'the weight is on another device', 'pack it on the device of x');
  if (weight.shape.length !== rank)
    throw new ShapeError(
      op,
      `expected a weight of ${rank} dimensions, received ${weight}`,
      rank === 2 ? 'use groupedLinear for experts' : 'use linear for one weight',
    );
  const K = lastDim(weight.shape);
  if (x.shape.length === 0 || lastDim(x.shape) !== K)
    throw new ShapeError(
      op,
      `inner dimensions differ: x is ${formatShape(x.shape)}, w is ${weight} (expected x [.., ${K}])`,
      'w is [out, in]; pack another weight or slice x',
    );
}

const packedRow: OpRows<PackedLinearOps>['packedLinear'] = {
  name: 'packedLinear',
  shape: ([x], { weight, out }) => {
    check('packedLinear', x, weight, 2);
    return [{ shape: withLast(x.shape, weight.shape[0]), dtype: out }];
  },
  forward: (device, [x], [out], { weight }) => {
    const [, n, k] = weightSizes(weight.shape);
    const m = rowCount(x.shape);
    const workspace = device.alloc(gemmWorkspaceBytes(m, k), 'linear');
    const sizes = { m, n, k, lda: k, ldc: n, a_type: dtypeCode[x.dtype], c_type: dtypeCode[out.dtype], accumulate: 0 };
    const given = { a: x, panels: weight.panels, c: out, workspace, ...sizes };
    if (weight.format === 'fp8') device.run('gemm_panel_fp8', { ...given, b_scales: weight.scales });
    else device.run(`gemm_panel_${weight.format}`, given);
    workspace.free();
  },
  save: saveNothing,
  vjp: null,
};

const groupedRow: OpRows<PackedLinearOps>['groupedPackedLinear'] = {
  name: 'groupedPackedLinear',
  shape: ([x, offsets], { weight, out }) => {
    const op = 'groupedPackedLinear';
    check(op, x, weight, 3);
    expectRank(x, 2, op, 'x');
    expectDType(offsets, 'i32', op, 'offsets');
    expectShape(offsets, [weight.shape[0] + 1], op, 'offsets');
    return [{ shape: withLast(x.shape, weight.shape[1]), dtype: out }];
  },
  forward: (device, [x, offsets], [out], { weight }) => {
    const [groups, n, k] = weightSizes(weight.shape);
    const m = x.shape[0];
    const workspace = device.alloc(gemmWorkspaceBytes(m, k, groups), 'groupedLinear');
    const sizes = { m, n, k, groups, a_type: dtypeCode[x.dtype], c_type: dtypeCode[out.dtype], accumulate: 0 };
    const given = { a: x, panels: weight.panels, offsets, c: out, workspace, ...sizes };
    if (weight.format === 'fp8') device.run('grouped_gemm_panel_fp8', { ...given, b_scales: weight.scales });
    else device.run(`grouped_gemm_panel_${weight.format}`, given);
    workspace.free();
  },
  save: saveNothing,
  vjp: null,
};

export const packedLinears: OpRows<PackedLinearOps> = { packedLinear: packedRow, groupedPackedLinear: groupedRow };

export function packedLinear(x: Tensor, weight: PackedWeight, out: 'f32' | 'bf16'): Tensor {
  return apply(packedLinears.packedLinear, [x], { weight, out })[0];
}

export function groupedPackedLinear(x: Tensor, weight: PackedWeight, offsets: Tensor, out: 'f32' | 'bf16'): Tensor {
  return apply(packedLinears.groupedPackedLinear, [x, offsets], { weight, out })[0];
}
