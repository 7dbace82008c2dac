// The ggml number formats of files: plain ones, and blocks (src/kernels/block-formats.ts), which are decoded here;
// F32, F16, BF16, Q8_0 and Q4_0 are written.
//
// Rounding as in ggml: half away from zero, by the step before it is rounded itself. Q4_0's step makes the value of
// largest magnitude -8. Source: ggml-quants.c.
import { type BlockFormat, type BlockType, blockFormats, toBf16, toF16 } from '../../kernels/index.ts';

interface GgmlFormat {
  /** The number of the type in a file. */
  readonly id: number;
  /** Values of a block, all of one row, and its bytes. */
  readonly block: number;
  readonly bytes: number;
}

export type GgmlType = 'F32' | 'F16' | 'BF16' | BlockType;

export type WritableType = 'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0';

const inBlocks = Object.entries<BlockFormat>(blockFormats).map(([name, { id, values, bytes }]) => [
  name,
  { id, block: values, bytes },
]);

export const ggmlTypes: Readonly<Record<GgmlType, GgmlFormat>> = {
  F32: { id: 0, block: 1, bytes: 4 },
  F16: { id: 1, block: 1, bytes: 2 },
  BF16: { id: 30, block: 1, bytes: 2 },
  ...(Object.fromEntries(inBlocks) as Record<BlockType, GgmlFormat>),
};

/** Types that are not read, by number: their name, bits of a weight, and the smallest type to take instead. */
export const unreadTypes: Readonly<Record<number, readonly [name: string, bits: number, instead: BlockType]>> = {
  16: ['IQ2_XXS', 2.0625, 'Q2_K'],
  17: ['IQ2_XS', 2.3125, 'Q2_K'],
  18: ['IQ3_XXS', 3.0625, 'Q3_K'],
  19: ['IQ1_S', 1.5625, 'Q2_K'],
  21: ['IQ3_S', 3.4375, 'IQ4_XS'],
  22: ['IQ2_S', 2.5625, 'Q2_K'],
  29: ['IQ1_M', 1.75, 'Q2_K'],
  31: ['Q4_0_4_4', 4.5, 'Q4_0'],
  32: ['Q4_0_4_8', 4.5, 'Q4_0'],
  33: ['Q4_0_8_8', 4.5, 'Q4_0'],
  36: ['IQ4_NL_4_4', 4.5, 'IQ4_NL'],
};

export function ggmlBytes(type: GgmlType, elements: number): number {
  const { block, bytes } = ggmlTypes[type];
  return (elements / block) * bytes;
}

function encodeQ8(x: Float32Array, at: number, out: DataView, to: number): void {
  let max = 0;
  for (let i = 0; i < 32; i++) max = Math.max(max, Math.abs(x[at + i]));
  const step = Math.fround(max / 127);
  const inverse = step === 0 ? 0 : Math.fround(1 / step);
  out.setUint16(to, toF16(step), true);
  for (let i = 0; i < 32; i++) {
    const scaled = Math.fround(x[at + i] * inverse);
    out.setInt8(to + 2 + i, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5));
  }
}

function encodeQ4(x: Float32Array, at: number, out: DataView, to: number): void {
  let top = 0;
  for (let i = 0; i < 32; i++) {
    const value = x[at + i];
    if (Math.abs(value) > Math.abs(top) || Number.isNaN(value)) top = value; // nothing exceeds NaN
  }
  const step = Math.fround(top / -8);
  const inverse = step === 0 ? 0 : Math.fround(1 / step);
  out.setUint16(to, toF16(step), true);
  const code = (i: number) => Math.min(15, Math.trunc(Math.fround(Math.fround(x[at + i] * inverse) + 8.5)));
  for (let i = 0; i < 16; i++) out.setUint8(to + 2 + i, code(i) | (code(i + 16) << 4));
}

/** Encodes whole blocks of values. */
export function encodeGgml(type: WritableType, x: Float32Array): Uint8Array {
  if (type === 'F32') return new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  if (type === 'F16') return new Uint8Array(Uint16Array.from(x, toF16).buffer);
  if (type === 'BF16') return new Uint8Array(Uint16Array.from(x, toBf16).buffer);
  const bytes = new Uint8Array(ggmlBytes(type, x.length));
  const view = new DataView(bytes.buffer);
  const encode = type === 'Q8_0' ? encodeQ8 : encodeQ4;
  for (let block = 0; block < x.length / 32; block++) encode(x, 32 * block, view, ggmlTypes[type].bytes * block);
  return bytes;
}
