// The layouts of packed weights in memory, by names that files record, and the way back to rows.
//
//   rows   unchanged, one after another (the reference)
//   steps  [panel][k][width]: a step of the reduction for all output columns of a panel
//   pairs  two steps side by side, for instructions that multiply pairs: [panel][k / 2][width][2] of bf16; FP8 codes in
//          the order in which unpacking 128-bit lanes gives columns 0-15 and 16-31
// f32 lies in steps under both names. int8 and int4 lie by groups of 32 (cpp/group-dot.h), columns side by side, under
// both names too. Columns are filled up to whole panels. cpp/gemm-panel.h writes these layouts; panel-layout.test.ts
// checks every device against them. A changed layout needs a new name.
import { type BlockFormat, blockFormats } from './block-formats.ts';
import { dtypeBytes } from './dtype.ts';
import {
  type GroupFormat,
  groupBlockBytes,
  groupSize,
  type PackedBlocks,
  packedBlocks,
  panelColumnBytes,
} from './sizes.ts';

export const panelOrders = ['rows', 'steps', 'pairs'] as const;
export type PanelOrder = (typeof panelOrders)[number];

export interface PanelLayout {
  readonly order: PanelOrder;
  /** Output columns of a panel. */
  readonly width: number;
}

/** Whether two layouts are the same for a format. */
export function isSameLayout(format: PanelFormat, a: PanelLayout, b: PanelLayout): boolean {
  if (a.order === b.order || a.width !== b.width) return a.width === b.width;
  return format !== 'bf16' && format !== 'e4m3' && a.order !== 'rows' && b.order !== 'rows';
}

/** The contents of panels that can be unpacked: numbers, FP8 codes, or groups of 32. */
export type PanelFormat = 'f32' | 'bf16' | 'e4m3' | GroupFormat;

const isGroups = (format: PanelFormat): format is GroupFormat => format === 'int8' || format === 'int4';

/** Bytes of rows [n, k] before they are packed. */
export function unpackedBytes(format: PanelFormat, n: number, k: number): number {
  return isGroups(format) ? ((n * k) / groupSize) * groupBlockBytes[format] : n * k * dtypeBytes[format];
}

/** The values of a block in a format, and its bytes in a file. */
export function blockSize(format: PackedBlocks): { readonly values: number; readonly bytes: number } {
  const { values, bytes }: BlockFormat = blockFormats[packedBlocks[format]];
  return { values, bytes };
}

/** Bytes of `groups` weights [n, k] of whole blocks in panels. */
export function blockPanelBytes(format: PackedBlocks, n: number, k: number, width: number, groups = 1): number {
  const columns = Math.ceil(n / width) * width;
  return groups * columns * (k / blockSize(format).values) * panelColumnBytes[format];
}

/** Bytes of `groups` weights [n, k] in panels: columns filled up to whole panels, k to an even number. */
export function panelBytes(format: PanelFormat, n: number, k: number, width: number, groups = 1): number {
  const columns = Math.ceil(n / width) * width;
  return groups * unpackedBytes(format, columns, isGroups(format) ? k : k + (k % 2));
}

/** Bytes from one of several weights [n, k] to the next. Rows follow each other without a gap. */
export function weightStride(format: PanelFormat, n: number, k: number, { order, width }: PanelLayout): number {
  return order === 'rows' ? unpackedBytes(format, n, k) : panelBytes(format, n, k, width);
}

/** Converts panels of one weight [n, k] back to rows: numbers and codes [n, k], or ggml's blocks [n, k / 32]. */
export function unpackPanels(
  panels: Uint8Array,
  format: PanelFormat,
  n: number,
  k: number,
  { order, width }: PanelLayout,
): Uint8Array {
  if (order === 'rows') return panels.slice(0, unpackedBytes(format, n, k));
  if (isGroups(format)) return unpackGroups(panels, format, n, k, width);
  const rows = new Uint8Array(unpackedBytes(format, n, k));
  const inPairs = order === 'pairs' && format !== 'f32';
  const place = !inPairs ? placeInSteps(width) : format === 'bf16' ? placeInPairs(width) : placeInLanes(width);
  const words = { f32: Uint32Array, bf16: Uint16Array, e4m3: Uint8Array }[format];
  const from = new words(panels.slice().buffer);
  const to = new words(rows.buffer);
  const stride = (k + (k % 2)) * width;
  for (let row = 0; row < n; row++) {
    const panel = Math.floor(row / width) * stride;
    const column = row % width;
    for (let i = 0; i < k; i++) to[row * k + i] = from[panel + place(i, column)];
  }
  return rows;
}

type Place = (step: number, column: number) => number;

function placeInSteps(width: number): Place {
  return (step, column) => step * width + column;
}

function placeInPairs(width: number): Place {
  return (step, column) => (step >> 1) * 2 * width + 2 * column + (step & 1);
}

/** 64 codes of two steps: each 128-bit lane has 4 columns of the first 16, then 4 of the others. */
function placeInLanes(width: number): Place {
  return (step, column) => {
    const lane = ((column % 16) >> 2) * 16 + (column >> 4) * 8;
    return (step >> 1) * 2 * width + lane + (column % 4) * 2 + (step & 1);
  };
}

/** A group of a panel: scales of its columns, then words of 4 bytes, those of all columns side by side. */
function unpackGroups(panels: Uint8Array, format: GroupFormat, n: number, k: number, width: number): Uint8Array {
  const bytes = groupBlockBytes[format];
  const across = k / groupSize;
  const rows = new Uint8Array(n * across * bytes);
  const sign = format === 'int8' ? 0x80 : 0; // stored 128 above
  for (let row = 0; row < n; row++) {
    const column = row % width;
    for (let g = 0; g < across; g++) {
      const group = (Math.floor(row / width) * across + g) * bytes * width;
      const to = (row * across + g) * bytes;
      rows[to] = panels[group + 2 * column];
      rows[to + 1] = panels[group + 2 * column + 1];
      for (let byte = 2; byte < bytes; byte++) {
        const [word, inWord] = [(byte - 2) >> 2, (byte - 2) & 3];
        rows[to + byte] = panels[group + 2 * width + 4 * (word * width + column) + inWord] ^ sign;
      }
    }
  }
  return rows;
}
