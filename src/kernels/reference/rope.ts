// Rotary position embedding, defined (Su et al. 2021). Pairs are (x0, x1), (x2, x3)... as in DeepSeek's weights, or
// (x[i], x[i + dim/2]) where `half` is set (Llama, Qwen). cos and sin come from ../rope-table.ts.
import { KernelFault, kernel } from '../kernel.ts';
import { numbersIn } from './formats.ts';

const sizes = 'tokens:int heads:int dim:int';
const strides = 'x_token_stride:int x_head_stride:int out_token_stride:int out_head_stride:int';
const flags = 'table_length:int half:int inverse:int x_type:int';

export const rope = {
  /**
   * Strides in elements; where the rotary part of a head starts is part of the addresses. x_head_stride 0 gives one
   * head to all. `inverse` turns back, which is the gradient. out may be x.
   */
  rope: kernel(
    `x:any out:any! cos:f32 sin:f32 positions:i32 ${sizes} ${strides} ${flags}`,
    (
      x,
      out,
      cos,
      sin,
      positions,
      tokens,
      heads,
      dim,
      xToken,
      xHead,
      outToken,
      outHead,
      length,
      half,
      inverse,
      type,
    ) => {
      const from = numbersIn(x, type);
      const to = numbersIn(out, type);
      const pairs = dim / 2;
      for (let t = 0; t < tokens; t++) {
        const position = positions[t];
        if (position < 0 || position >= length) throw new KernelFault('indexOutOfRange', t, position, length);
        for (let h = 0; h < heads; h++)
          for (let i = 0; i < pairs; i++) {
            const [first, second] = half ? [i, i + pairs] : [2 * i, 2 * i + 1];
            const a = from.get(t * xToken + h * xHead + first);
            const b = from.get(t * xToken + h * xHead + second);
            const c = cos[position * pairs + i];
            const s = sin[position * pairs + i] * (inverse ? -1 : 1);
            to.set(t * outToken + h * outHead + first, a * c - b * s);
            to.set(t * outToken + h * outHead + second, b * c + a * s);
          }
      }
    },
  ),
};
