// How packed weights lie in memory, said so that a file can tell, and the way back to rows.
//
//   rows   one after another, as they were before (the reference)
//   steps  [panel][k][width]: a step of the reduction for all output columns of a panel
//   pairs  two steps side by side, for instructions that multiply pairs: [panel][k / 2][width][2] of bf16; codes of FP8 in
//          the order in which unpacking 128-bit lanes brings out columns 0-15 and 16-31
// f32 lies in steps under both names. int8 and int4 lie by groups of 32 (cpp/group-dot.h), columns side by side, under
// both names too. Columns are filled up to whole panels. cpp/gemm-panel.h writes these layouts; panel-layout.test.ts holds
// every device to them. Whoever changes what a name stands for gives it a new one.
import { panelBytes } from './reference/gemm.ts';
import { blockBytes, groupPanelBytes, groupSize } from './reference/gemm-groups.ts';

export const panelOrders = ['rows', 'steps', 'pairs'] as const;
export type PanelOrder = (typeof panelOrders)[number];

export interface PanelLayout {
  readonly order: PanelOrder;
  /** Output columns of a panel. */
  readonly width: number;
}

/** Whether two layouts are one for a format. */
export function liesAlike(format: PanelFormat, a: PanelLayout, b: PanelLayout): boolean {
  if (a.order === b.order || a.width !== b.width) return a.width === b.width;
  return format !== 'bf16' && format !== 'e4m3' && a.order !== 'rows' && b.order !== 'rows';
}

/** What panels hold: numbers, codes of FP8, or ggml's blocks. */
export type PanelFormat = 'f32' | 'bf16' | 'e4m3' | 'int8' | 'int4';

const isGroups = (format: PanelFormat): format is 'int8' | 'int4' => format === 'int8' || format === 'int4';

/** Bytes of `groups` weights [n, k]. */
export function panelBytesOf(format: PanelFormat, n: number, k: number, width: number, groups = 1): number {
  return isGroups(format) ? groupPanelBytes(format, n, k, width, groups) : panelBytes(format, n, k, width, groups);
}

/** Bytes of rows [n, k] before they are packed. */
export function rowBytesOf(format: PanelFormat, n: number, k: number): number {
  if (isGroups(format)) return ((n * k) / groupSize) * blockBytes[format];
  return n * k * { f32: 4, bf16: 2, e4m3: 1 }[format];
}

/** Where the next of several weights [n, k] begins. Rows follow each other without a gap and are filled up at their end. */
export function strideOf(format: PanelFormat, n: number, k: number, { order, width }: PanelLayout): number {
  return order === 'rows' ? rowBytesOf(format, n, k) : panelBytesOf(format, n, k, width);
}

/** Panels of one weight [n, k] back to rows: numbers and codes [n, k], or ggml's blocks [n, k / 32]. */
export function unpackPanels(
  panels: Uint8Array,
  format: PanelFormat,
  n: number,
  k: number,
  { order, width }: PanelLayout,
): Uint8Array {
  if (order === 'rows') return panels.slice(0, rowBytesOf(format, n, k));
  if (isGroups(format)) return unpackGroups(panels, format, n, k, width);
  const rows = new Uint8Array(rowBytesOf(format, n, k));
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
function unpackGroups(panels: Uint8Array, format: 'int8' | 'int4', n: number, k: number, width: number): Uint8Array {
  const bytes = blockBytes[format];
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
