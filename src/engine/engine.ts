// The engine: schedule, run, sample, commit, over and over. Many sequences share every pass over the weights.
//
// Continuous batching (Orca) over a paged cache (vLLM), chunked prefill (Sarathi), speculative decoding in the same
// pass (speculation.ts). Contract: a sequence's tokens are the same whoever else runs, however its prompt was cut,
// whether it was preempted, with and without drafts: draws depend on seed and position alone.
import { assert, blockTokens } from '../kernels/index.ts';
import { BlockPool } from './block-pool.ts';
import { type EngineStats, type FinishReason, type GeneratedToken, RefusedError, type Usage } from './generation.ts';
import type { ChunkResult, Phase, Runner, ScheduledChunk } from './runner.ts';
import { type PrefillChunk, Scheduler, type StepPlan } from './scheduler.ts';
import { Sequence, type SequenceListener, type SequenceOptions } from './sequence.ts';
import { Speculation } from './speculation.ts';

export interface EngineOptions {
  /** The number of cache blocks, of 64 tokens each. */
  readonly blocks: number;
  /** The length of the longest sequence. */
  readonly contextLength: number;
  /** Sequences that run at once. @default usualSequences */
  readonly maxSequences?: number;
  /** Prefill tokens of a step. @default 512 */
  readonly maxStepTokens?: number;
  /** Sequences that may wait; one more is refused. @default 1024 */
  readonly maxWaiting?: number;
  /** Prompt tokens that may wait. @default 64 times the context */
  readonly maxWaitingTokens?: number;
  /** Whether later prompts reuse the blocks of earlier ones. @default true */
  readonly prefixCache?: boolean;
  /**
   * Lets a later prompt use blocks made during decode. Faster over several turns, but its answer may then differ in
   * rounding from what the same prompt gives without them. @default false
   */
  readonly reuseGenerated?: boolean;
  /**
   * Drafts where the runner makes them. measured: as long as they pay (speculation.ts); always: whatever they cost.
   * The text is the same. @default measured
   */
  readonly drafting?: 'measured' | 'always';
  /** Returns milliseconds, for measurements. @default performance.now */
  readonly clock?: () => number;
}

/** Sequences that run at once where nothing is said. */
export const usualSequences = 64;

/** Chunks of one phase that run in one call. */
interface StepBatch {
  readonly phase: Phase;
  readonly chunks: readonly ScheduledChunk[];
  readonly drafts: boolean;
  /** Whether each chunk is the next token of a sequence, not rows that come before it. */
  readonly isDecode: boolean;
}

const hasEnded = ({ state }: Sequence) => state === 'finished';

function toScheduledChunk({ sequence, from, to }: PrefillChunk): ScheduledChunk {
  const isLast = sequence.outputLength === 0 && to === sequence.promptLength;
  return { sequence, from, ids: sequence.tokens.slice(from, to), sampleFrom: isLast ? to - from - 1 : to - from };
}

export class Engine {
  readonly contextLength: number;
  readonly #runner: Runner;
  readonly #scheduler: Scheduler;
  readonly #speculation: Speculation;
  readonly #maxWaiting: number;
  readonly #maxWaitingTokens: number;
  readonly #requests: Record<FinishReason, number> = { stop: 0, length: 0, abort: 0, error: 0 };
  readonly #counts = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
  #nextId = 1;
  #closed = false;
  #loop: Promise<void> | null = null;

  constructor(runner: Runner, options: EngineOptions) {
    const {
      blocks,
      maxSequences = usualSequences,
      maxStepTokens = 512,
      prefixCache = true,
      reuseGenerated = false,
    } = options;
    const { drafting = 'measured', clock = () => performance.now() } = options;
    const { maxDrafts } = runner;
    this.contextLength = Math.min(options.contextLength, blocks * blockTokens - maxDrafts);
    this.#runner = runner;
    this.#speculation = new Speculation({ maxDrafts, drafting, clock });
    this.#maxWaiting = options.maxWaiting ?? 1024;
    this.#maxWaitingTokens = options.maxWaitingTokens ?? 64 * this.contextLength;
    const { phasesAgree, window } = runner;
    const cached = { lookahead: maxDrafts, prefixCache, reuseGenerated };
    const limits = { maxSequences, maxStepTokens, ...cached, phasesAgree, window };
    this.#scheduler = new Scheduler(new BlockPool(blocks), limits);
  }

