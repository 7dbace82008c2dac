// A TextModel for tests: its answers are a function of the prompt, its vocabulary is real.
//
// Tokens are bytes and the R1 profile's tokens. It answers with the script's text; every token has the log-probability
// -(id % 7) / 8 and alternatives that follow from it. It queues, refuses, stops, aborts and counts as an engine does.
// A text that does not fit the constraint of its answer fails.
import {
  constraintCompiler,
  type EngineStats,
  type FinishReason,
  type GeneratedToken,
  type GenerateOptions,
  type GenerationEvent,
  type RefusalKind,
  RefusedError,
  type TextModel,
} from '../engine/index.ts';
import { testTokenizer } from '../engine/test-tokenizer.ts';
import type { ChatProfileName, LoadedTokenizer } from '../tokenizer/index.ts';

export interface ScriptedAnswer {
  readonly thinking?: string;
  readonly answer: string;
}

export interface TestModelOptions {
  readonly name?: string;
  readonly contextLength?: number;
  /** Returns the answer to a prompt, given as text. */
  readonly script?: (prompt: string, options: GenerateOptions) => ScriptedAnswer;
  /** Generations at once; one more is refused. */
  readonly capacity?: number;
  /** Each of the first requests is refused for one of these reasons. */
  readonly refusals?: readonly RefusalKind[];
  /** Delay before each token, in milliseconds. */
  readonly delayMs?: number;
  /** Delay before the first token, in milliseconds. */
  readonly firstMs?: number;
  /** The generation fails after this number of tokens. */
  readonly failsAfter?: number;
  readonly profile?: ChatProfileName;
}

const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });

export class TestModel implements TextModel {
  readonly name: string;
  readonly contextLength: number;
  readonly tokenizer: LoadedTokenizer;
  readonly vocabSize: number;
  readonly fingerprint = 'fp_test';
  /** Generations in progress now, and the maximum so far. */
  live = 0;
  peakLive = 0;
  readonly prompts: number[][] = [];
  readonly requestedOptions: GenerateOptions[] = [];
  readonly requests: Record<FinishReason, number> = { stop: 0, length: 0, abort: 0, error: 0 };
  readonly options: TestModelOptions;
  isClosed = false;
  #refused = 0;

  constructor(options: TestModelOptions = {}) {
    this.options = options;
    this.name = options.name ?? 'test-model';
    this.contextLength = options.contextLength ?? 4096;
    this.tokenizer = testTokenizer(options.profile);
    this.vocabSize = this.tokenizer.tokenizer.vocabSize + 8; // a padded embedding
  }

