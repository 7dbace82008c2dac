// Runs a model for the engine: prefill as it comes, decode as recorded steps.
//
// A decode step of a given shape (chunks, rows of each, table width) is recorded once and replayed with new inputs:
// main model, draws and drafts in one command list. All recordings share their memory: what a step computed is read
// before the next is replayed. Drafts and their verification share the passes over the weights. The cache that it is
// given decides which bits attention computes (paged-cache.ts). Contract: see runner.ts.
import { blockTokens, type SharedMemory } from '../kernels/index.ts';
import type { Model, PrecisionPolicy } from '../model/index.ts';
import {
  asyncScope,
  fromArray,
  keep,
  type Replay,
  record,
  scope,
  type Tensor,
  unscoped,
  zeros,
} from '../tensor/index.ts';
import type { GeneratedToken } from './generation.ts';
import type { PagedCache } from './paged-cache.ts';
import type { BlockCopy, ChunkResult, Phase, Runner, ScheduledChunk } from './runner.ts';
import {
  collectLogitEdits,
  countMasks,
  exactShape,
  type StepShape,
  stepInputsSize,
  writeStepInputs,
} from './step-inputs.ts';
import { runStep, type StepModel, type StepOutputs } from './step-model.ts';
import { queueAlternatives, queuePromptLogprobs } from './token-logprobs.ts';

export interface ModelRunnerOptions {
  /** Its blocks are the engine's; disposed with the runner. */
  readonly cache: PagedCache;
  /** The precision of products with weights that are not packed. */
  readonly policy: PrecisionPolicy;
  /** Whether the model's first MTP module drafts. @default where there is one */
  readonly speculate?: boolean | undefined;
  /** The temperature at which log-probabilities of generated tokens are taken. @default 1 */
  readonly logprobTemperature?: number | undefined;
  /** Ids that are never sampled, such as those without a token (unused-ids.ts). @default none */
  readonly banned?: Int32Array | undefined;
}

interface RecordedStep {
  readonly replay: Replay<readonly [Tensor], StepOutputs>;
  readonly inputs: Tensor;
}

/** Recordings that are kept; the least recently used goes first. */
const maxRecordings = 48;

/** Rounds a number of chunks up to one that is recorded: exact up to 8, then in steps of an eighth. */
function roundUpChunks(chunks: number): number {
  if (chunks <= 8) return chunks;
  const step = 2 ** (Math.floor(Math.log2(chunks - 1)) - 2);
  return Math.ceil(chunks / step) * step;
}

/** Rounds up to a power of `base`, at most `max`. */
function roundUpToPower(n: number, base: number, max = Number.POSITIVE_INFINITY): number {
  return Math.min(max, base ** Math.ceil(Math.log(n) / Math.log(base) - 1e-9));
}

export class ModelRunner implements Runner {
  readonly maxDrafts: number;
  readonly #step: StepModel;
  readonly #recorded = new Map<string, RecordedStep>();
  readonly #memory: SharedMemory;

  /** `model` stays the caller's. */
  constructor(model: Model, options: ModelRunnerOptions) {
    const { cache, policy, speculate = true, logprobTemperature = 1, banned = new Int32Array() } = options;
    this.maxDrafts = model.mtp.length > 0 && speculate ? 1 : 0;
    const { device } = model.embedTokens;
    this.#memory = device.shareMemory();
    const ids = unscoped(() => keep(fromArray(banned, [banned.length], { device })));
    this.#step = { model, cache, policy, logprobTemperature, banned: ids };
  }

  get phasesAgree(): boolean {
    return this.#step.cache.phasesAgree;
  }

  get window(): number | null {
    return this.#step.cache.window;
  }

  copyBlocks(copies: readonly BlockCopy[]): void {
    for (const { from, to } of copies) this.#step.cache.copyBlock(from, to);
  }

  run(phase: Phase, chunks: readonly ScheduledChunk[], drafts: boolean): Promise<ChunkResult[]> {
    const isDecode = phase === 'decode' && chunks.every(({ ids, sampleFrom }) => ids.length <= 2 && sampleFrom === 0);
    return isDecode ? this.#decode(chunks, drafts) : this.#compute(phase, chunks, drafts);
  }

