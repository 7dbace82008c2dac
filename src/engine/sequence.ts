// One request on its way through the engine: its tokens, its blocks, and how far its cache reaches.
//
// Tokens are the prompt, then what was generated. `computed` of them have valid rows in the cache. While generating all
// but the last are computed; a sequence that was put aside starts again from 0 and computes what it has generated in
// the form of generation, so that the bits are those it had. Nothing here touches a tensor.
import type { GeneratedToken } from './generation.ts';
import { LogitsProcessor } from './logits-processor.ts';
import type { ResolvedSampling } from './sampling-options.ts';

export interface SequenceOptions {
  readonly sampling: ResolvedSampling;
  readonly maxTokens: number;
  /** Alternatives with each output token; null: no log-probabilities wanted. */
  readonly logprobs: number | null;
  readonly promptLogprobs: number | null;
}

/** Whether a sequence continues after a token. */
export type TokenDecision = 'continue' | 'stop';

/** Whoever listens to a sequence. */
export interface SequenceListener {
  /** A token was settled. */
  onToken(token: GeneratedToken): TokenDecision;
  /** A token that must come next, whatever the model says (closing the thinking). */
  forcedToken(): number | null;
  /** Tokens that the model may choose before one is forced. */
  readonly tokensUntilForced: number;
  onPromptLogprobs(tokens: readonly GeneratedToken[]): void;
  onEnd(reason: 'stop' | 'length' | 'abort' | 'error', error?: Error): void;
}

export class Sequence {
  /** In order of arrival. */
  readonly id: number;
  readonly options: SequenceOptions;
  readonly listener: SequenceListener;
  readonly promptLength: number;
  /** What penalties and biases make of the next logits. */
  readonly logitsProcessor: LogitsProcessor;
  /** Blocks of the cache, in order of positions. */
  readonly blocks: number[] = [];
  /** Names of the whole blocks of the prompt (prefixKeys); made when they are first needed. */
  blockKeys: readonly string[] | null = null;
  state: 'waiting' | 'running' | 'finished' = 'waiting';
  /** Tokens with valid rows in the cache. */
  computed = 0;
  /** Tokens of the prompt that were found in the cache when it first ran. */
  cachedTokens = 0;
  /** What multi-token prediction expects next. */
  draft: number | null = null;
  /** Of the computed tokens, those that multi-token prediction has no rows of. */
  gaps = 0;
  drafted = 0;
  accepted = 0;
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

  /** A view; valid until the next token. */
  get tokens(): Int32Array {
    return this.#tokens.subarray(0, this.#length);
  }

  get prompt(): Int32Array {
    return this.#tokens.subarray(0, this.promptLength);
  }

  /** prompt: in the form of prompts; output: generated before it was put aside; generate: only the last is missing. */
  get phase(): 'prompt' | 'output' | 'generate' {
    if (this.computed < this.promptLength) return 'prompt';
    return this.computed < this.#length - 1 ? 'output' : 'generate';
  }

  /** Whether drafts can be expected to be good: a few gaps cost nothing that was seen, many cost most of the guesses. */
  get isDraftable(): boolean {
    return this.gaps <= 8 + this.computed / 8;
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