  get stats(): EngineStats {
    const none = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, draftedTokens: 0, acceptedTokens: 0 };
    return {
      ...none,
      running: this.live,
      waiting: 0,
      blocksUsed: this.live,
      blocksTotal: 64,
      preemptions: 0,
      speculation: { isOn: false, acceptance: 0.25, stepCost: 1.5, switches: 1 },
      requests: this.requests,
    };
  }

  generate(prompt: ArrayLike<number>, options: GenerateOptions = {}): AsyncIterable<GenerationEvent> {
    if (this.isClosed) throw new RefusedError('closing', 'the engine is shutting down: ask another one');
    if (prompt.length === 0) throw new RefusedError('invalid', 'the prompt is empty: expected a token', 'prompt');
    if (prompt.length >= this.contextLength)
      throw new RefusedError('too-long', `the prompt has ${prompt.length} tokens: shorten it`, 'prompt', {
        promptTokens: prompt.length,
        contextLength: this.contextLength,
      });
    if (this.live >= (this.options.capacity ?? 1024))
      throw new RefusedError('overloaded', 'the queue is full: try again later');
    const refusal = this.options.refusals?.[this.#refused++];
    if (refusal !== undefined) throw new RefusedError(refusal, `refused once, as ${refusal}`);
    this.prompts.push(Array.from(prompt));
    this.requestedOptions.push(options);
    this.live++;
    this.peakLive = Math.max(this.peakLive, this.live);
    let hasEnded = false;
    const leave = (reason: FinishReason) => {
      if (hasEnded) return;
      hasEnded = true;
      this.live--;
      this.requests[reason]++;
    };
    const { signal } = options;
    if (signal?.aborted)
      leave('abort'); // memory is freed at once
    else signal?.addEventListener('abort', () => leave('abort'), { once: true });
    return this.#events(Array.from(prompt), options, leave);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    constraintCompiler(this.tokenizer, this.vocabSize).close();
  }

  scored(id: number, top: number): GeneratedToken {
    const logprob = (token: number) => 0 - (token % 7) / 8;
    const alternatives = Array.from({ length: top }, (_, i) => ({ id: 7 * i, logprob: 0 - i / 8 }));
    return { id, logprob: logprob(id), top: alternatives };
  }

  async *#events(
    prompt: number[],
    options: GenerateOptions,
    leave: (reason: FinishReason) => void,
  ): AsyncGenerator<GenerationEvent> {
    try {
      const spoken = yield* this.#parts(prompt, options);
      const { thought, count, reason, stopText } = spoken;
      leave(reason);
      const promptLogprobs = prompt.slice(1).map((id) => this.scored(id, options.promptLogprobs ?? 0));
      yield {
        type: 'end',
        finishReason: reason,
        stopText,
        usage: {
          promptTokens: prompt.length,
          cachedTokens: Math.min(64 * Math.floor(prompt.length / 64), prompt.length - 1),
          completionTokens: count,
          reasoningTokens: thought,
          draftedTokens: 0,
          acceptedTokens: 0,
        },
        firstTokenMs: 1,
        totalMs: 2,
        promptLogprobs: options.promptLogprobs === undefined ? null : promptLogprobs,
        ...(reason === 'error' && { error: new Error('a kernel faulted: secret detail') }),
      };
    } finally {
      leave('abort');
    }
  }

  /** Rejects where a token of the answer, or its end, is not within the masks. */
  async #checkFit(ids: ArrayLike<number>, { constraint }: GenerateOptions): Promise<void> {
    if (constraint === undefined) return;
    const matcher = constraint.matcher();
    for (const id of Array.from(ids)) matcher.push(id);
    const [mask] = await matcher.masks(null);
    matcher.close();
    const end = this.tokenizer.eosIds[0];
    if (((mask[end >> 5] >>> (end & 31)) & 1) === 0) throw new Error('the answer does not end where its text ends');
  }

  async *#parts(prompt: number[], options: GenerateOptions) {
    const { tokenizer, eosIds } = this.tokenizer;
    const {
      script = (): ScriptedAnswer => ({ answer: 'hello' }),
      delayMs = 0,
      firstMs = 0,
      failsAfter = Infinity,
    } = this.options;
    const { thinking, answer } = script(tokenizer.decode(prompt.filter((id) => id < tokenizer.vocabSize)), options);
    const limit = options.maxTokens ?? this.contextLength - prompt.length;
    const ended = (reason: FinishReason, stopText: string | null = null) => ({ thought, count, reason, stopText });
    let [count, thought] = [0, 0];
    await pause(firstMs, options.signal);
    const channels = options.raw
      ? ([['answer', thinking === undefined ? answer : `<think>${thinking}</think>${answer}`]] as const)
      : ([
          ['thinking', thinking ?? ''],
          ['answer', answer],
        ] as const);
    for (const [channel, full] of channels) {
      const stopText = options.stop?.find((stop) => channel === 'answer' && full.includes(stop)) ?? null;
      const text = stopText === null ? full : full.slice(0, full.indexOf(stopText));
      const stream = tokenizer.stream();
      for (const id of tokenizer.encode(text, { plain: true })) {
        if (delayMs > 0) await pause(delayMs, options.signal);
        else if (count % 8 === 0) await null;
        if (options.signal?.aborted) return ended('abort');
        if (count >= failsAfter) return ended('error');
        if (count >= limit) return ended('length');
        count++;
        if (channel === 'thinking') thought++;
        const tokens = [this.scored(id, options.logprobs ?? 0)];
        yield { type: 'part' as const, channel, text: stream.push(id), tokens };
      }
      if (stopText !== null) return ended('stop', stopText);
      if (channel === 'answer') await this.#checkFit(tokenizer.encode(text, { plain: true }), options);
    }
    if (count >= limit) return ended('length');
    count++;
    const end = eosIds[0];
    const tokens = [this.scored(end, options.logprobs ?? 0)];
    yield { type: 'part' as const, channel: 'answer' as const, text: '', tokens };
    return ended('stop');
  }
}
