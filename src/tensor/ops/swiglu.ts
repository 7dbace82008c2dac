// SwiGLU (Shazeer 2020): silu(gate) * up, of the halves of one tensor.
import { dtypeBytes, dtypeCode, ShapeError } from '../../kernels/index.ts';
import { apply, type Op, type OpRows } from '../op.ts';
import { expectFloat, formatShape, lastDim, rowCount, withLast } from '../shape.ts';
import { emptyLike, type Tensor } from '../tensor.ts';

type Swiglu = Op<readonly [x: Tensor], null, readonly [Tensor]>;

export interface SwigluOps {
  swiglu: Swiglu;
}

export const swiglus: OpRows<SwigluOps> = {
  swiglu: {
    name: 'swiglu',
    shape: ([x]) => {
      expectFloat(x, 'swiglu', 'x');
      if (x.shape.length === 0 || lastDim(x.shape) % 2 !== 0)
        throw new ShapeError('swiglu', `expected x [.., 2F], received ${formatShape(x.shape)}`, 'join gate and up');
      return [{ shape: withLast(x.shape, lastDim(x.shape) / 2), dtype: x.dtype }];
    },
    forward: (device, [x], [out]) => {
      const [rows, cols, type] = [rowCount(out.shape), lastDim(out.shape), dtypeCode[x.dtype]];
      const up = x.address + cols * dtypeBytes[x.dtype];
      const sizes = { rows, cols, in_ld: 2 * cols, out_ld: cols, in_type: type, out_type: type };
      device.run('swiglu', { gate: x, up, out, ...sizes });
    },
    save: ([x]) => [x],
    vjp: ({ device, inputs: [x], gradients: [gradient] }) => {
      const [dx, dy] = [emptyLike(x), gradient as Tensor];
      const [rows, cols, type] = [rowCount(dy.shape), lastDim(dy.shape), dtypeCode[x.dtype]];
      const half = cols * dtypeBytes[x.dtype];
      const places = { gate: x, up: x.address + half, dy, dgate: dx, dup: dx.address + half };
      const sizes = { rows, cols, in_ld: 2 * cols, dy_ld: cols, d_ld: 2 * cols, in_type: type, dy_type: type };
      device.run('swiglu_backward', { ...places, ...sizes });
      return [dx];
    },
  },
};

/** x [.., 2F] with gate first, then up: silu(gate) * up, [.., F]. */
export function swiglu(x: Tensor): Tensor {
  return apply(swiglus.swiglu, [x], null)[0];
}