  get stats(): EngineStats {
    const { pool, running, waiting, preemptions } = this.#scheduler;
    return {
      ...this.#counts,
      ...this.#speculation.counts,
      running: running.length,
      waiting: waiting.length,
      blocksUsed: pool.used,
      blocksTotal: pool.total,
      preemptions,
      speculation: this.#speculation.stats,
      requests: { ...this.#requests },
    };
  }

  /** Returns how many tokens a sequence has used. */
  usage(sequence: Sequence): Omit<Usage, 'reasoningTokens'> {
    const { promptLength, cachedTokens, outputLength } = sequence;
    const drafts = this.#speculation.usage(sequence);
    return { promptTokens: promptLength, cachedTokens, completionTokens: outputLength, ...drafts };
  }

  /** Adds a request, which runs as soon as there is room. Throws RefusedError when it cannot be taken. */
  add(prompt: ArrayLike<number>, options: SequenceOptions, listener: SequenceListener): Sequence {
    this.#refuse(prompt.length);
    const maxTokens = Math.min(options.maxTokens, this.contextLength - prompt.length);
    const sequence = new Sequence(this.#nextId++, prompt, { ...options, maxTokens }, listener);
    this.#counts.promptTokens += prompt.length;
    this.#scheduler.add(sequence);
    this.#loop ??= this.#run();
    return sequence;
  }

  /** Ends a sequence now and frees its blocks; what the current step computes for it is dropped. */
  abort(sequence: Sequence): void {
    this.#end(sequence, 'abort');
  }

  /** Forgets the prompts in the cache, because the weights have changed. Only while nothing runs. */
  forgetPrefixes(): void {
    assert(this.#scheduler.idle, 'prefixes were forgotten while sequences run');
    this.#scheduler.pool.forget();
  }

  /** Takes no more requests, waits at most `graceMs` until all have ended, and aborts the rest. */
  async close(graceMs = 0): Promise<void> {
    this.#closed = true;
    const timer = setTimeout(() => {
      for (const sequence of [...this.#scheduler.running, ...this.#scheduler.waiting]) this.abort(sequence);
    }, graceMs);
    await this.#loop;
    clearTimeout(timer);
    this.#runner.dispose();
  }

  /** Runs one step: schedule, run, sample, commit. */
  async step(): Promise<void> {
    await this.#prepareMasks();
    const plan = this.#scheduler.schedule();
    const batches = this.#toBatches(plan);
    this.#runner.copyBlocks(plan.copies);
    this.#speculation.copied(plan.copies);
    await Promise.all(
      batches.map(async ({ phase, chunks, drafts, isDecode }) => {
        try {
          const run = () => this.#runner.run(phase, chunks, drafts);
          const isTimed = isDecode && batches.length === 1;
          const results = await (isTimed ? this.#speculation.time(chunks, drafts, run) : run());
          for (const [i, chunk] of chunks.entries()) this.#commit(chunk, results[i], drafts);
        } catch (error) {
          for (const { sequence } of chunks) this.#end(sequence, 'error', error as Error);
        }
      }),
    );
  }

  /** Waits for the masks of all sequences with a constraint, also of those that are added meanwhile. */
  async #prepareMasks(): Promise<void> {
    for (;;) {
      const all = [...this.#scheduler.running, ...this.#scheduler.waiting];
      const stale = all.filter(({ listener: { constraint } }) => constraint?.isStale);
      if (stale.length === 0) return;
      await Promise.all(
        stale.map((sequence) =>
          sequence.listener.constraint
            ?.prepare(this.#speculation.draft(sequence))
            .catch((error: Error) => this.#end(sequence, 'error', error)),
        ),
      );
    }
  }

  #toBatches({ decode, prefill, recompute }: StepPlan): StepBatch[] {
    const drafts = this.#speculation.drafts(decode);
    const running = this.#scheduler.running.length;
    const before = (phase: Phase, chunks: readonly PrefillChunk[]): StepBatch => {
      const isPrepared = this.#speculation.prepares(chunks, running);
      return { phase, chunks: chunks.map(toScheduledChunk), drafts: isPrepared, isDecode: false };
    };
    const next = decode.map((sequence): ScheduledChunk => {
      const ids = this.#speculation.decodeIds(sequence, drafts);
      return { sequence, from: sequence.length - 1, ids, sampleFrom: 0 };
    });
    return [
      { phase: 'decode' as const, chunks: next, drafts, isDecode: true },
      before('prefill', prefill),
      before('decode', recompute),
    ].filter(({ chunks }) => chunks.length > 0);
  }

  async #run(): Promise<void> {
    await null; // what is added in the same turn of the event loop starts together
    while (!this.#scheduler.idle) await this.step();
    this.#loop = null; // in the same turn as the test, so that no request falls between
  }

  #refuse(promptLength: number): void {
    if (this.#closed) throw new RefusedError('closing', 'the engine is shutting down: ask another one');
    if (promptLength === 0)
      throw new RefusedError('invalid', 'the prompt is empty: expected one token or more', 'prompt');
    if (promptLength >= this.contextLength)
      throw new RefusedError(
        'too-long',
        `the prompt has ${promptLength} tokens, the context holds ${this.contextLength} with the answer: shorten it`,
        'prompt',
        { promptTokens: promptLength, contextLength: this.contextLength },
      );
    const { waiting } = this.#scheduler;
    const tokens = waiting.reduce((sum, { length }) => sum + length, 0);
    if (waiting.length < this.#maxWaiting && tokens + promptLength <= this.#maxWaitingTokens) return;
    throw new RefusedError('overloaded', `${waiting.length} requests of ${tokens} tokens are waiting: try again later`);
  }

  /** Commits what a chunk computed: one token, or two where a draft was accepted. */
  #commit(chunk: ScheduledChunk, { sampled, drafts, promptLogprobs }: ChunkResult, hasDrafts: boolean): void {
    const { sequence, from, ids, sampleFrom } = chunk;
    if (hasEnded(sequence)) return;
    this.#speculation.ran(chunk, hasDrafts);
    if (promptLogprobs.length > 0) sequence.listener.onPromptLogprobs(promptLogprobs);
    if (sampled.length === 0) {
      sequence.computed = from + ids.length;
      this.#scheduler.cacheBlocks(sequence);
      return;
    }
    if (sequence.outputLength === 0) this.#counts.cachedTokens += sequence.cachedTokens;
    for (const [i, token] of sampled.entries()) {
      const row = sampleFrom + i;
      sequence.computed = from + row + 1;
      if (i === 0) this.#scheduler.cacheBlocks(sequence);
      this.#speculation.propose(sequence, drafts[i]);
      if (!this.#accept(sequence, token) || !this.#speculation.verify(sequence, ids[row + 1], token.id)) return;
    }
  }

  /** Adds a token. Returns false when the sequence ends with it. */
  #accept(sequence: Sequence, token: GeneratedToken): boolean {
    sequence.push(token.id);
    this.#counts.completionTokens++;
    const decision = sequence.listener.onToken(token);
    const isFull = sequence.outputLength >= sequence.options.maxTokens;
    if (decision === 'stop' || isFull) this.#end(sequence, decision === 'stop' ? 'stop' : 'length');
    return !hasEnded(sequence); // the listener may have aborted it, too
  }

  #end(sequence: Sequence, reason: FinishReason, error?: Error): void {
    if (hasEnded(sequence)) return;
    this.#scheduler.remove(sequence);
    this.#requests[reason]++;
    sequence.listener.onEnd(reason, error);
  }
}
