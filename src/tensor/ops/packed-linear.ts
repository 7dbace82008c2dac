// Linear maps over packed weights, dense and grouped by expert: for serving, without gradients.
import { codeOf, gemmWorkspaceBytes, type KernelName, ShapeError } from '../../kernels/index.ts';
import { apply, type Op, type Rows, saveNothing } from '../op.ts';
import type { PackedWeight } from '../packed-weight.ts';
import { expectDType, expectFloat, expectRank, expectShape, formatShape, lastOf, rowsOf, withLast } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

interface PackedLinear extends Op {
  readonly inputs: readonly [x: Tensor, panels: Tensor, scales: Tensor | null];
  readonly params: { readonly weight: PackedWeight; readonly out: 'f32' | 'bf16' };
  readonly outputs: readonly [Tensor];
}

interface PackedGroupedLinear extends Op {
  readonly inputs: readonly [x: Tensor, panels: Tensor, scales: Tensor | null, offsets: Tensor];
  readonly params: { readonly weight: PackedWeight; readonly out: 'f32' | 'bf16' };
  readonly outputs: readonly [Tensor];
}

export interface PackedLinearOps {
  packedLinear: PackedLinear;
  packedGroupedLinear: PackedGroupedLinear;
}

function expectInner(op: string, x: Tensor, { shape }: PackedWeight): void {
  if (x.shape.length > 0 && lastOf(x.shape) === lastOf(shape)) return;
  throw new ShapeError(
    op,
    `inner dimensions differ: x is ${formatShape(x.shape)}, w is ${formatShape(shape)}`,
    `pass x [.., ${lastOf(shape)}]`,
  );
}

export const packedLinears: Rows<PackedLinearOps> = {
  packedLinear: {
    name: 'packedLinear',
    shape: ([x], { weight, out }) => {
      expectFloat(x, 'packedLinear', 'x');
      expectInner('packedLinear', x, weight);
      return [{ shape: withLast(x.shape, weight.shape[0] as number), dtype: out }];
    },
    forward: (device, [x, panels, scales], [out], { weight }) => {
      const [m, n, k] = [rowsOf(x.shape), weight.shape[0] as number, lastOf(weight.shape)];
      const workspace = device.alloc(gemmWorkspaceBytes(m, k), 'linear');
      const operands = [x.address, panels.address, ...(scales ? [scales.address] : []), out.address, workspace.address];
      const kernel = device.kernel(`gemm_panel_${weight.format}` as KernelName);
      device.encode(kernel, ...operands, m, n, k, k, n, codeOf[x.dtype], codeOf[out.dtype], 0);
      workspace.free();
    },
    save: saveNothing,
    vjp: null,
  },

  packedGroupedLinear: {
    name: 'packedGroupedLinear',
    shape: ([x, , , offsets], { weight, out }) => {
      expectFloat(x, 'packedGroupedLinear', 'x');
      expectRank(x, 2, 'packedGroupedLinear', 'x');
      expectInner('packedGroupedLinear', x, weight);
      expectDType(offsets, 'i32', 'packedGroupedLinear', 'offsets');
      expectShape(offsets, [(weight.shape[0] as number) + 1], 'packedGroupedLinear', 'offsets');
      return [{ shape: withLast(x.shape, weight.shape[1] as number), dtype: out }];
    },
    forward: (device, [x, panels, scales, offsets], [out], { weight }) => {
      const [groups, n, k] = weight.shape as [number, number, number];
      const m = x.shape[0] as number;
      const workspace = device.alloc(gemmWorkspaceBytes(m, k, groups), 'groupedLinear');
      const operands = [x.address, panels.address, ...(scales ? [scales.address] : []), offsets.address];
      const kernel = device.kernel(`grouped_gemm_panel_${weight.format}` as KernelName);
      const sizes = [m, n, k, groups, codeOf[x.dtype], codeOf[out.dtype], 0];
      device.encode(kernel, ...operands, out.address, workspace.address, ...sizes);
      workspace.free();
    },
    save: saveNothing,
    vjp: null,
  },
};

/** x [.., K] times a packed [N, K], transposed: [.., N]. */
export function packedLinear(x: Tensor, weight: PackedWeight, out: 'f32' | 'bf16' = 'f32'): Tensor {
  return apply(packedLinears.packedLinear, [x, weight.panels, weight.scales], { weight, out })[0];
}

/** Rows sorted by expert times a packed [E, N, K]; see groupedLinear. */
export function packedGroupedLinear(
  x: Tensor,
  weight: PackedWeight,
  offsets: Tensor,
  out: 'f32' | 'bf16' = 'f32',
): Tensor {
  const inputs = [x, weight.panels, weight.scales, offsets] as const;
  return apply(packedLinears.packedGroupedLinear, inputs, { weight, out })[0];
}
