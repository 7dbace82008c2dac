// ggml's block formats, one row each: how many values a block has, its bytes, and the numbers it means, exactly.
//
// Every format is the same sum: value = scale * code - minimum, in f32, each operation rounded once. A code is a small
// integer; a scale and a minimum belong to 16 values. Formats of 32 values (Q4_0 ... MXFP4) hold a scale in f16 or as a
// power of two; those of 256 (K, IQ4_XS) hold f16 factors and a small integer for each group, and their product is
// exact in f32. Scales and products of the kernels (reference/gemm-blocks.ts), decoding, and what a writer must invert
// follow from a row. Sources: ggml-quants.c and ggml-common.h (MIT), gguf-py's quants.py. Left out: the grid types
// (IQ1, IQ2, IQ3), which need tables of 256 to 2,048 entries.
import { halfValues } from './half.ts';

/** What a block means; arrays are as long as the block, scales and minimums one for each 16 values. */
export interface BlockValues {
  readonly codes: Int32Array;
  readonly scales: Float32Array;
  readonly minimums: Float32Array;
}

export interface BlockFormat {
  /** The number of the type in GGUF. */
  readonly id: number;
  /** Values of a block, all of one row. */
  readonly values: number;
  readonly bytes: number;
  /** Values that share a scale: a product adds up so many as integers. */
  readonly shared: 16 | 32;
  readonly hasMinimums: boolean;
  /** Reads the block at `at`. */
  readonly read: (bytes: Uint8Array, at: number, to: BlockValues) => void;
}

const { fround } = Math;

const u16 = (b: Uint8Array, at: number) => b[at] | (b[at + 1] << 8);
const u32 = (b: Uint8Array, at: number) => (u16(b, at) | (u16(b, at + 2) << 16)) >>> 0;
const i8 = (byte: number) => (byte << 24) >> 24;
const half = (b: Uint8Array, at: number) => halfValues()[u16(b, at)];

/** Codes of `count` bytes: low halves first, high halves `count` values later. */
function readHalves(b: Uint8Array, at: number, count: number, codes: Int32Array, to: number): void {
  for (let i = 0; i < count; i++) {
    codes[to + i] = b[at + i] & 15;
    codes[to + count + i] = b[at + i] >> 4;
  }
}

/** A block of 32 values with one scale: `bytes` before its codes, then a fifth bit of each where there is one. */
function readSmall(
  { codes, scales, minimums }: BlockValues,
  b: Uint8Array,
  at: number,
  { bias, minimum, fifth }: { bias: number; minimum?: boolean; fifth?: boolean },
): void {
  scales.fill(half(b, at));
  minimums.fill(minimum ? -half(b, at + 2) : 0);
  const after = at + (minimum ? 4 : 2);
  const bits = fifth ? u32(b, after) : 0;
  readHalves(b, fifth ? after + 4 : after, 16, codes, 0);
  for (let i = 0; i < 32; i++) codes[i] += (((bits >>> i) & 1) << 4) - bias;
}

/** The eight pairs of 6 bits of Q4_K and Q5_K. */
function readPairs(b: Uint8Array, at: number, { scales, minimums }: BlockValues): void {
  const [d, dmin] = [half(b, at), half(b, at + 2)];
  const s = at + 4;
  for (let j = 0; j < 8; j++) {
    const isLow = j < 4;
    const scale = isLow ? b[s + j] & 63 : (b[s + j + 4] & 15) | ((b[s + j - 4] >> 6) << 4);
    const minimum = isLow ? b[s + j + 4] & 63 : (b[s + j + 4] >> 4) | ((b[s + j] >> 6) << 4);
    scales[2 * j] = scales[2 * j + 1] = d * scale;
    minimums[2 * j] = minimums[2 * j + 1] = dmin * minimum;
  }
}

/** Two bits of each value: halves of 128, four values of a byte lie 32 apart. */
function readQuarters(b: Uint8Array, at: number, codes: Int32Array): void {
  for (let h = 0; h < 2; h++)
    for (let j = 0; j < 4; j++)
      for (let l = 0; l < 32; l++) codes[128 * h + 32 * j + l] = (b[at + 32 * h + l] >> (2 * j)) & 3;
}

