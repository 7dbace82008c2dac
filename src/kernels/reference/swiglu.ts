// SwiGLU, defined: out = silu(gate) * up (Shazeer 2020). gate and up are two buffers, or the halves of one [rows, 2F]:
// then up is the address of gate plus F elements and in_ld is 2F; the same holds for dgate, dup and d_ld.
import { kernel } from '../kernel.ts';
import { numbersIn } from './formats.ts';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

const backwardSizes = 'rows:int cols:int in_ld:int dy_ld:int d_ld:int in_type:int dy_type:int';

export const swiglu = {
  swiglu: kernel(
    'gate:any up:any out:any! rows:int cols:int in_ld:int out_ld:int in_type:int out_type:int',
    (gate, up, out, rows, cols, inLd, outLd, inType, outType) => {
      const [g, u, to] = [numbersIn(gate, inType), numbersIn(up, inType), numbersIn(out, outType)];
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < cols; c++) {
          const x = g.get(r * inLd + c);
          to.set(r * outLd + c, x * sigmoid(x) * u.get(r * inLd + c));
        }
    },
  ),

  /** dgate = dy * up * s * (1 + gate * (1 - s)), dup = dy * gate * s, s = sigmoid(gate). */
  swiglu_backward: kernel(
    `gate:any up:any dy:any dgate:any! dup:any! ${backwardSizes}`,
    (gate, up, dy, dgate, dup, rows, cols, inLd, dyLd, dLd, inType, dyType) => {
      const [g, u, d] = [numbersIn(gate, inType), numbersIn(up, inType), numbersIn(dy, dyType)];
      const [toGate, toUp] = [numbersIn(dgate, inType), numbersIn(dup, inType)];
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < cols; c++) {
          const [x, y, grad] = [g.get(r * inLd + c), u.get(r * inLd + c), d.get(r * dyLd + c)];
          const s = sigmoid(x);
          toGate.set(r * dLd + c, grad * y * s * (1 + x * (1 - s)));
          toUp.set(r * dLd + c, grad * x * s);
        }
    },
  ),
};
