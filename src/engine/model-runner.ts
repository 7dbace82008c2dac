// Runs a model for the engine: prompts as they come, generation as recorded steps.
//
// A generating step of a given shape is recorded once (runs, rows of each, width of tables) and replayed with a new
// frame: main model, draws and drafts in one list. Draft and verification share the passes over the weights. Contract:
// see runner.ts. In trainer form the cache keeps every head's key and value in f32, for prompts and generation alike: the
// bits of a training step, for rollouts.
import { Deepseek, type Model, type PrecisionPolicy } from '../model/index.ts';
import {
  asyncScope,
  fromArray,
  keep,
  type PagedPool,
  type Replay,
  record,
  scope,
  type Tensor,
  unscoped,
  zeros,
} from '../tensor/index.ts';
import type { GeneratedToken } from './generation.ts';
import { type CacheFormat, pagedPools } from './paged-cache.ts';
import type { ChunkResult, Phase, Runner, ScheduledChunk } from './runner.ts';
import { collectLogitEdits, exactShape, type StepShape, stepInputsSize, writeStepInputs } from './step-inputs.ts';
import { StepModel, type StepOutputs } from './step-model.ts';
import { queueAlternatives, queuePromptLogprobs } from './token-logprobs.ts';

export interface ModelRunnerOptions {
  readonly blocks: number;
  /** Of the cache. @default bf16 */
  readonly cacheFormat?: CacheFormat;
  /** Of products with weights that are not packed. */
  readonly policy: PrecisionPolicy;
  /** Drafts by the model's first MTP module. @default where it has one */
  readonly speculate?: boolean;
  /** @default serving */
  readonly form?: 'serving' | 'trainer';
}

interface Recorded {
  readonly replay: Replay<readonly [Tensor], StepOutputs>;
  readonly frame: Tensor;
}

/** Recordings kept; the least recently used goes first. */
const maxRecordings = 48;

/** Runs rounded up to a shape that is recorded: exact up to 8, then in steps of an eighth. */
function runsBucket(runs: number): number {
  if (runs <= 8) return runs;
  const step = 2 ** (Math.floor(Math.log2(runs - 1)) - 2);
  return Math.ceil(runs / step) * step;
}

/** The next power of `base`, at most `most`. */
function powerBucket(n: number, base: number, most = Number.POSITIVE_INFINITY): number {
  return Math.min(most, base ** Math.ceil(Math.log(n) / Math.log(base) - 1e-9));
}

export class ModelRunner implements Runner {
  readonly drafts: number;
  readonly #model: Model;
  readonly #step: StepModel;
  readonly #pools: readonly PagedPool[];
  readonly #blocks: number;
  readonly #isTrainer: boolean;
  readonly #recorded = new Map<string, Recorded>();

  /** `model` stays the caller's. */
  constructor(model: Model, { blocks, policy, form = 'serving', ...options }: ModelRunnerOptions) {
    this.#isTrainer = form === 'trainer';
    const hasMtp = model instanceof Deepseek && model.mtp.length > 0;
    this.drafts = hasMtp && (options.speculate ?? true) ? 1 : 0;
    this.#model = model;
    this.#blocks = blocks;
    const keepsHeads = this.#isTrainer;
    const format = keepsHeads ? 'f32' : (options.cacheFormat ?? 'bf16');
    this.#pools = pagedPools(model.config, { format, keepsHeads }, blocks);
    this.#step = new StepModel(model, this.#pools, { policy, keepsHeads });
  }

  run(form: Phase, runs: readonly ScheduledChunk[], drafts: boolean): Promise<ChunkResult[]> {
    const isStep = form === 'generation' && runs.every(({ ids, sampleFrom }) => ids.length <= 2 && sampleFrom === 0);
    return isStep ? this.#generate(runs, drafts) : this.#fill(form, runs, drafts);
  }

