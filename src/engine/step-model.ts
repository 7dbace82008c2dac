// One step of a model over the paged cache: hidden states, logits, draws, and drafts of multi-token prediction.
//
// Everything is queued from step inputs on the device and nothing is read back, so that a step can be recorded. Shape
// letters: T rows, R sampled rows, V vocabulary, D hidden.
import type { Model, PrecisionPolicy } from '../model/index.ts';
import {
  type SampledTokens,
  sampleTokens,
  scale,
  type Tensor,
  type TokenMasks,
  targetLogprobs,
  zeros,
} from '../tensor/index.ts';
import type { PagedCache } from './paged-cache.ts';
import type { Phase } from './runner.ts';
import { type StepShape, viewStepInputs } from './step-inputs.ts';

/** What is read from a step. */
export interface StepOutputs {
  /** [3, R] i32: tokens, the bits of their log-probabilities (f32), drafts */
  readonly drawn: Tensor | null;
  /** [R, V] */
  readonly logits: Tensor | null;
  /** [T, D] */
  readonly hidden: Tensor;
}

export interface StepMode {
  readonly phase: Phase;
  /** Whether the first MTP module drafts. */
  readonly drafts: boolean;
}

/** The model of a step, the cache that its attention uses, and the precision of its products. */
export interface StepModel {
  readonly model: Model;
  readonly cache: PagedCache;
  readonly policy: PrecisionPolicy;
  /** The temperature at which log-probabilities of drawn tokens are taken; draws have their own. */
  readonly logprobTemperature: number;
  /** [N] i32: ids that are never sampled */
  readonly banned: Tensor;
}

/** Queues a step. `sampledRows`: the rows that are sampled, where these are not all rows. */
export function runStep(
  { model, cache, policy, logprobTemperature, banned }: StepModel,
  shape: StepShape,
  inputs: Tensor,
  { phase, drafts: isDrafting }: StepMode,
  sampledRows: readonly number[] = [],
): StepOutputs {
  const views = viewStepInputs(shape, inputs);
  const { ids, positions, starts: queryStart } = views;
  const batch = { ids, positions, sequences: { queryStart, maxQueries: shape.maxChunkRows } };
  const options = { policy, cache: cache.during(phase, shape, views) };
  const { out: hidden } = model.forward(batch, options);
  const rows = shape.sampledRows === shape.rows ? undefined : views.sampledRows;
  const { editStarts: starts, editIds, editScales: factors, editAdds: offsets } = views;
  const edits = { starts, ids: editIds, factors, offsets, banned };
  const masks: TokenMasks | undefined = shape.masks > 0 ? { rows: views.maskRows, words: views.masks } : undefined;
  const logits = shape.sampledRows > 0 ? model.logits(hidden, rows, policy) : null;
  const drawn =
    logits && withTemperature(logits, sampleTokens(logits, views.settings, edits, masks), logprobTemperature);
  let drafts: Tensor | null = null;
  if (isDrafting) {
    const next = rows || !drawn ? withDrawn(views.nextIds, drawn?.tokens ?? null, sampledRows) : drawn.tokens;
    const { out } = model.predictAhead(0, hidden, next, batch, options);
    const unedited = { ...edits, starts: zeros([shape.sampledRows + 1], { dtype: 'i32', device: edits.ids.device }) };
    // Drafts are drawn without penalties and masks: a wrong draft costs a row, not a bit.
    if (logits) drafts = sampleTokens(model.logits(out, rows, policy), views.draftSettings, unedited).tokens;
  }
  return { drawn: drawn && joinOutputs(drawn.tokens, drawn.logprobs, drafts), logits, hidden };
}

/** Takes the log-probabilities of drawn tokens at a temperature, with the bits of training (`logprobs`). */
function withTemperature(logits: Tensor, drawn: SampledTokens, temperature: number): SampledTokens {
  if (temperature === 1) return drawn;
  return { tokens: drawn.tokens, logprobs: targetLogprobs(scale(logits, 1 / temperature), drawn.tokens) };
}

/** Puts drawn tokens in their places among the ids after each row. */
function withDrawn(nextIds: Tensor, tokens: Tensor | null, rows: readonly number[]): Tensor {
  const { device } = nextIds;
  rows.forEach((row, r) => {
    if (tokens) device.run('copy_bytes', { from: tokens.address + 4 * r, to: nextIds.address + 4 * row, n: 4 });
  });
  nextIds.storage.change();
  return nextIds;
}

/** Joins three tensors of 4-byte numbers into one, so that one read brings all. */
function joinOutputs(tokens: Tensor, logprobs: Tensor, drafts: Tensor | null): Tensor {
  const { device, size } = tokens;
  const all = zeros([3, size], { dtype: 'i32', device });
  for (const [i, part] of [tokens, logprobs, drafts].entries())
    if (part) device.run('copy_bytes', { from: part, to: all.address + 4 * size * i, n: 4 * size });
  all.storage.change();
  return all;
}
