// Rows of the reductions: lengths around the blocks of a sum, ties and NaN for the maximum.
import { Random } from '../../math/index.ts';
import { dtypeCode, newData } from '../dtype.ts';
import { columnSumWorkspaceBytes, sumWorkspaceBytes } from '../sizes.ts';
import { type Case, toFormat } from './case.ts';

const formats = ['f32', 'bf16'] as const;

const totals = formats.flatMap((format) =>
  [0, 1, 17, 4096, 4097, 200_003].flatMap((n): Case[] => {
    const x = toFormat(
      format,
      new Random(n + 1).normals(n).map((v) => v + 0.5),
    );
    const workspace = new Float32Array(sumWorkspaceBytes(n) / 4);
    const args = { x, out: new Float32Array(1), workspace, n, factor: 1 / Math.max(1, n), x_type: dtypeCode[format] };
    const rest = { name: `${n} elements of ${format}`, args, formats: { x: format }, ignore: ['workspace'] };
    return [
      { kernel: 'sum', ...rest },
      { kernel: 'sum_squares', ...rest },
    ];
  }),
);

const shapes = [
  [0, 4, 4],
  [3, 0, 0],
  [1, 1, 1],
  [5, 33, 40],
  [70, 2048, 2048],
  [200, 65, 65],
] as const;

const byRow = formats.flatMap((format) =>
  shapes.flatMap(([rows, cols, ld]): Case[] => {
    const random = new Random(rows * cols + 2);
    const x = toFormat(format, random.normals(rows * ld));
    const name = `[${rows}, ${cols}] of rows of ${ld}, ${format}`;
    const sizes = { rows, cols, x_ld: ld, x_type: dtypeCode[format] };
    const out = new Float32Array(rows);
    const b = random.normals(rows * ld);
    const dot = { a: x, b, out, rows, cols, a_ld: ld, b_ld: ld, a_type: dtypeCode[format], b_type: dtypeCode.f32 };
    const workspace = new Float32Array(columnSumWorkspaceBytes(rows, cols) / 4);
    const sums = (accumulate: number): Case => ({
      kernel: 'column_sum',
      name: accumulate ? `${name}, added` : name,
      args: { x, out: random.normals(cols), workspace, ...sizes, accumulate },
      formats: { x: format },
      ignore: ['workspace'],
    });
    return [
      { kernel: 'row_sum', name, args: { x, out, ...sizes }, formats: { x: format } },
      { kernel: 'row_dot', name, args: dot, formats: { a: format } },
      {
        kernel: 'row_argmax',
        name,
        args: { x, out: new Int32Array(rows), ...sizes },
        formats: { x: format },
        exact: true,
      },
      sums(0),
      sums(1),
    ];
  }),
);

/** Rows of 35 whose maximum stands where lanes, vectors and tails meet. */
const winners: [string, (row: Float32Array) => Float32Array][] = [
  ['all equal', (row) => row.fill(2)],
  ['a tie across vectors', (row) => row.fill(9, 3, 4).fill(9, 33, 34)],
  ['a tie in the tail', (row) => row.fill(5, 32)],
  ['negative numbers only', (row) => row.fill(-7).fill(-3, 34)],
  ['NaN among them', (row) => row.fill(Number.NaN, 0, 20)],
  ['NaN alone', (row) => row.fill(Number.NaN)],
  ['minus infinity alone', (row) => row.fill(Number.NEGATIVE_INFINITY)],
  ['infinity', (row) => row.fill(Number.POSITIVE_INFINITY, 17, 19)],
];

const maxima = winners.flatMap(([name, place], i): Case[] => {
  const x = new Random(i + 3).normals(35);
  place(x);
  const sizes = { rows: 1, cols: 35, x_ld: 35, x_type: dtypeCode.f32 };
  return [{ kernel: 'row_argmax', name, args: { x, out: newData('i32', 1), ...sizes }, exact: true }];
});

export const reduction: Case[] = [...totals, ...byRow, ...maxima];