  dispose(): void {
    for (const recorded of this.#recorded.values()) disposeRecorded(recorded);
    for (const pool of this.#pools) pool.dispose();
  }

  #fill(form: Phase, runs: readonly ScheduledChunk[], drafts: boolean): Promise<ChunkResult[]> {
    const isExpanded = form === 'prompt' && !this.#isTrainer;
    const edits = collectLogitEdits(runs, null);
    const shape = { ...exactShape(runs, isExpanded), edits: Math.max(1, edits.ids.length) };
    const { device } = this.#model.embedTokens;
    return asyncScope(async (inside) => {
      const { drawn, alternatives, prompts } = inside(() => {
        const frame = fromArray(writeStepInputs(shape, runs, edits), [stepInputsSize(shape)], { device });
        const how = { form: isExpanded ? 'expanded' : 'absorbed', drafts } as const;
        const left = this.#step.run(shape, frame, how, wantedRows(runs));
        const logits = (rows: Tensor) => this.#step.logits(left.hidden, rows);
        return {
          drawn: left.drawn,
          alternatives: queueAlternatives(runs, left.logits),
          prompts: queuePromptLogprobs(runs, device, logits),
        };
      });
      const results = readResults(runs, drawn, alternatives, { rowsEach: null, drafts });
      const [all, read] = await Promise.all([results, prompts]);
      return all.map((result, i) => ({ ...result, promptLogprobs: read[i] }));
    });
  }

  #generate(runs: readonly ScheduledChunk[], drafts: boolean): Promise<ChunkResult[]> {
    const exact = exactShape(runs, false);
    const rowsEach = exact.maxChunkRows;
    const edits = collectLogitEdits(runs, rowsEach);
    const count = runsBucket(runs.length);
    const rows = count * rowsEach;
    const shape = {
      chunks: count,
      rows,
      maxChunkRows: rowsEach,
      isFixed: true,
      sampledRows: rows,
      keys: 0,
      tableWidth: powerBucket(exact.tableWidth, 4, this.#blocks),
      edits: powerBucket(Math.max(1, edits.ids.length), 16),
    };
    const { replay, frame } = this.#recording(shape, drafts);
    frame.write(writeStepInputs(shape, runs, edits));
    const left = replay.replay(frame);
    return asyncScope((inside) => {
      const alternatives = inside(() => queueAlternatives(runs, left.logits, rowsEach));
      return readResults(runs, left.drawn, alternatives, { rowsEach, drafts });
    });
  }

  #recording(shape: StepShape, drafts: boolean): Recorded {
    const key = [drafts, ...Object.values(shape)].join(' ');
    let recorded = this.#recorded.get(key);
    if (recorded) this.#recorded.delete(key);
    else {
      if (this.#recorded.size >= maxRecordings) this.#forgetOne();
      const { device } = this.#model.embedTokens;
      const frame = unscoped(() => keep(zeros([stepInputsSize(shape)], { dtype: 'i32', device })));
      const replay = scope(() =>
        record([frame], (input) => this.#step.run(shape, input, { form: 'absorbed', drafts })),
      );
      recorded = { replay, frame };
    }
    this.#recorded.set(key, recorded);
    return recorded;
  }

  #forgetOne(): void {
    const [key, recorded] = this.#recorded.entries().next().value as [string, Recorded];
    this.#recorded.delete(key);
    disposeRecorded(recorded);
  }
}

function disposeRecorded({ replay, frame }: Recorded): void {
  replay.dispose();
  frame.dispose();
}

/** Rows of a batch whose next token is wanted. */
function wantedRows(runs: readonly ScheduledChunk[]): number[] {
  let start = 0;
  return runs.flatMap(({ ids, sampleFrom }) => {
    start += ids.length;
    return Array.from({ length: ids.length - sampleFrom }, (_, i) => start - ids.length + sampleFrom + i);
  });
}

async function readResults(
  runs: readonly ScheduledChunk[],
  drawn: Tensor | null,
  alternatives: Promise<(row: number) => GeneratedToken['top']>,
  { rowsEach, drafts }: { rowsEach: number | null; drafts: boolean },
): Promise<ChunkResult[]> {
  const [data, topOf] = await Promise.all([drawn?.read() as Promise<Int32Array> | undefined, alternatives]);
  const ids = data ?? new Int32Array(0);
  const R = ids.length / 3;
  const logprobs = new Float32Array(ids.buffer, ids.byteOffset, ids.length);
  let next = 0;
  return runs.map(({ ids: tokens, sampleFrom }, b) => {
    const count = tokens.length - sampleFrom;
    const first = rowsEach === null ? next : b * rowsEach;
    next += count;
    const rows = Array.from({ length: count }, (_, i) => first + i);
    return {
      sampled: rows.map((r) => ({ id: ids[r], logprob: logprobs[R + r], top: topOf(r) })),
      drafts: drafts ? rows.map((r) => ids[2 * R + r]) : [],
      promptLogprobs: [],
    };
  });
}
