// Rotary position embedding of the last or first elements of each head, with or without YaRN's stretched frequencies.
import {
  ropeTable as computeRopeTable,
  type Device,
  dtypeBytes,
  dtypeCode,
  type RopeConfig,
  ShapeError,
} from '../../kernels/index.ts';
import { type CreateOptions, fromArray } from '../create.ts';
import { apply, type Op, type OpRows } from '../op.ts';
import { expectDType, expectFloat, expectRank, expectShape, formatShape } from '../shape.ts';
import { emptyLike, type Tensor } from '../tensor.ts';

type Rope = Op<
  readonly [x: Tensor, positions: Tensor, cos: Tensor, sin: Tensor],
  { readonly half: boolean },
  readonly [Tensor]
>;

export interface RopeOps {
  rope: Rope;
}

/** Turns R elements of each head of x into out: the last ones, in halves the first ones. The others are copied. */
function turn(
  device: Device,
  x: Tensor,
  [positions, cos, sin]: readonly [Tensor, Tensor, Tensor],
  out: Tensor,
  half: boolean,
  inverse: boolean,
): void {
  const [T, H, D] = x.shape as [number, number, number];
  const [length, pairs] = cos.shape as [number, number];
  const skip = half ? 0 : (D - 2 * pairs) * dtypeBytes[x.dtype];
  if (D > 2 * pairs) device.run('copy_bytes', { from: x, to: out, n: x.bytes });
  device.run('rope', {
    x: x.address + skip,
    out: out.address + skip,
    cos,
    sin,
    positions,
    tokens: T,
    heads: H,
    dim: 2 * pairs,
    x_token_stride: H * D,
    x_head_stride: D,
    out_token_stride: H * D,
    out_head_stride: D,
    table_length: length,
    half: half ? 1 : 0,
    inverse: inverse ? 1 : 0,
    x_type: dtypeCode[x.dtype],
  });
}

export const ropes: OpRows<RopeOps> = {
  rope: {
    name: 'rope',
    shape: ([x, positions, cos, sin]) => {
      expectFloat(x, 'rope', 'x');
      expectRank(x, 3, 'rope', 'x');
      expectDType(positions, 'i32', 'rope', 'positions');
      expectShape(positions, [x.shape[0]], 'rope', 'positions');
      expectDType(cos, 'f32', 'rope', 'cos');
      expectDType(sin, 'f32', 'rope', 'sin');
      expectRank(cos, 2, 'rope', 'cos');
      expectShape(sin, cos.shape, 'rope', 'sin');
      if (2 * cos.shape[1] > x.shape[2])
        throw new ShapeError(
          'rope',
          `the table turns ${2 * cos.shape[1]} elements of a head, x is ${formatShape(x.shape)}`,
          'make the table with the rotary width of a head',
        );
      return [x];
    },
    forward: (device, [x, ...table], [out], { half }) => turn(device, x, table, out, half, false),
    save: ([, ...table]) => table,
    vjp: ({ device, inputs: [x, ...table], params: { half }, gradients: [dy] }) => {
      const dx = emptyLike(x);
      turn(device, dy as Tensor, table, dx, half, true);
      return [dx, null, null, null];
    },
  },
};

/** cos and sin [length, R / 2] of positions 0 to length - 1, f32. */
export interface RopeTensors {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Returns the tables for rope from the model's configuration (dim, base, YaRN) for `length` positions. */
export function ropeTable(config: RopeConfig & { readonly length: number }, options: CreateOptions = {}): RopeTensors {
  const { cos, sin } = computeRopeTable(config);
  const shape = [config.length, config.dim / 2];
  return { cos: fromArray(cos, shape, options), sin: fromArray(sin, shape, options) };
}

/**
 * Turns R elements of each head by its token's position (R: twice the table's width): x [T, H, D], positions [T] i32.
 * Pairs are neighbors among the last R elements as in DeepSeek's weights, or with `half` elements i and i + R/2 of the
 * first R (Llama, Qwen, Phi).
 */
export function rope(x: Tensor, positions: Tensor, { cos, sin }: RopeTensors, half = false): Tensor {
  return apply(ropes.rope, [x, positions, cos, sin], { half })[0];
}
