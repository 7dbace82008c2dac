// Sizes that C++ and TypeScript must agree on: constants of the arithmetic and of layouts, and bytes of workspaces.
//
// cpp/sizes.h holds the same. A device that opens compares the two (checkSizes), formulas by one example each, so that
// neither side changes alone.
import type { BlockType } from './block-formats.ts';
import { dtypeCode } from './dtype.ts';
import { DeviceError } from './errors.ts';

/** Values that share an FP8 scale along a row, and rows that share one in a weight block. */
export const tileSize = 128;

/** The number of scales that cover `length` values. */
export function tilesIn(length: number): number {
  return Math.ceil(length / tileSize);
}

/** Formats of weights that are made here, with a scale for each group of values along the reduction. */
export type GroupFormat = 'int8' | 'int4';

/** Values that share a scale of an int8 or int4 weight; the reduction of every product in blocks is whole groups. */
export const groupSize = 32;

/** Bytes of a group's block: an f16 scale and 32 codes. */
export const groupBlockBytes: Readonly<Record<GroupFormat, number>> = { int8: 34, int4: 18 };

/** Formats of weights that are multiplied as files have them, and the blocks that they hold (block-formats.ts). */
export const packedBlocks = {
  int8: 'Q8_0',
  int4: 'Q4_0',
  q4_1: 'Q4_1',
  q5_0: 'Q5_0',
  q5_1: 'Q5_1',
  q2_K: 'Q2_K',
  q3_K: 'Q3_K',
  q4_K: 'Q4_K',
  q5_K: 'Q5_K',
  q6_K: 'Q6_K',
  iq4_nl: 'IQ4_NL',
  mxfp4: 'MXFP4',
  iq4_xs: 'IQ4_XS',
} as const satisfies Record<string, BlockType>;

export type PackedBlocks = keyof typeof packedBlocks;

export const isBlocks = (format: string): format is PackedBlocks => format in packedBlocks;

/** Bytes that a panel keeps of a block's column: as in the file, but integer scales and short codes are widened. */
const ownColumnBytes = {
  q4_1: 20,
  q5_0: 22,
  q5_1: 24,
  q2_K: 164,
  q3_K: 146,
  q4_K: 148,
  q5_K: 180,
  q6_K: 210,
  iq4_nl: 18,
  mxfp4: 18,
  iq4_xs: 138,
} as const satisfies Readonly<Record<Exclude<PackedBlocks, GroupFormat>, number>>;

/** Bytes that a panel keeps of a block's column. */
export const panelColumnBytes: Readonly<Record<PackedBlocks, number>> = { ...groupBlockBytes, ...ownColumnBytes };

/** Bytes of the workspace of any GEMM: packed A, its scales, row blocks. `m` rows of C (all groups), reduction `k`. */
export function gemmWorkspaceBytes(m: number, k: number, groups = 1): number {
  return 4 * m * (Math.max(k, Math.ceil(k / 2) + 16 * groups) + tilesIn(k) + 2 * groups + 2);
}

/** Bytes of the workspace of sum and sum_squares over `n` elements. */
export function sumWorkspaceBytes(n: number): number {
  return 4 * Math.ceil(n / 4096);
}

/** Bytes of the workspace of column_sum and rms_norm_backward: a row of f32 sums for each block of rows. */
export function columnSumWorkspaceBytes(rows: number, cols: number): number {
  return 4 * cols * Math.ceil(rows / 32);
}

/** Values of a partial sum of gradient_norm. */
export const squaresPerBlock = 65536;

/** The number of partial sums of gradient_norm for a tensor of `n` values. */
export function squarePartials(n: number): number {
  return Math.ceil(n / squaresPerBlock);
}

/** Tokens of a block of the paged cache. */
export const blockTokens = 64;

/** Codes of a pool's format. */
export const poolFormat = { f32: 0, bf16: 1, fp8: 2, int8: 3 } as const;
export type PoolFormat = keyof typeof poolFormat;

export interface RecordLayout {
  /** Numbers of a token. */
  readonly width: number;
  /** How many of them, the first ones, are codes of a byte; 0 unless the format is fp8 or int8. */
  readonly codes: number;
  /** How many codes share a scale. */
  readonly tile: number;
  /** A value of poolFormat. */
  readonly format: number;
}

