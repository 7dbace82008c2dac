// A batch for the model: tokens of several sequences end to end, each token with its position.
//
// It holds packed documents in training, prompts in prefill and single tokens in decode, where sequence b continues a
// cache that already has firstPosition[b] tokens. Shape letters: T tokens of all sequences, B sequences.
import type { Device } from '../kernels/index.ts';
import { fromArray, ignoreIndex, type Sequences, type Tensor } from '../tensor/index.ts';
import { ModelError } from './errors.ts';

export interface Batch {
  /** [T] i32 */
  readonly ids: Tensor;
  /** [T] i32 */
  readonly positions: Tensor;
  readonly sequences: Sequences;
}

export interface TrainingBatch extends Batch {
  /** [T] i32; ignoreIndex where there is no target */
  readonly targets: Tensor;
  /** The number of targets that count. */
  readonly count: number;
  /**
   * For MTP modules 1, 2, ...: the tokens that many ahead and their targets; past a document's end 0 and ignoreIndex.
   */
  readonly ahead: readonly { readonly ids: Tensor; readonly targets: Tensor; readonly count: number }[];
}

/** Packs sequences end to end; sequence b starts at position `first[b]`. @default first: all 0 */
export function packSequences(
  sequences: readonly ArrayLike<number>[],
  first?: readonly number[],
  device?: Device,
): Batch {
  if (sequences.length === 0) throw new ModelError('batch', 'no sequence', 'pass at least one');
  const options = device ? { device } : {};
  const starts = new Int32Array(sequences.length + 1);
  for (const [b, { length }] of sequences.entries()) starts[b + 1] = starts[b] + length;
  const T = starts[sequences.length];
  const ids = new Int32Array(T);
  const positions = new Int32Array(T);
  sequences.forEach((sequence, b) => {
    for (let i = 0; i < sequence.length; i++) {
      ids[starts[b] + i] = sequence[i];
      positions[starts[b] + i] = (first?.[b] ?? 0) + i;
    }
  });
  return {
    ids: fromArray(ids, [T], options),
    positions: fromArray(positions, [T], options),
    sequences: {
      queryStart: fromArray(starts, [starts.length], options),
      maxQueries: Math.max(...sequences.map((s) => s.length)),
    },
  };
}

/** Shifts the values of each document by `shift` toward its start and fills its end with `missing`. */
function shiftDocuments(documents: readonly ArrayLike<number>[], shift: number, missing: number): Int32Array {
  const out: number[] = [];
  for (const document of documents)
    for (let i = 0; i < document.length; i++) out.push(i + shift < document.length ? document[i + shift] : missing);
  return Int32Array.from(out);
}

/** Packs documents end to end, with targets for the main model and `depth` MTP modules. Attention stays inside each. */
export function packDocuments(documents: readonly ArrayLike<number>[], depth = 0, device?: Device): TrainingBatch {
  const batch = packSequences(documents, undefined, device);
  const options = device ? { device } : {};
  const tensor = (values: Int32Array) => fromArray(values, [values.length], options);
  const targetsAhead = (shift: number) => {
    const targets = shiftDocuments(documents, shift, ignoreIndex);
    return { targets: tensor(targets), count: targets.filter((id) => id !== ignoreIndex).length };
  };
  const ahead = Array.from({ length: depth }, (_, i) => ({
    ids: tensor(shiftDocuments(documents, i + 1, 0)),
    ...targetsAhead(i + 2),
  }));
  return { ...batch, ...targetsAhead(1), ahead };
}
