// Rows of SwiGLU: separate buffers and rows of 2F, both formats, DeepSeek's expert width, gates beyond exp's range.
import { Random } from '../../math/index.ts';
import { dtypeCode, newData } from '../dtype.ts';
import { type Case, toFormat } from './case.ts';

const shapes = [
  [0, 8, 8],
  [1, 1, 1],
  [3, 17, 34],
  [5, 100, 100],
  [20, 2048, 4096],
] as const;
const formats = [
  ['f32', 'f32'],
  ['bf16', 'bf16'],
  ['f32', 'bf16'],
  ['bf16', 'f32'],
] as const;

export const swiglu: Case[] = formats.flatMap(([inType, outType]) =>
  shapes.flatMap(([rows, cols, ld]): Case[] => {
    const random = new Random(rows * cols + 1);
    const values = random.normals(rows * ld, 2);
    values.set([0, 95, -95].slice(0, values.length));
    const gate = toFormat(inType, values);
    const up = toFormat(inType, random.normals(rows * ld));
    const name = `[${rows}, ${cols}] of rows of ${ld}, ${inType} and ${outType}`;
    const out = newData(outType, rows * cols);
    const sizes = { rows, cols, in_ld: ld };
    const d = { dgate: newData(inType, rows * ld), dup: newData(inType, rows * ld), dy_ld: cols, d_ld: ld };
    const dy = toFormat(outType, random.normals(rows * cols));
    return [
      {
        kernel: 'swiglu',
        name,
        args: { gate, up, out, ...sizes, out_ld: cols, in_type: dtypeCode[inType], out_type: dtypeCode[outType] },
        formats: { gate: inType, up: inType, out: outType },
      },
      {
        kernel: 'swiglu_backward',
        name,
        args: { gate, up, dy, ...d, ...sizes, in_type: dtypeCode[inType], dy_type: dtypeCode[outType] },
        formats: { gate: inType, up: inType, dy: outType, dgate: inType, dup: inType },
      },
    ];
  }),
);