/** Bytes that a pool keeps of a token. */
export function recordBytes({ width, codes, tile, format }: RecordLayout): number {
  if (format === poolFormat.f32) return 4 * width;
  if (format === poolFormat.bf16) return 2 * width;
  return codes + 4 * Math.ceil(codes / tile) + 2 * (width - codes);
}

/** Keys whose softmax is one piece of paged attention; pieces begin at multiples of it. */
const chunkKeys = 128;

/** Bytes of paged attention's `partial`: an output, a maximum and a sum for each query, head and chunk of keys. */
export function pagedAttentionWorkspaceBytes(T: number, Hq: number, Dv: number, maxBlocks: number): number {
  return 4 * T * Hq * Math.ceil((maxBlocks * blockTokens) / chunkKeys) * (Dv + 2);
}

/** The number of tokens that top_logprobs lists at most. */
export const maxListed = 20;

/** Logits of a piece, the maxima that are kept of it, and the words of its record. */
const piece = { logits: 8192, maxima: 512, words: 8 };

/** Bytes of a worker's scratch that a row of logits may take. */
const samplingScratchBytes = 2 ** 21 - 2048 * 12;

/** Rows that are enough for all threads; with fewer, threads share a row. */
const fewRows = 16;

/** Bytes of sampling's workspace for logits [R, V]; 0 where every thread takes whole rows. */
export function samplingWorkspaceBytes(R: number, V: number): number {
  const pieces = Math.ceil(V / piece.logits);
  const rowBytes = 4 * (3 * V + pieces * (piece.maxima + piece.words) + 8);
  const isShared = (pieces > 1 && R < fewRows) || rowBytes > samplingScratchBytes;
  return isShared ? R * rowBytes : 0;
}

/** The same list as that of cpp/agreed-sizes.h. */
export const agreedSizes: Readonly<Record<string, number>> = {
  'dtypeCode f32': dtypeCode.f32,
  'dtypeCode bf16': dtypeCode.bf16,
  'dtypeCode e4m3': dtypeCode.e4m3,
  tileSize,
  groupSize,
  'groupBlockBytes int8': groupBlockBytes.int8,
  'groupBlockBytes int4': groupBlockBytes.int4,
  ...Object.fromEntries(Object.entries(ownColumnBytes).map(([name, bytes]) => [`panelColumnBytes ${name}`, bytes])),
  blockTokens,
  chunkKeys,
  maxListed,
  'poolFormat f32': poolFormat.f32,
  'poolFormat bf16': poolFormat.bf16,
  'poolFormat fp8': poolFormat.fp8,
  'poolFormat int8': poolFormat.int8,
  samplingScratchBytes,
  'squarePartials(200000)': squarePartials(200000),
  'sumWorkspaceBytes(10000)': sumWorkspaceBytes(10000),
  'columnSumWorkspaceBytes(100, 7)': columnSumWorkspaceBytes(100, 7),
  'gemmWorkspaceBytes(5, 300, 3)': gemmWorkspaceBytes(5, 300, 3),
  'pagedAttentionWorkspaceBytes(3, 5, 7, 9)': pagedAttentionWorkspaceBytes(3, 5, 7, 9),
  'samplingWorkspaceBytes(2, 20000)': samplingWorkspaceBytes(2, 20000),
  'recordBytes of 576 f32': recordBytes({ width: 576, codes: 0, tile: 1, format: poolFormat.f32 }),
  'recordBytes of 576 bf16': recordBytes({ width: 576, codes: 0, tile: 1, format: poolFormat.bf16 }),
  'recordBytes of 512 codes and 64 bf16': recordBytes({
    width: 576,
    codes: 512,
    tile: tileSize,
    format: poolFormat.fp8,
  }),
  'recordBytes of 4 heads of 80 in int8': recordBytes({ width: 320, codes: 320, tile: 80, format: poolFormat.int8 }),
};

/** Throws DeviceError unless a build's sizes ([name, value, ...]) are those of this file. */
export function checkSizes(listed: readonly (string | number)[], build: string): void {
  const built = new Map(Array.from({ length: listed.length / 2 }, (_, i) => [listed[2 * i], listed[2 * i + 1]]));
  for (const name of new Set([...built.keys(), ...Object.keys(agreedSizes)]))
    if (built.get(name) !== agreedSizes[name])
      throw new DeviceError(
        'open',
        `${name} is ${built.get(name) ?? 'missing'} in ${build} and ${agreedSizes[name] ?? 'missing'} in sizes.ts`,
        'build the kernels again (npm run build)',
      );
}
