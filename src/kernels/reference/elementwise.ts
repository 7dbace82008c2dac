// Elementwise kernels, defined. A bf16 operand is widened; the result is rounded once.
import { fromBf16, toBf16 } from '../dtype.ts';
import { kernel } from '../kernel.ts';

type Format = 'f32' | 'bf16';
type Values = Float32Array | Uint16Array;

const widen: Readonly<Record<Format, (x: number) => number>> = { f32: (x) => x, bf16: fromBf16 };
const round: Readonly<Record<Format, (x: number) => number>> = { f32: (x) => x, bf16: toBf16 };

function unary(format: Format, f: (x: number) => number) {
  return kernel(`x:${format} out:${format}! n:int`, (x: Values, out: Values, n: number) => {
    for (let i = 0; i < n; i++) out[i] = round[format](f(widen[format](x[i])));
  });
}

function binary(format: Format, f: (a: number, b: number) => number) {
  return kernel(`a:${format} b:${format} out:${format}! n:int`, (a: Values, b: Values, out: Values, n: number) => {
    for (let i = 0; i < n; i++) out[i] = round[format](f(widen[format](a[i]), widen[format](b[i])));
  });
}

function scale(format: Format) {
  return kernel(`x:${format} out:${format}! n:int s:float`, (x: Values, out: Values, n: number, s: number) => {
    for (let i = 0; i < n; i++) out[i] = round[format](widen[format](x[i]) * s);
  });
}

function scaleBy(format: Format) {
  return kernel(`x:${format} s:f32 out:${format}! n:int`, (x: Values, s: Float32Array, out: Values, n: number) => {
    for (let i = 0; i < n; i++) out[i] = round[format](widen[format](x[i]) * s[0]);
  });
}

function fill(format: Format) {
  return kernel(`out:${format}! n:int value:float`, (out: Values, n: number, value: number) => {
    out.fill(round[format](value), 0, n);
  });
}

function cast(from: Format, to: Format) {
  return kernel(`x:${from} out:${to}! n:int`, (x: Values, out: Values, n: number) => {
    for (let i = 0; i < n; i++) out[i] = round[to](widen[from](x[i]));
  });
}

/** out[r, c] = f(x[r, c], operand, r, c) */
function byRow<const Operand extends string>(
  format: Format,
  operand: Operand,
  f: (x: number, v: Float32Array, r: number, c: number) => number,
) {
  return kernel(
    `x:${format} ${operand}:f32 out:${format}! rows:int cols:int`,
    (x: Values, v: Float32Array, out: Values, rows: number, cols: number) => {
      for (let i = 0; i < rows * cols; i++)
        out[i] = round[format](f(widen[format](x[i]), v, Math.floor(i / cols), i % cols));
    },
  );
}

const addRow = (format: Format) => byRow(format, 'row', (x, row, _r, c) => x + row[c]);
const scaleRows = (format: Format) => byRow(format, 's', (x, s, r) => x * s[r]);

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const silu = (x: number) => x * sigmoid(x);
const siluBackward = (x: number, dy: number) => dy * sigmoid(x) * (1 + x * (1 - sigmoid(x)));

export const elementwise = {
  add_f32: binary('f32', (a, b) => a + b),
  add_bf16: binary('bf16', (a, b) => a + b),
  sub_f32: binary('f32', (a, b) => a - b),
  sub_bf16: binary('bf16', (a, b) => a - b),
  mul_f32: binary('f32', (a, b) => a * b),
  mul_bf16: binary('bf16', (a, b) => a * b),
  div_f32: binary('f32', (a, b) => a / b),

  silu_f32: unary('f32', silu),
  silu_bf16: unary('bf16', silu),
  sigmoid_f32: unary('f32', sigmoid),
  exp_f32: unary('f32', Math.exp),
  log_f32: unary('f32', Math.log),
  /** a = x, b = dy */
  silu_backward_f32: binary('f32', siluBackward),
  silu_backward_bf16: binary('bf16', siluBackward),
  /** a = y, the forward's output; b = dy */
  sigmoid_backward_f32: binary('f32', (y, dy) => dy * y * (1 - y)),

  scale_f32: scale('f32'),
  scale_bf16: scale('bf16'),
  /** The factor is a number that an earlier command computed. */
  scale_by_f32: scaleBy('f32'),
  scale_by_bf16: scaleBy('bf16'),
  fill_f32: fill('f32'),
  fill_bf16: fill('bf16'),
  cast_f32_bf16: cast('f32', 'bf16'),
  cast_bf16_f32: cast('bf16', 'f32'),

  add_row_f32: addRow('f32'),
  add_row_bf16: addRow('bf16'),
  scale_rows_f32: scaleRows('f32'),
  scale_rows_bf16: scaleRows('bf16'),
};