function readQ2K(b: Uint8Array, at: number, { codes, scales, minimums }: BlockValues): void {
  const [d, dmin] = [half(b, at + 80), half(b, at + 82)];
  for (let i = 0; i < 16; i++) {
    scales[i] = d * (b[at + i] & 15);
    minimums[i] = dmin * (b[at + i] >> 4);
  }
  readQuarters(b, at + 16, codes);
}

function readQ3K(b: Uint8Array, at: number, { codes, scales, minimums }: BlockValues): void {
  const d = half(b, at + 108);
  const s = at + 96;
  for (let i = 0; i < 16; i++) {
    const low = i < 8 ? b[s + i] & 15 : b[s + i - 8] >> 4;
    scales[i] = d * ((low | (((b[s + 8 + (i % 4)] >> (2 * (i >> 2))) & 3) << 4)) - 32);
  }
  minimums.fill(0);
  readQuarters(b, at + 32, codes);
  for (let i = 0; i < 256; i++) codes[i] -= (b[at + (i % 32)] >> (i >> 5)) & 1 ? 0 : 4;
}

function readQ4K(b: Uint8Array, at: number, to: BlockValues): void {
  readPairs(b, at, to);
  for (let c = 0; c < 4; c++) readHalves(b, at + 16 + 32 * c, 32, to.codes, 64 * c);
}

function readQ5K(b: Uint8Array, at: number, to: BlockValues): void {
  readPairs(b, at, to);
  for (let c = 0; c < 4; c++) readHalves(b, at + 48 + 32 * c, 32, to.codes, 64 * c);
  for (let i = 0; i < 256; i++) to.codes[i] |= ((b[at + 16 + (i % 32)] >> (i >> 5)) & 1) << 4;
}

function readQ6K(b: Uint8Array, at: number, { codes, scales, minimums }: BlockValues): void {
  const d = half(b, at + 208);
  for (let i = 0; i < 16; i++) scales[i] = d * i8(b[at + 192 + i]);
  minimums.fill(0);
  for (let i = 0; i < 256; i++) {
    const [h, j, l] = [i >> 7, (i >> 5) & 3, i & 31];
    const low = b[at + 64 * h + 32 * (j & 1) + l] >> (j < 2 ? 0 : 4);
    codes[i] = ((low & 15) | (((b[at + 128 + 32 * h + l] >> (2 * j)) & 3) << 4)) - 32;
  }
}

/** The values of IQ4's codes. */
const iq4Values = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/** The values of E2M1's codes, doubled. */
const e2m1Values = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

function lookUp(values: readonly number[], codes: Int32Array): void {
  for (let i = 0; i < codes.length; i++) codes[i] = values[codes[i]];
}

function readIq4Nl(b: Uint8Array, at: number, to: BlockValues): void {
  readSmall(to, b, at, { bias: 0 });
  lookUp(iq4Values, to.codes);
}

function readIq4Xs(b: Uint8Array, at: number, { codes, scales, minimums }: BlockValues): void {
  const [d, high] = [half(b, at), u16(b, at + 2)];
  for (let j = 0; j < 8; j++) {
    const low = (b[at + 4 + (j >> 1)] >> (4 * (j % 2))) & 15;
    scales[2 * j] = scales[2 * j + 1] = d * ((low | (((high >> (2 * j)) & 3) << 4)) - 32);
    readHalves(b, at + 8 + 16 * j, 16, codes, 32 * j);
  }
  minimums.fill(0);
  lookUp(iq4Values, codes);
}

function readMxfp4(b: Uint8Array, at: number, { codes, scales, minimums }: BlockValues): void {
  scales.fill(2 ** (b[at] - 128));
  minimums.fill(0);
  readHalves(b, at + 1, 16, codes, 0);
  lookUp(e2m1Values, codes);
}

/** Unsigned E4M3 of NVFP4; 0 and 127 mean 0. */
function fromUe4m3(code: number): number {
  if (code === 0 || code === 0x7f) return 0;
  const [exponent, mantissa] = [(code >> 3) & 15, code & 7];
  return exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10);
}