  dispose(): void {
    for (const recorded of this.#recorded.values()) disposeRecorded(recorded);
    this.#memory.dispose();
    this.#step.cache.dispose();
    this.#step.banned.dispose();
  }

  /** Runs chunks of any length: prefill, or the output of preempted sequences. */
  #compute(phase: Phase, chunks: readonly ScheduledChunk[], drafts: boolean): Promise<ChunkResult[]> {
    const edits = collectLogitEdits(chunks, null);
    const shape = { ...exactShape(chunks), edits: Math.max(1, edits.ids.length), ...countMasks(edits) };
    const { device } = this.#step.model.embedTokens;
    return asyncScope(async (inside) => {
      const { drawn, alternatives, prompts } = inside(() => {
        const inputs = fromArray(writeStepInputs(shape, chunks, edits), [stepInputsSize(shape)], { device });
        const outputs = runStep(this.#step, shape, inputs, { phase, drafts }, listSampledRows(chunks));
        const { model, policy } = this.#step;
        const logits = (rows: Tensor) => model.logits(outputs.hidden, rows, policy);
        return {
          drawn: outputs.drawn,
          alternatives: queueAlternatives(chunks, outputs.logits),
          prompts: queuePromptLogprobs(chunks, device, logits),
        };
      });
      const results = readResults(chunks, drawn, alternatives, { rowsEach: null, drafts });
      const [all, read] = await Promise.all([results, prompts]);
      return all.map((result, i) => ({ ...result, promptLogprobs: read[i] }));
    });
  }

  #decode(chunks: readonly ScheduledChunk[], drafts: boolean): Promise<ChunkResult[]> {
    const exact = exactShape(chunks);
    const rowsEach = exact.maxChunkRows;
    const edits = collectLogitEdits(chunks, rowsEach);
    const count = roundUpChunks(chunks.length);
    const rows = count * rowsEach;
    // A chunk of fewer rows is filled up, and so is its table.
    const longest = Math.max(...chunks.map(({ from }) => from + rowsEach));
    const { masks, maskWords } = countMasks(edits);
    const shape = {
      chunks: count,
      rows,
      maxChunkRows: rowsEach,
      isFixed: true,
      sampledRows: rows,
      keys: 0,
      tableWidth: roundUpToPower(Math.ceil(longest / blockTokens), 4, this.#step.cache.blocks),
      edits: roundUpToPower(Math.max(1, edits.ids.length), 16),
      masks: masks === 0 ? 0 : roundUpToPower(masks, 4, rows),
      maskWords,
    };
    const { replay, inputs } = this.#recording(shape, drafts);
    inputs.write(writeStepInputs(shape, chunks, edits));
    const outputs = replay.replay(inputs);
    return asyncScope((inside) => {
      const alternatives = inside(() => queueAlternatives(chunks, outputs.logits, rowsEach));
      return readResults(chunks, outputs.drawn, alternatives, { rowsEach, drafts });
    });
  }

  #recording(shape: StepShape, drafts: boolean): RecordedStep {
    const key = [drafts, ...Object.values(shape)].join(' ');
    let recorded = this.#recorded.get(key);
    if (recorded) this.#recorded.delete(key);
    else {
      if (this.#recorded.size >= maxRecordings) this.#evict();
      const { device } = this.#step.model.embedTokens;
      const inputs = unscoped(() => keep(zeros([stepInputsSize(shape)], { dtype: 'i32', device })));
      const replay = scope(() =>
        record([inputs], (own) => runStep(this.#step, shape, own, { phase: 'decode', drafts }), this.#memory),
      );
      recorded = { replay, inputs };
    }
    this.#recorded.set(key, recorded);
    return recorded;
  }

  #evict(): void {
    const [key, recorded] = this.#recorded.entries().next().value as [string, RecordedStep];
    this.#recorded.delete(key);
    disposeRecorded(recorded);
  }
}

function disposeRecorded({ replay, inputs }: RecordedStep): void {
  replay.dispose();
  inputs.dispose();
}

/** Lists the rows of a batch whose next token is sampled. */
function listSampledRows(chunks: readonly ScheduledChunk[]): number[] {
  let start = 0;
  return chunks.flatMap(({ ids, sampleFrom }) => {
    start += ids.length;
    return Array.from({ length: ids.length - sampleFrom }, (_, i) => start - ids.length + sampleFrom + i);
  });
}

async function readResults(
  chunks: readonly ScheduledChunk[],
  drawn: Tensor | null,
  alternatives: Promise<(row: number) => GeneratedToken['top']>,
  { rowsEach, drafts }: { rowsEach: number | null; drafts: boolean },
): Promise<ChunkResult[]> {
  const [data, topAt] = await Promise.all([drawn?.read() as Promise<Int32Array> | undefined, alternatives]);
  const ids = data ?? new Int32Array(0);
  const R = ids.length / 3;
  const logprobs = new Float32Array(ids.buffer, ids.byteOffset, ids.length);
  let next = 0;
  return chunks.map(({ ids: tokens, sampleFrom }, b) => {
    const count = tokens.length - sampleFrom;
    const first = rowsEach === null ? next : b * rowsEach;
    next += count;
    const rows = Array.from({ length: count }, (_, i) => first + i);
    return {
      sampled: rows.map((r) => ({ id: ids[r], logprob: logprobs[R + r], top: topAt(r) })),
      drafts: drafts ? rows.map((r) => ids[2 * R + r]) : [],
      promptLogprobs: [],
    };
  });
}
