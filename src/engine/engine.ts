// The engine: schedule, run, sample, settle, over and over. Many sequences share every pass over the weights.
//
// Continuous batching (Orca) over a paged cache (vLLM), prompts in pieces (Sarathi), drafts of multi-token prediction
// verified in the same pass. Contract: a sequence's tokens are the same whoever else runs, however its prompt was cut,
// whether it was put aside, with and without drafts: a draft counts only when it is the token that is drawn at its
// place, and draws depend on seed and position alone.
import { blockTokens } from '../kernels/index.ts';
import { BlockPool } from './block-pool.ts';
import { type EngineStats, type FinishReason, type GeneratedToken, RefusedError } from './generation.ts';
import type { ChunkResult, Phase, Runner, ScheduledChunk } from './runner.ts';
import { type PrefillChunk, Scheduler, type StepPlan } from './scheduler.ts';
import { Sequence, type SequenceListener, type SequenceOptions } from './sequence.ts';
import { SpeculationPolicy } from './speculation.ts';

export interface EngineOptions {
  /** Blocks of 64 tokens that the cache has. */
  readonly blocks: number;
  /** Longest sequence. */
  readonly contextLength: number;
  /** Sequences that run at once. @default 64 */
  readonly maxSequences?: number;
  /** Tokens of prompts in a step. @default 512 */
  readonly maxStepTokens?: number;
  /** Sequences that may wait; one more is refused. @default 1024 */
  readonly maxWaiting?: number;
  /** Tokens of prompts that may wait. @default 64 times the context */
  readonly maxWaitingTokens?: number;
  /** @default true */
  readonly prefixCache?: boolean;
  /**
   * Lets a later prompt use blocks made while generating. Faster over several turns, but its answer may then differ in
   * rounding from what the same prompt gives without them. @default false
   */
  readonly reuseGenerated?: boolean;
  /**
   * Drafts where the runner makes them. measured: as long as they pay (draft-governor.ts); always: whatever they cost.
   * The text is the same. @default measured
   */
  readonly drafting?: 'measured' | 'always';
  /** Milliseconds, for measuring. @default performance.now */
  readonly clock?: () => number;
}

/** Runs that are queued together. */
interface Group {
  readonly form: Phase;
  readonly runs: readonly ScheduledChunk[];
  readonly drafts: boolean;
  /** Each run is the next token of a sequence, not rows it needs before. */
  readonly isNext: boolean;
}

export class Engine {
  readonly contextLength: number;
  readonly #runner: Runner;
  readonly #scheduler: Scheduler;
  readonly #maxWaiting: number;
  readonly #maxWaitingTokens: number;
  /** null: the runner makes no drafts. */
  readonly #governor: SpeculationPolicy | null;
  readonly #clock: () => number;
  readonly #requests: Record<FinishReason, number> = { stop: 0, length: 0, abort: 0, error: 0 };
  readonly #counts = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, draftedTokens: 0, acceptedTokens: 0 };
  #nextId = 1;
  #closed = false;
  #loop: Promise<void> | null = null;

  constructor(runner: Runner, options: EngineOptions) {
    const { blocks, maxSequences = 64, maxStepTokens = 512, prefixCache = true, reuseGenerated = false } = options;
    this.contextLength = Math.min(options.contextLength, blocks * blockTokens - runner.drafts);
    this.#runner = runner;
    this.#governor = runner.drafts > 0 ? new SpeculationPolicy(options.drafting === 'always') : null;
    this.#clock = options.clock ?? (() => performance.now());
    this.#maxWaiting = options.maxWaiting ?? 1024;
    this.#maxWaitingTokens = options.maxWaitingTokens ?? 64 * this.contextLength;
    const policy = { maxSequences, maxStepTokens, drafts: runner.drafts, prefixCache, reuseGenerated };
    this.#scheduler = new Scheduler(new BlockPool(blocks), policy);
  }

