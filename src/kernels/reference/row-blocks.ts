// Sums over rows are added in blocks of rows, each in a workspace row of its own, then the blocks in order.

/** kRowBlock of cpp/rows.h. */
const rowBlock = 32;

/** Workspace of column_sum and rms_norm_backward: a row of f32 sums for each block of rows. */
export function columnSumWorkspaceBytes(rows: number, cols: number): number {
  return Math.ceil(rows / rowBlock) * cols * 4;
}
