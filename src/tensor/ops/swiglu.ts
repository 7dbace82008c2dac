// SwiGLU (Shazeer 2020): silu(gate) * up, of two tensors or of the halves of one.
import { type Device, dtypeBytes, dtypeCode, type Place, ShapeError } from '../../kernels/index.ts';
import { apply, type Op, type OpRows } from '../op.ts';
import { expectAlike, expectFloat, formatShape, lastDim, rowCount, withLast } from '../shape.ts';
import { emptyLike, type Tensor } from '../tensor.ts';

type Swiglu = Op<readonly [gate: Tensor, up: Tensor], null, readonly [Tensor]>;

type SwigluHalves = Op<readonly [x: Tensor], null, readonly [Tensor]>;

export interface SwigluOps {
  swiglu: Swiglu;
  swigluHalves: SwigluHalves;
}

/** `ld`: elements from row to row of gate and up. */
function forward(device: Device, given: { gate: Place; up: Place }, out: Tensor, ld: number): void {
  const [rows, cols, type] = [rowCount(out.shape), lastDim(out.shape), dtypeCode[out.dtype]];
  device.run('swiglu', { ...given, out, rows, cols, in_ld: ld, out_ld: cols, in_type: type, out_type: type });
}

interface BackwardPlaces {
  readonly gate: Place;
  readonly up: Place;
  readonly dgate: Place;
  readonly dup: Place;
}

function backward(device: Device, given: BackwardPlaces, dy: Tensor, ld: number): void {
  const [rows, cols, type] = [rowCount(dy.shape), lastDim(dy.shape), dtypeCode[dy.dtype]];
  const sizes = { rows, cols, in_ld: ld, dy_ld: cols, d_ld: ld, in_type: type, dy_type: type };
  device.run('swiglu_backward', { ...given, dy, ...sizes });
}

export const swiglus: OpRows<SwigluOps> = {
  swiglu: {
    name: 'swiglu',
    shape: ([gate, up]) => {
      expectFloat(gate, 'swiglu', 'gate');
      expectAlike(gate, up, 'swiglu', 'gate and up');
      return [gate];
    },
    forward: (device, [gate, up], [out]) => forward(device, { gate, up }, out, lastDim(gate.shape)),
    save: ([gate, up]) => [gate, up],
    vjp: ({ device, inputs: [gate, up], gradients: [dy] }) => {
      const [dgate, dup] = [emptyLike(gate), emptyLike(up)];
      backward(device, { gate, up, dgate, dup }, dy as Tensor, lastDim(gate.shape));
      return [dgate, dup];
    },
  },

  swigluHalves: {
    name: 'swigluHalves',
    shape: ([x]) => {
      expectFloat(x, 'swigluHalves', 'x');
      if (x.shape.length === 0 || lastDim(x.shape) % 2 !== 0)
        throw new ShapeError(
          'swigluHalves',
          `expected x [.., 2F], received ${formatShape(x.shape)}`,
          'join gate and up',
        );
      return [{ shape: withLast(x.shape, lastDim(x.shape) / 2), dtype: x.dtype }];
    },
    forward: (device, [x], [out]) => {
      const half = lastDim(out.shape) * dtypeBytes[x.dtype];
      forward(device, { gate: x, up: x.address + half }, out, lastDim(x.shape));
    },
    save: ([x]) => [x],
    vjp: ({ device, inputs: [x], gradients: [dy] }) => {
      const dx = emptyLike(x);
      const half = lastDim((dy as Tensor).shape) * dtypeBytes[x.dtype];
      const at = { gate: x, up: x.address + half, dgate: dx, dup: dx.address + half };
      backward(device, at, dy as Tensor, lastDim(x.shape));
      return [dx];
    },
  },
};

/** silu(gate) * up, of one shape and format. */
export function swiglu(gate: Tensor, up: Tensor): Tensor {
  return apply(swiglus.swiglu, [gate, up], null)[0];
}

/** x [.., 2F] with gate first, then up: silu(gate) * up, [.., F]. */
export function swigluHalves(x: Tensor): Tensor {
  return apply(swiglus.swigluHalves, [x], null)[0];
}
