// Rows of the elementwise kernels: lengths around a vector, around a task, and values where the functions bend.
import { Random } from '../../math/index.ts';
import { type DType, newData } from '../dtype.ts';
import { type Case, toFormat } from './case.ts';

const lengths = [0, 1, 7, 16, 33, 100_001];
const shapes = [
  [0, 5],
  [3, 0],
  [1, 1],
  [5, 17],
  [33, 2048],
] as const;

/** The format that a name ends with. */
function kernelFormat(kernel: string): DType {
  return kernel.endsWith('bf16') ? 'bf16' : 'f32';
}

const exactBinary = ['add_f32', 'add_bf16', 'sub_f32', 'sub_bf16', 'mul_f32', 'mul_bf16', 'div_f32'] as const;
const gradients = ['silu_backward_f32', 'silu_backward_bf16', 'sigmoid_backward_f32'] as const;

const binary = [...exactBinary, ...gradients].flatMap((kernel) =>
  lengths.map((n): Case => {
    const random = new Random(n + 1);
    const format = kernelFormat(kernel);
    const a = random.normals(n);
    // What the sigmoid's backward receives is an output of the sigmoid.
    if (kernel === 'sigmoid_backward_f32') for (let i = 0; i < n; i++) a[i] = 1 / (1 + Math.exp(-a[i]));
    return {
      kernel,
      name: `${n} elements`,
      args: { a: toFormat(format, a), b: toFormat(format, random.normals(n)), out: newData(format, n), n },
      exact: !(gradients as readonly string[]).includes(kernel),
    };
  }),
);

// Between -87.4 and -103.9 the shim's exp gives 0 where the definition still has subnormals.
const bends = [0, -0, 1, -1, 1e-40, 2e-38, 80, 89, -80, -120, 1e30, Infinity, -Infinity, NaN];

const unary = (['silu_f32', 'silu_bf16', 'sigmoid_f32', 'exp_f32', 'log_f32'] as const).flatMap((kernel) => {
  const format = kernelFormat(kernel);
  const row = (name: string, values: Float32Array): Case => ({
    kernel,
    name,
    args: { x: toFormat(format, values), out: newData(format, values.length), n: values.length },
  });
  const normals = (n: number) => {
    const values = new Random(n + 2).normals(n, 4);
    return kernel === 'log_f32' ? values.map((x) => Math.exp(x)) : values;
  };
  return [
    ...lengths.map((n) => row(`${n} elements`, normals(n))),
    ...bends.map((x) => row(`of ${Object.is(x, -0) ? '-0' : x}`, Float32Array.of(x))),
  ];
});

const scaled = lengths.flatMap((n): Case[] => {
  const random = new Random(n + 3);
  return (['f32', 'bf16'] as const).flatMap((format): Case[] => {
    const x = toFormat(format, random.normals(n));
    const out = newData(format, n);
    const name = `${n} elements`;
    return [
      { kernel: `scale_${format}`, name, args: { x, out, n, s: 0.3 }, exact: true },
      { kernel: `scale_by_${format}`, name, args: { x, s: Float32Array.of(-1.7), out, n }, exact: true },
      { kernel: `fill_${format}`, name, args: { out, n, value: 0.3 }, exact: true },
    ];
  });
});

const halfway = [1.00390625, 1.01171875, -1.00390625, 3.4e38, 1e-40, Infinity, -Infinity, NaN]; // ties to even
const casts = lengths.flatMap((n): Case[] => {
  const values = new Random(n + 4).normals(n);
  for (let i = 0; i < Math.min(n, halfway.length); i++) values[i] = halfway[i];
  const name = `${n} elements`;
  return [
    { kernel: 'cast_f32_bf16', name, args: { x: values, out: newData('bf16', n), n }, exact: true },
    { kernel: 'cast_bf16_f32', name, args: { x: toFormat('bf16', values), out: newData('f32', n), n }, exact: true },
  ];
});

const byRow = shapes.flatMap(([rows, cols]): Case[] => {
  const random = new Random(rows * cols + 5);
  return (['f32', 'bf16'] as const).flatMap((format): Case[] => {
    const x = toFormat(format, random.normals(rows * cols));
    const out = newData(format, rows * cols);
    const name = `[${rows}, ${cols}]`;
    const sizes = { rows, cols };
    return [
      { kernel: `add_row_${format}`, name, args: { x, row: random.normals(cols), out, ...sizes }, exact: true },
      { kernel: `scale_rows_${format}`, name, args: { x, s: random.normals(rows), out, ...sizes }, exact: true },
    ];
  });
});

export const elementwise: Case[] = [...binary, ...unary, ...scaled, ...casts, ...byRow];
