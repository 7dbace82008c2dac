// Texts to score, and pairs of them, as micro-batches of one shape: for a step that is recorded once and replayed.
//
// A micro-batch has T tokens and at most B texts, end to end; `rows` says where each ends. Entries that are left over
// repeat row 0 and count nothing. The two texts of a pair stand one after the other in one micro-batch.
import type { Device } from '../kernels/index.ts';
import { fromArray, type Tensor } from '../tensor/index.ts';
import { TrainError } from '../train/index.ts';

export interface ScoreShape {
  /** T */
  readonly tokens: number;
  /** B, an even number. */
  readonly texts: number;
  /** The maximum length of a text. */
  readonly longest: number;
}

/** On the device: ids and positions [2, T] i32, starts [B + 1] i32, the last row of each text [B] i32. */
export type ScoreInputs = [tokens: Tensor, starts: Tensor, rows: Tensor];

/** Rows of a micro-batch for each text that it has room for. */
const rowsPerText = 32;

/** Returns the shape of micro-batches with the given number of rows, for a model of this context. */
export function scoreShape(rows: number, contextLength: number): ScoreShape {
  return { tokens: rows, texts: 2 * Math.ceil(rows / rowsPerText / 2), longest: Math.min(contextLength, rows) };
}

/** Divides items of one or two texts into micro-batches, in their order. Throws TrainError where one fits into none. */
export function packTexts<Item>(
  items: readonly Item[],
  textsIn: (item: Item) => readonly ArrayLike<number>[],
  { tokens, texts, longest }: ScoreShape,
): Item[][] {
  const bins: Item[][] = [];
  let [rows, count] = [tokens, texts];
  for (const item of items) {
    const own = textsIn(item);
    const length = own.reduce((sum, ids) => sum + ids.length, 0);
    const longestOwn = Math.max(...own.map((ids) => ids.length));
    if (longestOwn > longest || length > tokens)
      throw new TrainError(
        'reward model',
        `a text of ${longestOwn} tokens, at most ${Math.min(longest, Math.floor(tokens / own.length))} are taken`,
        'raise microBatchTokens, or shorten the responses',
      );
    if (rows + length > tokens || count + own.length > texts) {
      bins.push([]);
      [rows, count] = [0, 0];
    }
    bins.at(-1)?.push(item);
    rows += length;
    count += own.length;
  }
  return bins;
}

/** Returns one micro-batch. The caller's scope owns it. */
export function scoreInputs(
  texts: readonly ArrayLike<number>[],
  { tokens: T, texts: B }: ScoreShape,
  device: Device,
): ScoreInputs {
  const tokens = new Int32Array(2 * T);
  const starts = new Int32Array(B + 1);
  const rows = new Int32Array(B);
  let row = 0;
  texts.forEach((ids, b) => {
    starts[b] = row;
    for (let i = 0; i < ids.length; i++, row++) {
      tokens[row] = ids[i];
      tokens[T + row] = i;
    }
    rows[b] = row - 1;
  });
  starts.fill(row, texts.length);
  return [
    fromArray(tokens, [2, T], { device }),
    fromArray(starts, [B + 1], { device }),
    fromArray(rows, [B], { device }),
  ];
}