  get stats(): EngineStats {
    const { pool, running, waiting, preemptions } = this.#scheduler;
    return {
      ...this.#counts,
      running: running.length,
      waiting: waiting.length,
      blocksUsed: pool.used,
      blocksTotal: pool.total,
      preemptions,
      speculation: this.#governor?.stats ?? null,
      requests: { ...this.#requests },
    };
  }

  /** Takes a request; it runs as soon as there is room. Throws RefusedError when it cannot be taken. */
  add(prompt: ArrayLike<number>, options: SequenceOptions, listener: SequenceListener): Sequence {
    this.#refuse(prompt.length);
    const room = this.contextLength - prompt.length;
    const sequence = new Sequence(
      this.#nextId++,
      prompt,
      { ...options, maxTokens: Math.min(options.maxTokens, room) },
      listener,
    );
    this.#counts.promptTokens += prompt.length;
    this.#scheduler.add(sequence);
    this.#loop ??= this.#run();
    return sequence;
  }

  /** Ends a sequence now and frees its blocks; what a step under way gives for it is thrown away. */
  abort(sequence: Sequence): void {
    this.#end(sequence, 'abort');
  }

  /** Takes no more requests, waits until all have ended, at most `graceMs`, and aborts the rest. */
  async close(graceMs = 0): Promise<void> {
    this.#closed = true;
    const timer = setTimeout(() => this.#abortAll(), graceMs);
    await this.#loop;
    clearTimeout(timer);
    this.#runner.dispose();
  }

  /** Schedule, run, sample, settle: one step of whoever can go on. */
  async step(): Promise<void> {
    const groups = this.#groupsOf(this.#scheduler.schedule());
    await Promise.all(
      groups.map(async ({ form, runs, drafts, isNext }) => {
        try {
          const started = this.#clock();
          const results = await this.#runner.run(form, runs, drafts);
          if (isNext && groups.length === 1) this.#time(runs, drafts, this.#clock() - started);
          for (const [i, run] of runs.entries()) this.#settle(run, results[i], drafts);
        } catch (error) {
          for (const { sequence } of runs) this.#end(sequence, 'error', error as Error);
        }
      }),
    );
  }

  #groupsOf({ decode, prefill, recompute }: StepPlan): Group[] {
    const isDraftable = decode.some((sequence) => sequence.isDraftable);
    const drafts = decode.length > 0 && (this.#governor?.next(decode.length, isDraftable) ?? false);
    const prepares = this.#governor?.prepares(this.#scheduler.running.length) ?? false;
    const fills = (form: Phase, each: readonly PrefillChunk[]): Group => {
      const isPrepared = prepares && each.some(({ sequence }) => sequence.isDraftable);
      return { form, runs: each.map(fillRun), drafts: isPrepared, isNext: false };
    };
    const next = decode.map((sequence) => nextRun(sequence, drafts ? this.#runner.drafts : 0));
    return [
      { form: 'generation' as const, runs: next, drafts, isNext: true },
      fills('prompt', prefill),
      fills('generation', recompute),
    ].filter(({ runs }) => runs.length > 0);
  }

  /** A step that made drafts but verified none is neither of the two that are compared. */
  #time(runs: readonly ScheduledChunk[], drafts: boolean, ms: number): void {
    const verified = runs.some(({ ids }) => ids.length > 1);
    if (verified === drafts) this.#governor?.took(ms, runs.length, drafts);
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
      );
    const { waiting } = this.#scheduler;
    const tokens = waiting.reduce((sum, { length }) => sum + length, 0);
    if (waiting.length < this.#maxWaiting && tokens + promptLength <= this.#maxWaitingTokens) return;
    throw new RefusedError('overloaded', `${waiting.length} requests of ${tokens} tokens are waiting: try again later`);
  }

  #settle(run: ScheduledChunk, { sampled, drafts, promptLogprobs }: ChunkResult, hasDrafts: boolean): void {
    const { sequence, from, ids, sampleFrom } = run;
    if (hasEnded(sequence)) return;
    if (!hasDrafts) sequence.gaps += ids.length;
    if (promptLogprobs.length > 0) sequence.listener.onPromptLogprobs(promptLogprobs);
    if (sampled.length === 0) {
      sequence.computed = from + ids.length;
      this.#scheduler.filled(sequence);
      return;
    }
    if (sequence.outputLength === 0) this.#counts.cachedTokens += sequence.cachedTokens;
    for (const [i, token] of sampled.entries()) {
      const row = sampleFrom + i;
      sequence.computed = from + row + 1;
      if (i === 0) this.#scheduler.filled(sequence);
      sequence.draft = sequence.isDraftable ? (drafts[i] ?? null) : null;
      if (!this.#accept(sequence, token)) return;
      const guess = ids[row + 1];
      if (guess === undefined) return;
      this.#count(sequence, guess === token.id);
      if (guess !== token.id) return;
    }
  }

  /** Adds a token. False when the sequence ends with it. */
  #accept(sequence: Sequence, token: GeneratedToken): boolean {
    sequence.push(token.id);
    this.#counts.completionTokens++;
    const decision = sequence.listener.onToken(token);
    const isFull = sequence.outputLength >= sequence.options.maxTokens;
    if (decision === 'stop' || isFull) this.#end(sequence, decision === 'stop' ? 'stop' : 'length');
    return !hasEnded(sequence); // the listener may have aborted it, too
  }

  #count(sequence: Sequence, accepted: boolean): void {
    this.#governor?.verified(accepted);
    sequence.drafted++;
    this.#counts.draftedTokens++;
    if (!accepted) return;
    sequence.accepted++;
    this.#counts.acceptedTokens++;
  }

  #end(sequence: Sequence, reason: FinishReason, error?: Error): void {
    if (hasEnded(sequence)) return;
    this.#scheduler.remove(sequence);
    this.#requests[reason]++;
    sequence.listener.onEnd(reason, error);
  }

  #abortAll(): void {
    for (const sequence of [...this.#scheduler.running, ...this.#scheduler.waiting]) this.abort(sequence);
  }
}

const hasEnded = ({ state }: Sequence) => state === 'finished';

function fillRun({ sequence, from, to }: PrefillChunk): ScheduledChunk {
  const wanted = sequence.outputLength === 0 && to === sequence.promptLength;
  return { sequence, from, ids: sequence.tokens.slice(from, to), sampleFrom: wanted ? to - from - 1 : to - from };
}

/** The last token, and its draft where there is one to verify. */
function nextRun(sequence: Sequence, drafts: number): ScheduledChunk {
  const last = sequence.token(sequence.length - 1);
  // A draft is verified only where the token after it is the model's to choose.
  const verifies = drafts > 0 && sequence.draft !== null && sequence.listener.tokensUntilForced > drafts;
  const ids = verifies ? [last, sequence.draft as number] : [last];
  return { sequence, from: sequence.length - 1, ids: Int32Array.from(ids), sampleFrom: 0 };
}
