// Rows of RMSNorm: DeepSeek's widths, the latent 512 of 576 columns, both formats. Backward rows receive the inv_rms
// that the forward would have kept, so that they are true points of the function.
import { Random } from '../../math/index.ts';
import { dtypeCode, newData } from '../dtype.ts';
import { columnSumWorkspaceBytes } from '../sizes.ts';
import { type Case, toFormat } from './case.ts';

const eps = 1e-6;
const shapes = [
  [0, 8, 8],
  [1, 1, 1],
  [1, 2, 2],
  [3, 17, 17],
  [5, 512, 576],
  [65, 100, 100],
  [70, 1024, 1024],
  [3, 7168, 7168],
] as const;
const formats = [
  ['f32', 'f32'],
  ['bf16', 'bf16'],
  ['f32', 'bf16'],
  ['bf16', 'f32'],
] as const;

function gains(random: Random, cols: number): Float32Array {
  return random.normals(cols, 0.2).map((g) => g + 1);
}

const forward = formats.flatMap(([xType, outType]) =>
  shapes.flatMap(([rows, cols, ld]): Case[] => {
    const random = new Random(rows * cols + 1);
    const x = toFormat(xType, random.normals(rows * ld, 3));
    const name = `[${rows}, ${cols}] of rows of ${ld}, ${xType} to ${outType}`;
    const sizes = { rows, cols, eps, x_type: dtypeCode[xType], out_type: dtypeCode[outType] };
    const gain = gains(random, cols);
    const outputs = { out: newData(outType, rows * cols), inv_rms: new Float32Array(rows) };
    const plain = { x, gain, ...outputs, x_ld: ld, out_ld: cols, ...sizes };
    const wide = { ...plain, out: newData(outType, rows * ld), out_ld: ld, inv_rms: null };
    const named = { x: xType, out: outType };
    const joined = (['f32', 'bf16'] as const).map((deltaType): Case => {
      const delta = toFormat(deltaType, random.normals(rows * ld));
      const sums = { sum: newData(xType, rows * cols), delta_type: dtypeCode[deltaType] };
      return {
        kernel: 'add_rms_norm',
        name: `${name}, delta ${deltaType}`,
        args: { x, delta, gain, ...outputs, ...sizes, ...sums },
        formats: { ...named, delta: deltaType, sum: xType },
      };
    });
    return [
      { kernel: 'rms_norm', name, args: plain, formats: named },
      { kernel: 'rms_norm', name: `${name}, into rows of ${ld}, inv_rms not kept`, args: wide, formats: named },
      ...joined,
    ];
  }),
);

const zeros: Case = {
  kernel: 'rms_norm',
  name: 'a row of zeros stays zero',
  args: {
    x: new Float32Array(40),
    gain: new Float32Array(40).fill(1),
    out: new Float32Array(40),
    inv_rms: new Float32Array(1),
    rows: 1,
    cols: 40,
    x_ld: 40,
    out_ld: 40,
    eps,
    x_type: dtypeCode.f32,
    out_type: dtypeCode.f32,
  },
};

/** The norm of a single element is its sign: its gradient is nothing but rounding. */
const differentiable = ([rows, cols]: readonly number[]) => rows * cols !== 1;

const backward = formats.flatMap(([xType, dyType]) =>
  shapes.filter(differentiable).flatMap(([rows, cols, ld]): Case[] => {
    const random = new Random(rows * cols + 2);
    const values = random.normals(rows * ld, 3);
    const invRms = Float32Array.from({ length: rows }, (_, r) => {
      const row = values.subarray(r * ld, r * ld + cols);
      return 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / cols + eps);
    });
    const added = toFormat(xType, random.normals(rows * ld));
    const row = (name: string, isAdded: boolean, isFrozen = false): Case => ({
      kernel: 'rms_norm_backward',
      name: `[${rows}, ${cols}] of rows of ${ld}, ${xType} from ${dyType}${name}`,
      args: {
        x: toFormat(xType, values),
        gain: gains(random, cols),
        inv_rms: invRms,
        dy: toFormat(dyType, random.normals(rows * cols)),
        added: isAdded ? added : null,
        dx: toFormat(xType, random.normals(rows * ld)),
        rounded: isAdded ? new Uint16Array(rows * cols) : null,
        dgain: isFrozen ? null : random.normals(cols),
        workspace: new Float32Array(columnSumWorkspaceBytes(rows, cols) / 4),
        rows,
        cols,
        x_ld: ld,
        dy_ld: cols,
        dx_ld: ld,
        x_type: dtypeCode[xType],
        dy_type: dtypeCode[dyType],
        accumulate_dgain: isAdded ? 1 : 0,
      },
      formats: { x: xType, added: xType, dx: xType, dy: dyType },
      ignore: ['workspace'],
    });
    return [row('', false), row(', added', true), row(', frozen gain', false, true)];
  }),
);

export const norm: Case[] = [...forward, zeros, ...backward];
