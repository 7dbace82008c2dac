// One request in the engine: its tokens, its cache blocks, and how many of its tokens are in the cache.
//
// Tokens are the prompt, then the output. The first `computed` of them have valid rows in the cache; during decode all
// but the last. A preempted sequence starts again from 0 and recomputes its output in the decode phase, so that the
// bits are the same. Nothing here touches a tensor.
import { prefixKeys } from './block-pool.ts';
import type { FinishReason, GeneratedToken } from './generation.ts';
import { LogitsProcessor } from './logits-processor.ts';
import type { ResolvedSampling } from './sampling-options.ts';

export interface SequenceOptions {
  readonly sampling: ResolvedSampling;
  readonly maxTokens: number;
  /** The number of alternatives with each output token; null: none. */
  readonly logprobs: number | null;
  /** The number of alternatives with each prompt token; null: no log-probabilities of the prompt. */
  readonly promptLogprobs: number | null;
  /** Prompts share cached blocks within a scope. @default '' */
  readonly cacheScope?: string;
}

/** Whether a sequence continues after a token. */
export type TokenDecision = 'continue' | 'stop';

/** Which tokens a sequence may have next. Masks have bit i % 32 of word i / 32, rounded down, for token i. */
export interface TokenConstraint {
  /** Whether tokens came since masks were prepared. */
  readonly isStale: boolean;
  /** Finds out what may come next, and after the draft. Rejects if nothing may, or if a token was not allowed. */
  prepare(draft: number | null): Promise<void>;
  /** The mask of the next token (0) or of the one after the draft (1); null: any token. Valid after `prepare`. */
  mask(ahead: number): Int32Array | null;
}

export interface SequenceListener {
  /** null: any token may come. */
  readonly constraint: TokenConstraint | null;
  /** Called with each committed token. */
  onToken(token: GeneratedToken): TokenDecision;
  /** Returns the id that must come next, whatever the model says (to close the thinking), or null. */
  forcedToken(): number | null;
  /** The number of tokens that the model may still choose before one is forced. */
  readonly tokensUntilForced: number;
  onPromptLogprobs(tokens: readonly GeneratedToken[]): void;
  onEnd(reason: FinishReason, error?: Error): void;
}

export class Sequence {
  /** In order of arrival. */
  readonly id: number;
  readonly options: SequenceOptions;
  readonly listener: SequenceListener;
  readonly promptLength: number;
  readonly logitsProcessor: LogitsProcessor;
  /** Blocks of the cache, in order of positions. */
  readonly blocks: number[] = [];
  /** Leading blocks that were given back, because no later token sees theirs; in their places stands the first kept. */
  released = 0;
  #prefixKeys: readonly string[] | null = null;
  state: 'waiting' | 'running' | 'finished' = 'waiting';
  /** Tokens with valid rows in the cache. */
  computed = 0;
  /** Tokens of the prompt that were in the cache when the sequence was first admitted. */
  cachedTokens = 0;
  #tokens: Int32Array;
  #length: number;

  constructor(id: number, prompt: ArrayLike<number>, options: SequenceOptions, listener: SequenceListener) {
    this.id = id;
    this.options = options;
    this.listener = listener;
    this.promptLength = prompt.length;
    this.logitsProcessor = new LogitsProcessor(options.sampling, prompt);
    this.#tokens = new Int32Array(prompt.length + Math.min(options.maxTokens, 256));
    this.#tokens.set(prompt);
    this.#length = prompt.length;
  }

  get length(): number {
    return this.#length;
  }

  get outputLength(): number {
    return this.#length - this.promptLength;
  }

  /** A view that is valid until the next token. */
  get tokens(): Int32Array {
    return this.#tokens.subarray(0, this.#length);
  }

  get prompt(): Int32Array {
    return this.#tokens.subarray(0, this.promptLength);
  }

  /** Keys of the prompt's blocks, the last of which may not be full. */
  get prefixKeys(): readonly string[] {
    this.#prefixKeys ??= prefixKeys(this.prompt, this.options.cacheScope);
    return this.#prefixKeys;
  }

  /** recompute: output that was generated before a preemption; decode: only the last token is not computed. */
  get phase(): 'prefill' | 'recompute' | 'decode' {
    if (this.computed < this.promptLength) return 'prefill';
    return this.computed < this.#length - 1 ? 'recompute' : 'decode';
  }

  token(position: number): number {
    return this.#tokens[position];
  }

  push(token: number): void {
    if (this.#length === this.#tokens.length) {
      const larger = new Int32Array(2 * this.#length);
      larger.set(this.#tokens);
      this.#tokens = larger;
    }
    this.#tokens[this.#length++] = token;
    this.logitsProcessor.push(token);
  }
}
