// Rows for int8 and int4 weights as blocks. Their panels are each device's own: gemm-groups.test.ts multiplies by them.
import { Random } from '../../math/index.ts';
import { dtypeCode, toF16 } from '../dtype.ts';
import { blockSize } from '../panel-layout.ts';
import { type GroupFormat, groupBlockBytes, type PackedBlocks } from '../sizes.ts';
import { type Case, toFormat } from './case.ts';

const formats: readonly GroupFormat[] = ['int8', 'int4'];

function quantized(format: GroupFormat, name: string, x: Float32Array, dtype: 'f32' | 'bf16' = 'f32'): Case {
  const count = x.length / 32;
  return {
    kernel: `quantize_groups_${format}`,
    name: `${name}, ${count} groups of ${dtype}`,
    formats: { x: dtype },
    args: {
      x: toFormat(dtype, x),
      blocks: new Uint8Array(count * groupBlockBytes[format]),
      x_type: dtypeCode[dtype],
      count,
    },
    exact: true,
  };
}

/** Halves, which round away from zero, and the largest value in several places and both signs. */
const halves = Float32Array.from({ length: 8 * 32 }, (_, i) => {
  const group = Math.floor(i / 32);
  if (i % 32 === group * 4) return group % 2 === 0 ? 127 : -127;
  if (i % 32 === 31) return group % 3 === 0 ? 127 : -127;
  return (i % 32) * 7.5 - 117.5;
});

/** Scales across the range of f16: subnormal, zero by underflow, almost too large. */
const magnitudes = Float32Array.from({ length: 12 * 32 }, (_, i) => {
  const group = Math.floor(i / 32);
  const level = [1e-38, 1e-9, 3e-6, 1e-4, 0.01, 1, 30, 1e3, 1e4, 1e5, 4e5, 0][group];
  return level * Math.sin(i);
});

export const gemmGroups: Case[] = formats.flatMap((format) => [
  ...[0, 1, 5, 2050].flatMap((count) =>
    (['f32', 'bf16'] as const).map((dtype) =>
      quantized(format, 'normal', new Random(count + 1).normals(32 * count, 0.05), dtype),
    ),
  ),
  quantized(format, 'halves and ties', halves),
  quantized(format, 'magnitudes', magnitudes),
  quantized(format, 'all zero', new Float32Array(64)),
  ...[Number.NaN, Number.POSITIVE_INFINITY, 1e30].map((bad): Case => {
    const row = quantized(format, `a value of ${bad}`, new Random(4).normals(96));
    (row.args.x as Float32Array)[70] = bad;
    return { ...row, fault: 'notFinite' };
  }),
]);

/** Where blocks have f16 factors. */
const factorPlaces: Readonly<Partial<Record<PackedBlocks, readonly number[]>>> = {
  q4_1: [0, 2],
  q5_1: [0, 2],
  q2_K: [80, 82],
  q3_K: [108],
  q4_K: [0, 2],
  q5_K: [0, 2],
  q6_K: [208],
  mxfp4: [],
};

/** Random blocks [rows][k / 32 or k / 256]: every code that occurs in files, factors of either sign. */
export function randomBlocks(format: PackedBlocks, rows: number, k: number, seed: number): Uint8Array {
  const random = new Random(seed);
  const { values, bytes } = blockSize(format);
  const blocks = Uint8Array.from({ length: ((rows * k) / values) * bytes }, () => random.below(256));
  const view = new DataView(blocks.buffer);
  for (let at = 0; at < blocks.length; at += bytes) {
    for (const place of factorPlaces[format] ?? [0]) view.setUint16(at + place, toF16(random.normal(0.01)), true);
    if (format === 'mxfp4') blocks[at] = 118 + (blocks[at] % 8);
  }
  return blocks;
}
