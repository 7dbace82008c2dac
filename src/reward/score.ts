// The score of a text: one head on the hidden state of its last token.
//
// The head is the row of the end token in the model's own output matrix: what it says after the end is never asked of a
// language model. So a reward model is a checkpoint like any other, and its score is a logit that any reader computes.
import type { LayerRouting, Model, PrecisionPolicy } from '../model/index.ts';
import { embedding, linear, narrow, reshape, type Tensor } from '../tensor/index.ts';
import type { ScoreInputs, ScoreShape } from './score-batch.ts';

export interface ScoreOptions {
  readonly shape: ScoreShape;
  readonly policy: PrecisionPolicy;
  /** The id of the end token. */
  readonly endId: number;
}

/** Scores the texts of a micro-batch: [B] f32. */
export function computeScores(
  model: Model,
  [tokens, starts, rows]: ScoreInputs,
  { shape, policy, endId }: ScoreOptions,
): { readonly scores: Tensor; readonly routings: readonly LayerRouting[] } {
  const row = (i: number) => reshape(narrow(tokens, i, 1), [shape.tokens]);
  const sequences = { queryStart: starts, maxQueries: shape.longest };
  const { out, routings } = model.forward({ ids: row(0), positions: row(1), sequences }, { policy });
  const last = embedding(rows, out); // [B, D]
  const head = narrow(model.unpackedHead, endId, 1); // [1, D]
  const scores = linear(last, head, { precision: policy.head, out: 'f32' }); // [B, 1]
  return { scores: reshape(scores, [shape.texts]), routings };
}
