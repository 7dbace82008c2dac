// Rows of dispatch: plans of ragged expert loads, gathers and weighted sums in both formats, refused indices.
import { Random } from '../../math/index.ts';
import { type DType, dtypeBytes, dtypeCode } from '../dtype.ts';
import { type Case, toFormat } from './case.ts';

type Format = 'f32' | 'bf16';

function plan(T: number, K: number, E: number, indices?: number[]): Case {
  const random = new Random(T * 13 + K + E);
  const n = T * K;
  return {
    kernel: 'dispatch_plan',
    name: `[${T}, ${K}] of ${E} experts${indices ? `: ${indices.join(' ')}` : ''}`,
    args: {
      indices: Int32Array.from({ length: n }, (_, i) => indices?.[i] ?? random.below(E)),
      offsets: new Int32Array(E + 1).fill(-7),
      row_index: new Int32Array(n).fill(-7),
      token_index: new Int32Array(n).fill(-7),
      T,
      K,
      E,
    },
  };
}

/** A permutation of [0, n). */
function shuffled(n: number): Int32Array {
  const random = new Random(n + 5);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function permute(format: DType, rows: number, tokens: number, cols: number, tokenIndex?: number[]): Case {
  const random = new Random(rows + cols);
  return {
    kernel: 'permute_rows',
    name: `${rows} rows from ${tokens} tokens of ${cols} ${format}${tokenIndex ? `: ${tokenIndex.join(' ')}` : ''}`,
    args: {
      x: toFormat(format, random.normals(tokens * cols)),
      token_index: Int32Array.from({ length: rows }, (_, r) => tokenIndex?.[r] ?? random.below(tokens)),
      out: toFormat(format, new Float32Array(rows * cols)),
      rows,
      tokens,
      row_bytes: cols * dtypeBytes[format],
    },
    formats: { x: format, out: format },
    exact: true,
  };
}

function unpermute(T: number, K: number, cols: number, format: Format, outFormat: Format, parts: string): Case {
  const random = new Random(T + K + cols);
  const rows = T * K;
  return {
    kernel: 'unpermute_rows',
    name: `[${T}, ${K}] rows of ${cols}, ${format} to ${outFormat}${parts && `, with ${parts}`}`,
    args: {
      y: toFormat(format, random.normals(rows * cols)),
      row_index: shuffled(rows),
      weights: parts.includes('weights') ? random.normals(rows) : null,
      base: parts.includes('base') ? toFormat(outFormat, random.normals(T * cols)) : null,
      out: toFormat(outFormat, new Float32Array(T * cols).fill(7)),
      y_type: dtypeCode[format],
      out_type: dtypeCode[outFormat],
      T,
      K,
      rows,
      cols,
    },
    formats: { y: format, base: outFormat, out: outFormat },
  };
}

function unpermuteBackward(T: number, K: number, cols: number, format: Format, weighted: boolean): Case {
  const random = new Random(T + K + cols + 1);
  const rows = T * K;
  return {
    kernel: 'unpermute_rows_backward',
    name: `[${T}, ${K}] rows of ${cols} ${format}${weighted ? ', weighted' : ''}`,
    args: {
      dout: toFormat(format, random.normals(T * cols)),
      y: weighted ? toFormat(format, random.normals(rows * cols)) : null,
      row_index: shuffled(rows),
      weights: weighted ? random.normals(rows) : null,
      dy: toFormat(format, new Float32Array(rows * cols)),
      dweights: weighted ? new Float32Array(rows) : null,
      dout_type: dtypeCode[format],
      y_type: dtypeCode[format],
      dy_type: dtypeCode[format],
      T,
      K,
      rows,
      cols,
    },
    formats: { dout: format, y: format, dy: format },
  };
}

const shapes: [number, number, number][] = [
  [0, 2, 5],
  [1, 1, 1],
  [3, 2, 17],
  [5, 8, 63],
  [7, 3, 130],
  [70, 6, 512],
];

const badRow = (row: Case, bad: number): Case => {
  const rowIndex = Int32Array.from(row.args.row_index as Int32Array);
  rowIndex[rowIndex.length - 1] = bad;
  return { ...row, name: `row ${bad}`, args: { ...row.args, row_index: rowIndex }, fault: 'indexOutOfRange' };
};

export const dispatch: Case[] = [
  plan(0, 2, 3),
  plan(1, 1, 1),
  plan(3, 2, 4, [3, 1, 1, 0, 3, 1]), // expert 0: token 1; 1: tokens 0 1 2; 2: nobody; 3: tokens 0 2
  plan(129, 6, 64),
  plan(700, 8, 256),
  { ...plan(2, 2, 4, [0, 1, 4, 2]), fault: 'indexOutOfRange' },
  { ...plan(2, 2, 4, [0, 1, -1, 2]), fault: 'indexOutOfRange' },

  permute('f32', 0, 3, 5),
  permute('f32', 1, 1, 1),
  permute('bf16', 9, 4, 33),
  permute('e4m3', 50, 20, 129),
  permute('f32', 600, 100, 512),
  { ...permute('f32', 3, 4, 5, [0, 4, 1]), fault: 'indexOutOfRange' },
  { ...permute('f32', 3, 4, 5, [0, -1, 1]), fault: 'indexOutOfRange' },

  ...shapes.flatMap(([T, K, cols]) => [
    unpermute(T, K, cols, 'f32', 'f32', 'weights and base'),
    unpermute(T, K, cols, 'bf16', 'bf16', 'weights and base'),
    unpermute(T, K, cols, 'bf16', 'f32', 'weights'),
    unpermute(T, K, cols, 'f32', 'bf16', 'base'),
    unpermute(T, K, cols, 'f32', 'f32', ''),
    unpermuteBackward(T, K, cols, 'f32', true),
    unpermuteBackward(T, K, cols, 'bf16', true),
    unpermuteBackward(T, K, cols, 'f32', false),
  ]),
  ...[-1, 6].flatMap((bad) => [
    badRow(unpermute(3, 2, 17, 'f32', 'f32', 'weights'), bad),
    badRow(unpermuteBackward(3, 2, 17, 'f32', true), bad),
  ]),
];
