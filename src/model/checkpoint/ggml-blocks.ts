// The ggml number formats of files: plain ones, and blocks (src/kernels/block-formats.ts), of which some are written.
//
// Blocks of 32 round as in ggml: half away from zero, by the step before it is rounded itself. Q4_0's step makes the
// value of largest magnitude -8, Q5_0's -16; Q5_1 spans the values from the least to the largest. K blocks:
// k-quants.ts. Source: ggml-quants.c.
import { type BlockFormat, type BlockType, blockFormats, toBf16, toF16 } from '../../kernels/index.ts';
import { encodeQ4K, encodeQ5K, encodeQ6K } from './k-quants.ts';

interface GgmlFormat {
  /** The number of the type in a file. */
  readonly id: number;
  /** Values of a block, all of one row, and its bytes. */
  readonly block: number;
  readonly bytes: number;
}

export type GgmlType = 'F32' | 'F16' | 'BF16' | BlockType;

export type WritableType = 'F32' | 'F16' | 'BF16' | keyof typeof encoders;

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

function encodeQ8(x: Float32Array, block: DataView): void {
  const step = Math.fround(x.reduce((max, value) => Math.max(max, Math.abs(value)), 0) / 127);
  const inverse = step === 0 ? 0 : Math.fround(1 / step);
  block.setUint16(0, toF16(step), true);
  for (let i = 0; i < 32; i++) {
    const scaled = Math.fround(x[i] * inverse);
    block.setInt8(2 + i, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5));
  }
}

/** Returns the value of largest magnitude; nothing exceeds NaN. */
const farthest = (x: Float32Array) =>
  x.reduce((top, value) => (Math.abs(value) > Math.abs(top) || Number.isNaN(value) ? value : top), 0);

/** Writes codes of 4 or 5 bits: their low halves, after a word of fifth bits where there are some. */
function writeCodes(code: (i: number) => number, block: DataView, head: number, fifth: boolean): void {
  const at = fifth ? head + 4 : head;
  let bits = 0;
  for (let i = 0; i < 16; i++) {
    const [low, high] = [code(i), code(i + 16)];
    block.setUint8(at + i, (low & 15) | ((high & 15) << 4));
    bits |= ((low >> 4) << i) | ((high >> 4) << (i + 16));
  }
  if (fifth) block.setUint32(head, bits >>> 0, true);
}

function encodeSigned(x: Float32Array, block: DataView, bits: 4 | 5): void {
  const half = 2 ** (bits - 1);
  const step = Math.fround(farthest(x) / -half);
  const inverse = step === 0 ? 0 : Math.fround(1 / step);
  block.setUint16(0, toF16(step), true);
  const code = (i: number) => Math.min(2 * half - 1, Math.trunc(Math.fround(Math.fround(x[i] * inverse) + half + 0.5)));
  writeCodes(code, block, 2, bits === 5);
}

function encodeSpan(x: Float32Array, block: DataView): void {
  const [low, high] = [x.reduce((a, b) => Math.min(a, b)), x.reduce((a, b) => Math.max(a, b))];
  const step = Math.fround(Math.fround(high - low) / 31);
  const inverse = step === 0 ? 0 : Math.fround(1 / step);
  block.setUint16(0, toF16(step), true);
  block.setUint16(2, toF16(low), true);
  writeCodes((i) => Math.trunc(Math.fround(Math.fround(Math.fround(x[i] - low) * inverse) + 0.5)), block, 4, true);
}

type Encoder = (x: Float32Array, block: DataView, importance: Float32Array | null) => void;

const encoders = {
  Q8_0: encodeQ8,
  Q4_0: (x, block) => encodeSigned(x, block, 4),
  Q5_0: (x, block) => encodeSigned(x, block, 5),
  Q5_1: encodeSpan,
  Q4_K: (x, block, importance) => encodeQ4K(x, importance, block),
  Q5_K: (x, block, importance) => encodeQ5K(x, importance, block),
  Q6_K: (x, block, importance) => encodeQ6K(x, importance, block),
} as const satisfies Readonly<Record<string, Encoder>>;

/**
 * Encodes whole rows of blocks. `importance`: how much an error counts in each column of a row; K formats read it.
 */
export function encodeGgml(type: WritableType, x: Float32Array, importance: Float32Array | null = null): Uint8Array {
  if (type === 'F32') return new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  if (type === 'F16') return new Uint8Array(Uint16Array.from(x, toF16).buffer);
  if (type === 'BF16') return new Uint8Array(Uint16Array.from(x, toBf16).buffer);
  const encode: Encoder = encoders[type];
  const { block: values, bytes } = ggmlTypes[type];
  const out = new Uint8Array(ggmlBytes(type, x.length));
  for (let at = 0, to = 0; at < x.length; at += values, to += bytes) {
    const column = importance ? at % importance.length : 0;
    const own = importance?.subarray(column, column + values) ?? null;
    encode(x.subarray(at, at + values), new DataView(out.buffer, to, bytes), own);
  }
  return out;
}
