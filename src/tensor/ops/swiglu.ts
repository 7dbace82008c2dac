// SwiGLU (Shazeer 2020): silu(gate) * up, of two tensors or of the halves of one.
import { codeOf, type Device, ShapeError, widthOf } from '../../kernels/index.ts';
import { apply, type Op, type Rows } from '../op.ts';
import { expectFloat, expectSameDType, expectSameShape, formatShape, lastOf, rowsOf, withLast } from '../shape.ts';
import { emptyLike, type Tensor } from '../tensor.ts';

interface Swiglu extends Op {
  readonly inputs: readonly [gate: Tensor, up: Tensor];
  readonly params: null;
  readonly outputs: readonly [Tensor];
}

interface SwigluHalves extends Op {
  readonly inputs: readonly [x: Tensor];
  readonly params: null;
  readonly outputs: readonly [Tensor];
}

export interface SwigluOps {
  swiglu: Swiglu;
  swigluHalves: SwigluHalves;
}

function forward(device: Device, gate: Tensor, upAddress: number, inLd: number, out: Tensor): void {
  const [rows, cols, type] = [rowsOf(out.shape), lastOf(out.shape), codeOf[out.dtype]];
  const kernel = device.kernel('swiglu');
  device.encode(kernel, gate.address, upAddress, out.address, rows, cols, inLd, cols, type, type);
}

interface Addresses {
  readonly gate: number;
  readonly up: number;
  readonly dgate: number;
  readonly dup: number;
}

function backward(device: Device, { gate, up, dgate, dup }: Addresses, dy: Tensor, ld: number): void {
  const [rows, cols, type] = [rowsOf(dy.shape), lastOf(dy.shape), codeOf[dy.dtype]];
  const kernel = device.kernel('swiglu_backward');
  device.encode(kernel, gate, up, dy.address, dgate, dup, rows, cols, ld, cols, ld, type, type);
}

export const swiglus: Rows<SwigluOps> = {
  swiglu: {
    name: 'swiglu',
    shape: ([gate, up]) => {
      expectFloat(gate, 'swiglu', 'gate');
      expectSameShape(gate, up, 'swiglu', 'gate and up');
      expectSameDType(gate, up, 'swiglu', 'gate and up');
      return [gate];
    },
    forward: (device, [gate, up], [out]) => forward(device, gate, up.address, lastOf(gate.shape), out),
    save: ([gate, up]) => [gate, up],
    vjp: ({ device, inputs: [gate, up], gradients: [dy] }) => {
      const [dgate, dup] = [emptyLike(gate), emptyLike(up)];
      const at = { gate: gate.address, up: up.address, dgate: dgate.address, dup: dup.address };
      backward(device, at, dy as Tensor, lastOf(gate.shape));
      return [dgate, dup];
    },
  },

  swigluHalves: {
    name: 'swigluHalves',
    shape: ([x]) => {
      expectFloat(x, 'swigluHalves', 'x');
      if (x.shape.length === 0 || lastOf(x.shape) % 2 !== 0)
        throw new ShapeError(
          'swigluHalves',
          `expected x [.., 2F], received ${formatShape(x.shape)}`,
          'join gate and up',
        );
      return [{ shape: withLast(x.shape, lastOf(x.shape) / 2), dtype: x.dtype }];
    },
    forward: (device, [x], [out]) => {
      const half = lastOf(out.shape) * widthOf[x.dtype];
      forward(device, x, x.address + half, lastOf(x.shape), out);
    },
    save: ([x]) => [x],
    vjp: ({ device, inputs: [x], gradients: [dy] }) => {
      const dx = emptyLike(x);
      const half = lastOf((dy as Tensor).shape) * widthOf[x.dtype];
      const at = { gate: x.address, up: x.address + half, dgate: dx.address, dup: dx.address + half };
      backward(device, at, dy as Tensor, lastOf(x.shape));
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
