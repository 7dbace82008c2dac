// One step of a model over the paged cache: hidden states, logits, draws, and drafts of multi-token prediction.
//
// Everything is queued from a frame on the device and nothing is read back, so that a step can be recorded. Shape
// letters: T rows, R wanted rows, V vocabulary.
import { Deepseek, type Model, type PrecisionPolicy } from '../model/index.ts';
import { type PagedPool, sampleTokens, type Tensor, zeros } from '../tensor/index.ts';
import { PagedCache } from './paged-cache.ts';
import { type StepShape, viewStepInputs } from './step-inputs.ts';

/** What a step leaves to be read. */
export interface StepOutputs {
  /** [3, R] i32: tokens, the bits of their log-probabilities (f32), drafts */
  readonly drawn: Tensor | null;
  /** [R, V] */
  readonly logits: Tensor | null;
  /** [T, D] */
  readonly hidden: Tensor;
}

export interface StepMode {
  /** Of MLA. */
  readonly form: 'expanded' | 'absorbed';
  /** Whether the first MTP module drafts. */
  readonly drafts: boolean;
}

export interface StepOptions {
  readonly policy: PrecisionPolicy;
  /** Of the pools: as training computes. */
  readonly keepsHeads: boolean;
}

export class StepModel {
  readonly #model: Model;
  readonly #pools: readonly PagedPool[];
  readonly #policy: PrecisionPolicy;
  readonly #keepsHeads: boolean;

  constructor(model: Model, pools: readonly PagedPool[], { policy, keepsHeads }: StepOptions) {
    this.#model = model;
    this.#pools = pools;
    this.#policy = policy;
    this.#keepsHeads = keepsHeads;
  }

  /** Logits [R, V] of hidden states, of the rows asked for. */
  logits(hidden: Tensor, rows?: Tensor): Tensor {
    return this.#model.logits(hidden, rows, this.#policy);
  }

  /** `wantedRows`: of a frame whose wanted rows are not all rows. */
  run(
    shape: StepShape,
    frame: Tensor,
    { form, drafts: isDrafting }: StepMode,
    wantedRows: readonly number[] = [],
  ): StepOutputs {
    const at = viewStepInputs(shape, frame);
    const batch = {
      ids: at.ids,
      positions: at.positions,
      sequences: { queryStart: at.starts, maxQueries: shape.maxChunkRows },
    };
    const cache = new PagedCache(this.#pools, this.#keepsHeads, shape, at);
    const options = { policy: this.#policy, cache, form };
    const { out: hidden } = this.#model.forward(batch, options);
    const rows = shape.sampledRows === shape.rows ? undefined : at.wanted;
    const edits = { starts: at.editStarts, ids: at.editIds, factors: at.editScales, offsets: at.editAdds };
    const logits = shape.sampledRows > 0 ? this.logits(hidden, rows) : null;
    const drawn = logits && sampleTokens(logits, at.settings, edits);
    let drafts: Tensor | null = null;
    if (isDrafting && this.#model instanceof Deepseek) {
      const ahead = rows || !drawn ? withDrawn(at.ahead, drawn?.tokens ?? null, wantedRows) : drawn.tokens;
      const { out } = this.#model.predictAhead(0, hidden, ahead, batch, options);
      if (logits)
        drafts = sampleTokens(this.logits(out, rows), at.draftSettings, noEdits(edits, shape.sampledRows)).tokens;
    }
    return { drawn: drawn && inOne(drawn.tokens, drawn.logprobs, drafts), logits, hidden };
  }
}

type Edits = Parameters<typeof sampleTokens>[2];

/** Drafts are drawn without penalties: a wrong guess costs a row, not a bit. */
function noEdits(edits: Edits, rows: number): Edits {
  return { ...edits, starts: zeros([rows + 1], { dtype: 'i32', device: edits.ids.device }) };
}

/** The tokens after each row, those just drawn in their places. */
function withDrawn(ahead: Tensor, tokens: Tensor | null, rows: readonly number[]): Tensor {
  const { device } = ahead;
  rows.forEach((row, r) => {
    if (tokens) device.run('copy_bytes', { from: tokens.address + 4 * r, to: ahead.address + 4 * row, n: 4 });
  });
  ahead.storage.change();
  return ahead;
}

/** Numbers of 4 bytes, side by side as they are, so that one read brings all. */
function inOne(tokens: Tensor, logprobs: Tensor, drafts: Tensor | null): Tensor {
  const { device, size } = tokens;
  const all = zeros([3, size], { dtype: 'i32', device });
  for (const [i, part] of [tokens, logprobs, drafts].entries())
    if (part) device.run('copy_bytes', { from: part, to: all.address + 4 * size * i, n: 4 * size });
  all.storage.change();
  return all;
}
