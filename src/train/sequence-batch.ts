// Sequences of different lengths as micro-batches of one shape: for a step that is recorded once and replayed.
//
// A micro-batch has T tokens and at most B sequences, end to end; rows that are left over belong to no sequence and
// have no target. Sequences go to the fullest micro-batch that still has room, the longest first. Contract: every
// sequence is in exactly one micro-batch, and its own numbers (advantages, log-probabilities) are beside its tokens, in
// columns.
import type { Device } from '../kernels/index.ts';
import type { Batch } from '../model/index.ts';
import { fromArray, ignoreIndex, narrow, reshape, type Tensor } from '../tensor/index.ts';
import { TrainError } from './errors.ts';

/** `Column`: the names of the numbers beside each learned token. */
export interface TrainSequence<Column extends string = string> {
  readonly ids: ArrayLike<number>;
  /** The first tokens, which are given, not learned. */
  readonly promptLength: number;
  /** The numbers of each token after the prompt. */
  readonly columns: Readonly<Record<Column, ArrayLike<number>>>;
}

export interface BatchShape<Column extends string = string> {
  readonly tokens: number;
  readonly sequences: number;
  /** The maximum length of a sequence. */
  readonly longest: number;
  readonly columns: readonly Column[];
  /** The number of MTP modules that learn from the sequences. */
  readonly aheadDepth: number;
}

/** Returns the shape of micro-batches with the given number of rows, for a model of this context. */
export function batchShape<Column extends string>(
  rows: number,
  contextLength: number,
  columns: readonly Column[],
  aheadDepth = 0,
): BatchShape<Column> {
  const sequences = Math.min(256, Math.ceil(rows / 16));
  return { tokens: rows, sequences, longest: Math.min(contextLength, rows), columns, aheadDepth };
}

/**
 * On the device: ids, positions, targets, then ids and targets of each MTP module [3 + 2 depth, T] i32; starts [B + 1]
 * i32; columns [C, T] f32, 0 outside of responses.
 */
export type SequenceInputs = [tokens: Tensor, starts: Tensor, columns: Tensor];

/** The rows that a sequence takes: its last token is only a target. */
const countRows = ({ ids }: TrainSequence) => ids.length - 1;

/** Divides sequences into micro-batches. Throws TrainError for one that fits into none. */
export function pack<Sequence extends TrainSequence>(
  sequences: readonly Sequence[],
  { tokens, sequences: maxSequences, longest }: BatchShape,
): Sequence[][] {
  const bins: { room: number; content: Sequence[] }[] = [];
  for (const sequence of [...sequences].sort((a, b) => countRows(b) - countRows(a))) {
    const rows = countRows(sequence);
    if (rows > longest || rows > tokens || rows < 1)
      throw new TrainError(
        'sequence',
        `${rows + 1} tokens, from 2 to ${Math.min(longest, tokens) + 1} are taken`,
        'shorten it, or raise the length of micro-batches',
      );
    const fitting = bins.filter(({ room, content }) => room >= rows && content.length < maxSequences);
    let bin = fitting.reduce<(typeof bins)[0] | null>((best, b) => (best && best.room <= b.room ? best : b), null);
    if (bin === null) {
      bin = { room: tokens, content: [] };
      bins.push(bin);
    }
    bin.room -= rows;
    bin.content.push(sequence);
  }
  return bins.map(({ content }) => content);
}

/** Returns one micro-batch. The caller's scope owns it. */
export function sequenceInputs<Column extends string>(
  sequences: readonly TrainSequence<Column>[],
  { tokens: T, sequences: B, columns: names, aheadDepth }: BatchShape<Column>,
  device: Device,
): SequenceInputs {
  const kinds = 3 + 2 * aheadDepth;
  const tokens = new Int32Array(kinds * T);
  const [ids, positions, targets, ...ahead] = Array.from({ length: kinds }, (_, i) =>
    tokens.subarray(i * T, (i + 1) * T),
  );
  for (const unknown of [targets, ...ahead.filter((_, i) => i % 2 === 1)]) unknown.fill(ignoreIndex);
  const starts = new Int32Array(B + 1);
  const columns = new Float32Array(names.length * T);
  let row = 0;
  sequences.forEach((sequence, b) => {
    starts[b] = row;
    for (let i = 0; i < countRows(sequence); i++, row++) {
      ids[row] = sequence.ids[i];
      positions[row] = i;
      for (let k = 0; k < aheadDepth; k++) {
        const last = i + k + 2; // what module k predicts, from the token before it
        if (last > sequence.ids.length) continue;
        ahead[2 * k][row] = sequence.ids[last - 1];
        if (last < sequence.ids.length && i + 1 >= sequence.promptLength) ahead[2 * k + 1][row] = sequence.ids[last];
      }
      const output = i + 1 - sequence.promptLength;
      if (output < 0) continue;
      targets[row] = sequence.ids[i + 1];
      names.forEach((name, c) => {
        columns[c * T + row] = sequence.columns[name][output];
      });
    }
  });
  starts.fill(row, sequences.length);
  return [
    fromArray(tokens, [kinds, T], { device }),
    fromArray(starts, [B + 1], { device }),
    fromArray(columns, [names.length, T], { device }),
  ];
}

/** A micro-batch as an objective reads it. */
export interface SequenceBatch<Column extends string> {
  readonly batch: Batch;
  /** [T] i32 */
  readonly targets: Tensor;
  /** For each MTP module the tokens ahead that it knows and those that it predicts, [T] i32 each. */
  readonly ahead: readonly { readonly ids: Tensor; readonly targets: Tensor }[];
  /** [T] f32 each */
  readonly columns: Readonly<Record<Column, Tensor>>;
}

/** Names the parts of a micro-batch. */
export function toSequenceBatch<Column extends string>(
  [tokens, starts, columns]: SequenceInputs,
  { longest, columns: names, aheadDepth }: BatchShape<Column>,
): SequenceBatch<Column> {
  const row = (matrix: Tensor, i: number) => reshape(narrow(matrix, i, 1), [matrix.shape[1]]);
  const named = names.map((name, i) => [name, row(columns, i)]);
  return {
    batch: { ids: row(tokens, 0), positions: row(tokens, 1), sequences: { queryStart: starts, maxQueries: longest } },
    targets: row(tokens, 2),
    ahead: Array.from({ length: aheadDepth }, (_, k) => ({
      ids: row(tokens, 3 + 2 * k),
      targets: row(tokens, 4 + 2 * k),
    })),
    columns: Object.fromEntries(named) as Record<Column, Tensor>,
  };
}