function readNvfp4(b: Uint8Array, at: number, { codes, scales, minimums }: BlockValues): void {
  for (let s = 0; s < 4; s++) {
    scales[s] = fround(fromUe4m3(b[at + s]) * 0.5);
    readHalves(b, at + 4 + 8 * s, 8, codes, 16 * s);
  }
  minimums.fill(0);
  lookUp(e2m1Values, codes);
}

/** Five values of a byte in base 3, the first in the highest digit of a fraction of 256. */
const ternary = (byte: number, digit: number) => ((((byte * 3 ** digit) & 255) * 3) >> 8) - 1;

function readTq1(b: Uint8Array, at: number, { codes, scales, minimums }: BlockValues): void {
  scales.fill(half(b, at + 52));
  minimums.fill(0);
  let i = 0;
  for (const [from, width, digits] of [
    [0, 32, 5],
    [32, 16, 5],
    [48, 4, 4],
  ] as const)
    for (let digit = 0; digit < digits; digit++)
      for (let l = 0; l < width; l++) codes[i++] = ternary(b[at + from + l], digit);
}

function readTq2(b: Uint8Array, at: number, { codes, scales, minimums }: BlockValues): void {
  scales.fill(half(b, at + 64));
  minimums.fill(0);
  readQuarters(b, at, codes);
  for (let i = 0; i < 256; i++) codes[i]--;
}

function readQ8(b: Uint8Array, at: number, { codes, scales, minimums }: BlockValues): void {
  scales.fill(half(b, at));
  minimums.fill(0);
  for (let i = 0; i < 32; i++) codes[i] = i8(b[at + 2 + i]);
}

const row = (
  id: number,
  values: number,
  bytes: number,
  read: BlockFormat['read'],
  { shared = 32, hasMinimums = false }: Partial<Pick<BlockFormat, 'shared' | 'hasMinimums'>> = {},
): BlockFormat => ({ id, values, bytes, shared, hasMinimums, read });

const withMinimums = { hasMinimums: true };

export const blockFormats = {
  Q4_0: row(2, 32, 18, (b, at, to) => readSmall(to, b, at, { bias: 8 })),
  Q4_1: row(3, 32, 20, (b, at, to) => readSmall(to, b, at, { bias: 0, minimum: true }), withMinimums),
  Q5_0: row(6, 32, 22, (b, at, to) => readSmall(to, b, at, { bias: 16, fifth: true })),
  Q5_1: row(7, 32, 24, (b, at, to) => readSmall(to, b, at, { bias: 0, minimum: true, fifth: true }), withMinimums),
  Q8_0: row(8, 32, 34, readQ8),
  Q2_K: row(10, 256, 84, readQ2K, { shared: 16, hasMinimums: true }),
  Q3_K: row(11, 256, 110, readQ3K, { shared: 16 }),
  Q4_K: row(12, 256, 144, readQ4K, withMinimums),
  Q5_K: row(13, 256, 176, readQ5K, withMinimums),
  Q6_K: row(14, 256, 210, readQ6K, { shared: 16 }),
  IQ4_NL: row(20, 32, 18, readIq4Nl),
  IQ4_XS: row(23, 256, 136, readIq4Xs),
  TQ1_0: row(34, 256, 54, readTq1),
  TQ2_0: row(35, 256, 66, readTq2),
  MXFP4: row(39, 32, 17, readMxfp4),
  NVFP4: row(40, 64, 36, readNvfp4, { shared: 16 }),
} satisfies Record<string, BlockFormat>;

export type BlockType = keyof typeof blockFormats;

/** Room for what a block of a format means. */
export function newBlockValues({ values }: BlockFormat): BlockValues {
  return {
    codes: new Int32Array(values),
    scales: new Float32Array(values / 16),
    minimums: new Float32Array(values / 16),
  };
}

/** Decodes whole blocks. */
export function decodeBlocks(type: BlockType, bytes: Uint8Array): Float32Array {
  const format: BlockFormat = blockFormats[type];
  const count = bytes.length / format.bytes;
  const x = new Float32Array(count * format.values);
  const block = newBlockValues(format);
  const { codes, scales, minimums } = block;
  for (let i = 0, to = 0; i < count; i++) {
    format.read(bytes, i * format.bytes, block);
    for (let j = 0; j < format.values; j++) x[to++] = fround(scales[j >> 4] * codes[j]) - minimums[j >> 4];
  }
  return x;
}
