// One generation as its reader sees it: events in order, buffered until the reader takes them.
//
// It listens to its sequence, assembles text from tokens, and ends the sequence when the reader leaves or the signal
// aborts. Contract: every event comes once, and `end` comes last; leaving early frees the sequence before the promise
// of `return` resolves.
import { setMaxListeners } from 'node:events';
import type { AnswerConstraint } from './answer-constraint.ts';
import type { Engine } from './engine.ts';
import type { FinishReason, GeneratedToken, GenerationEnd, GenerationEvent } from './generation.ts';
import type { ReasoningBudget } from './reasoning-budget.ts';
import type { ResolvedOptions } from './sampling-options.ts';
import type { Sequence, SequenceListener, TokenDecision } from './sequence.ts';
import type { TextAssembler } from './text-assembler.ts';

/** What reads and guides the tokens of one generation. */
export interface GenerationParts {
  readonly assembler: TextAssembler;
  readonly budget: ReasoningBudget;
  /** null: any token may come. */
  readonly constraint: AnswerConstraint | null;
}

export class GenerationStream implements AsyncIterable<GenerationEvent>, SequenceListener {
  readonly #engine: Engine;
  readonly #assembler: TextAssembler;
  readonly #budget: ReasoningBudget;
  readonly constraint: AnswerConstraint | null;
  readonly #signal: AbortSignal | null;
  readonly #started = performance.now();
  readonly #events: GenerationEvent[] = [];
  readonly #abort = () => this.#engine.abort(this.#sequence);
  readonly #sequence: Sequence;
  #wake: (() => void) | null = null;
  #firstTokenMs = 0;
  #promptLogprobs: GeneratedToken[] | null = null;
  #hasEnded = false;

  /** Throws RefusedError when the engine does not take the request. */
  constructor(
    engine: Engine,
    prompt: ArrayLike<number>,
    options: ResolvedOptions,
    { assembler, budget, constraint }: GenerationParts,
  ) {
    const { maxTokens, logprobs, promptLogprobs, cacheScope, signal, ...sampling } = options;
    this.constraint = constraint;
    this.#engine = engine;
    this.#assembler = assembler;
    this.#budget = budget;
    this.#signal = signal;
    if (promptLogprobs !== null) this.#promptLogprobs = [];
    this.#sequence = engine.add(prompt, { sampling, maxTokens, logprobs, promptLogprobs, cacheScope }, this);
    if (signal) setMaxListeners(0, signal); // all answers of a request listen to it
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort, { once: true });
  }

  onToken(token: GeneratedToken): TokenDecision {
    this.#firstTokenMs ||= performance.now() - this.#started;
    this.#emit(this.#assembler.push(token));
    this.#budget.onToken(this.#assembler.thinking);
    this.constraint?.push(token.id, this.#assembler.ended);
    return this.#assembler.ended ? 'stop' : 'continue';
  }

  forcedToken(): number | null {
    return this.#budget.forcedToken();
  }

  get tokensUntilForced(): number {
    return this.#budget.tokensUntilForced;
  }

  onPromptLogprobs(tokens: readonly GeneratedToken[]): void {
    this.#promptLogprobs?.push(...tokens);
  }

  onEnd(reason: FinishReason, error?: Error): void {
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#hasEnded = true;
    this.constraint?.close();
    this.#emit(this.#assembler.end());
    const isStopped = reason === 'length' && this.#assembler.stopText !== null;
    this.#emit([this.#endEvent(isStopped ? 'stop' : reason, error)]);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<GenerationEvent, void, undefined> {
    try {
      for (;;) {
        const event = this.#events.shift();
        if (event) yield event;
        if (event?.type === 'end') return;
        if (!event) await this.#nextEvent();
      }
    } finally {
      if (!this.#hasEnded) this.#abort();
    }
  }

  #nextEvent(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #emit(events: readonly GenerationEvent[]): void {
    if (events.length === 0) return;
    this.#events.push(...events);
    this.#wake?.();
    this.#wake = null;
  }

  #endEvent(finishReason: FinishReason, error?: Error): GenerationEnd {
    return {
      type: 'end',
      finishReason,
      stopText: this.#assembler.stopText,
      usage: { ...this.#engine.usage(this.#sequence), reasoningTokens: this.#assembler.reasoningTokens },
      firstTokenMs: this.#firstTokenMs,
      totalMs: performance.now() - this.#started,
      promptLogprobs: this.#promptLogprobs,
      ...(error && { error }),
    };
  }
}
