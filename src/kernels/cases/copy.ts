// Rows of the kernels that move elements: every one must equal the definition to the bit.
import { Random } from '../../math/index.ts';
import { dtypeBytes, newData } from '../dtype.ts';
import { type Case, toFormat } from './case.ts';

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.imul(i + length, 0x9e3779b1) >>> 24);
}

const whole = [0, 1, 63, 1_500_000].flatMap((n): Case[] => [
  { kernel: 'copy_bytes', name: `${n} bytes`, args: { from: bytes(n), to: new Uint8Array(n), n }, exact: true },
  { kernel: 'zero_bytes', name: `${n} of ${n + 9} bytes`, args: { to: bytes(n + 9), n }, exact: true },
]);

const ranges = [
  [0, 1],
  [1, 5],
  [129, 24],
  [70_000, -3],
].map(
  ([n, step]): Case => ({
    kernel: 'range_i32',
    name: `${n} numbers, ${step} apart`,
    args: { out: new Int32Array(n + 3).fill(7), n, step },
    exact: true,
  }),
);

const columns = [
  [0, 8, 8, 8],
  [3, 0, 4, 4],
  [5, 7, 9, 11],
  [64, 256, 2304, 256], // the rotary 64 of MLA's 576 compressed columns
  [130, 2048, 2304, 2048],
].map(
  ([rows, rowBytes, fromLd, toLd]): Case => ({
    kernel: 'copy_columns',
    name: `${rows} rows of ${rowBytes} bytes, ${fromLd} to ${toLd} apart`,
    args: {
      from: bytes(rows * fromLd),
      to: bytes(rows * toLd + 1).subarray(0, rows * toLd),
      rows,
      row_bytes: rowBytes,
      from_ld: fromLd,
      to_ld: toLd,
    },
    exact: true,
  }),
);

type Four = readonly [number, number, number, number];

function rowMajor([, n1, n2, n3]: Four): Four {
  return [n1 * n2 * n3, n2 * n3, n3, 1];
}

function permute(name: string, sizes: Four, from: Four, to: Four, format: 'f32' | 'bf16' | 'u8'): Case {
  const reach = (strides: Four) =>
    sizes.includes(0) ? 0 : 1 + sizes.reduce((sum, n, axis) => sum + (n - 1) * strides[axis], 0);
  const source = new Random(7).normals(reach(from));
  const args: Record<string, number> = {};
  for (let i = 0; i < 4; i++) Object.assign(args, { [`n${i}`]: sizes[i], [`f${i}`]: from[i], [`t${i}`]: to[i] });
  return {
    kernel: 'permute',
    name: `${name}, ${format}`,
    args: {
      from: format === 'u8' ? bytes(source.length) : toFormat(format, source),
      to: newData(format, reach(to)),
      ...args,
      width: dtypeBytes[format],
    },
    formats: { from: format, to: format },
    exact: true,
  };
}

const orders = (['f32', 'bf16', 'u8'] as const).flatMap((format) => {
  const heads: Four = [2, 5, 37, 24]; // B H T N out of [B, T, H, N]
  const dense = rowMajor(heads);
  const square: Four = [1, 1, 130, 67];
  const one: Four = [1, 1, 1, 1];
  return [
    permute('nothing', [0, 1, 2, 3], one, one, format),
    permute('one element', one, one, one, format),
    permute('[B, T, H, N] to [B, H, T, N]', heads, [37 * 5 * 24, 24, 5 * 24, 1], dense, format),
    permute('transpose of 67 x 130', square, [0, 0, 1, 130], rowMajor(square), format),
    permute('transpose of 1 x 48', [1, 1, 48, 1], [0, 0, 1, 48], [0, 0, 1, 1], format),
    permute('all axes turned', [3, 4, 5, 6], [1, 3, 12, 60], rowMajor([3, 4, 5, 6]), format),
    permute('one number to all', [1, 1, 20, 30], [0, 0, 0, 0], rowMajor([1, 1, 20, 30]), format),
    permute('a column to all columns', [1, 1, 20, 30], [0, 0, 1, 0], rowMajor([1, 1, 20, 30]), format),
    permute('a row to all rows', [1, 1, 20, 30], [0, 0, 0, 1], rowMajor([1, 1, 20, 30]), format),
    permute('into wider rows', [1, 3, 20, 30], [0, 600, 30, 1], [0, 900, 45, 1], format),
    permute('transpose into wider rows', [1, 1, 40, 33], [0, 0, 1, 40], [0, 0, 50, 1], format),
  ];
});

export const copy: Case[] = [...whole, ...ranges, ...columns, ...orders];
