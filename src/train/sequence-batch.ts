// Sequences of different lengths as micro-batches of one shape: for a step that is recorded once and replayed.
//
// A micro-batch has T tokens and at most B sequences, end to end; rows that are left over belong to none and
// have no target. Sequences go to the fullest micro-batch that still has room, the longest first. Contract: every sequence is
// in exactly one micro-batch, and its own numbers (advantages, log-probabilities) stand beside its tokens.
import type { Device } from '../kernels/index.ts';
import type { Batch } from '../model/index.ts';
import { fromArray, ignoreIndex, narrow, reshape, type Tensor } from '../tensor/index.ts';
import { TrainError } from './errors.ts';

export interface TrainSequence {
  readonly ids: ArrayLike<number>;
  /** Tokens before it are given, not learned. */
  readonly promptLength: number;
  /** Numbers of each learned token, in this order; each as long as the output. */
  readonly columns: readonly ArrayLike<number>[];
}

export interface BatchShape {
  readonly tokens: number;
  readonly sequences: number;
  /** No sequence is longer. */
  readonly longest: number;
  /** Numbers beside each token. */
  readonly columns: number;
}

/** Of micro-batches with so many rows, for a model of this context. */
export function batchShape(rows: number, contextLength: number, columns: number): BatchShape {
  const sequences = Math.min(256, Math.ceil(rows / 16));
  return { tokens: rows, sequences, longest: Math.min(contextLength, rows), columns };
}

/** On the device: ids, positions, targets [3, T] i32; starts [B + 1] i32; columns [C, T] f32, 0 where nothing is learned. */
export type SequenceInputs = readonly [tokens: Tensor, starts: Tensor, columns: Tensor];

/** Rows that a sequence takes: its last token is only a target. */
const rowsOf = ({ ids }: TrainSequence) => ids.length - 1;

/** Which sequences go together. */
export function packed(sequences: readonly TrainSequence[], shape: BatchShape): TrainSequence[][] {
  const bins: { room: number; held: TrainSequence[] }[] = [];
  for (const sequence of [...sequences].sort((a, b) => rowsOf(b) - rowsOf(a))) {
    const rows = rowsOf(sequence);
    if (rows > shape.longest || rows > shape.tokens || rows < 1)
      throw new TrainError(
        'sequence',
        `${rows + 1} tokens, from 2 to ${Math.min(shape.longest, shape.tokens) + 1} are taken`,
        'shorten it, or raise the length of micro-batches',
      );
    const fitting = bins.filter(({ room, held }) => room >= rows && held.length < shape.sequences);
    let bin = fitting.reduce<(typeof bins)[0] | null>((best, b) => (best && best.room <= b.room ? best : b), null);
    if (bin === null) {
      bin = { room: shape.tokens, held: [] };
      bins.push(bin);
    }
    bin.room -= rows;
    bin.held.push(sequence);
  }
  return bins.map(({ held }) => held);
}

/** One micro-batch. The caller's scope owns it. */
export function sequenceInputs(sequences: readonly TrainSequence[], shape: BatchShape, device: Device): SequenceInputs {
  const { tokens: T, sequences: B, columns: C } = shape;
  const [ids, positions, targets] = [new Int32Array(T), new Int32Array(T), new Int32Array(T).fill(ignoreIndex)];
  const starts = new Int32Array(B + 1);
  const columns = new Float32Array(C * T);
  let row = 0;
  sequences.forEach((sequence, b) => {
    starts[b] = row;
    for (let i = 0; i < rowsOf(sequence); i++, row++) {
      ids[row] = sequence.ids[i];
      positions[row] = i;
      const output = i + 1 - sequence.promptLength;
      if (output < 0) continue;
      targets[row] = sequence.ids[i + 1];
      sequence.columns.forEach((column, c) => {
        columns[c * T + row] = column[output];
      });
    }
  });
  starts.fill(row, sequences.length);
  const all = new Int32Array(3 * T);
  for (const [i, part] of [ids, positions, targets].entries()) all.set(part, i * T);
  return [
    fromArray(all, [3, T], { device }),
    fromArray(starts, [B + 1], { device }),
    fromArray(columns, [C, T], { device }),
  ];
}

/** A micro-batch as the model takes it, its targets, and its columns [T] each. */
export function sequenceBatch(
  [tokens, starts, columns]: SequenceInputs,
  { longest }: BatchShape,
): { readonly batch: Batch; readonly targets: Tensor; readonly columns: readonly Tensor[] } {
  const row = (of: Tensor, i: number) => reshape(narrow(of, i, 1), [of.shape[1]]);
  return {
    batch: { ids: row(tokens, 0), positions: row(tokens, 1), sequences: { queryStart: starts, maxQueries: longest } },
    targets: row(tokens, 2),
    columns: Array.from({ length: columns.shape[0] }, (_, i) => row(columns, i)),
  };
}
