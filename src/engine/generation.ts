// What is asked of an engine and what comes back, as text: the face that the library, the server and the chat share.
//
// A generation is an async iterable of parts (text of the thinking or of the answer, with its tokens) and ends with one
// `end` event. Breaking off the loop or aborting the signal frees its memory at once. Ids and log-probabilities are of
// the tokens as sampled; text comes as whole characters, so that a part may lag a token behind.
import type { LoadedTokenizer } from '../tokenizer/index.ts';
import type { SpeculationStats } from './speculation.ts';

export interface SamplingOptions {
  /** 0: the most probable token. @default 1 */
  readonly temperature?: number;
  /** Only the K most probable tokens; 0: all. @default 0 */
  readonly topK?: number;
  /** Only the fewest tokens whose probabilities sum to this. @default 1 */
  readonly topP?: number;
  /** Only tokens at least this share of the most probable one's probability. @default 0 */
  readonly minP?: number;
  /** Subtracted from the logit of every token generated before. @default 0 */
  readonly presencePenalty?: number;
  /** Subtracted as often as a token was generated before. @default 0 */
  readonly frequencyPenalty?: number;
  /** Divides positive and multiplies negative logits of tokens in prompt and output (CTRL). @default 1 */
  readonly repetitionPenalty?: number;
  /** Whole number, 0 to 2^32 - 1: same seed, prompt and options, same tokens. @default a new one */
  readonly seed?: number;
  /** Added to logits, by token id. */
  readonly logitBias?: ReadonlyMap<number, number>;
}

export interface GenerateOptions extends SamplingOptions {
  /** @default as many as the context holds */
  readonly maxTokens?: number;
  /** Texts that end the generation, wherever token borders fall; they are not part of the text. */
  readonly stop?: readonly string[];
  /** Goes on after the model's own end tokens. @default false */
  readonly ignoreEos?: boolean;
  /** Log-probabilities of output tokens, with so many alternatives. @default none */
  readonly logprobs?: number;
  /** The same for the tokens of the prompt, on `end`. @default none */
  readonly promptLogprobs?: number;
  /** The prompt ends inside the thinking, so that the first text is of the thinking. @default false */
  readonly startsThinking?: boolean;
  /** Most tokens of thinking: then its closing tag is forced. @default no limit */
  readonly reasoningBudget?: number;
  /** Aborts: the generation ends with reason `abort`. */
  readonly signal?: AbortSignal;
}

/** A token and how probable the model found it (natural logarithm, before temperature and penalties). */
export interface TokenLogprob {
  readonly id: number;
  readonly logprob: number;
}

export interface GeneratedToken extends TokenLogprob {
  /** The most probable tokens, best first; empty unless asked for. */
  readonly top: readonly TokenLogprob[];
}

export interface GenerationPart {
  readonly type: 'part';
  /** The tags themselves belong to neither and are not in any text. */
  readonly channel: 'thinking' | 'answer';
  readonly text: string;
  /** Tokens settled since the part before; several where speculation was accepted, none where text was held back. */
  readonly tokens: readonly GeneratedToken[];
}

/** stop: an end token or a stop text; length: maxTokens or the context; abort: whoever asked; error: see `error`. */
export type FinishReason = 'stop' | 'length' | 'abort' | 'error';

export interface Usage {
  readonly promptTokens: number;
  /** Of them, found in the prefix cache. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Of them, thinking. */
  readonly reasoningTokens: number;
  /** Drafted by multi-token prediction, and accepted. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
}

export interface GenerationEnd {
  readonly type: 'end';
  readonly finishReason: FinishReason;
  /** The stop text that was met, or null. */
  readonly stopText: string | null;
  readonly usage: Usage;
  /** From the request to the first token, and to the end. */
  readonly firstTokenMs: number;
  readonly totalMs: number;
  /** Of prompt tokens 1, 2, ...: token 0 has none before it. null unless asked for. */
  readonly promptLogprobs: readonly GeneratedToken[] | null;
  readonly error?: Error;
}

export type GenerationEvent = GenerationPart | GenerationEnd;

/** The queue is full, or the request can never fit: what HTTP calls 429, 503, 422 or 400. */
export type RefusalKind = 'overloaded' | 'closing' | 'too-long' | 'invalid' | 'unsupported';

/** A request that the engine does not take. */
export class RefusedError extends Error {
  readonly kind: RefusalKind;
  /** The option at fault, where there is one. */
  readonly field: string | null;

  constructor(kind: RefusalKind, message: string, field: string | null = null) {
    super(message);
    this.name = 'RefusedError';
    this.kind = kind;
    this.field = field;
  }
}

/** Counters since the start, and levels now. */
export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  readonly blocksUsed: number;
  readonly blocksTotal: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
  readonly preemptions: number;
  /** null: the model makes no drafts. */
  readonly speculation: SpeculationStats | null;
  readonly requests: Readonly<Record<FinishReason, number>>;
}

/** A model ready to answer: what the server and the chat know of the engine. */
export interface TextModel {
  readonly name: string;
  /** Longest prompt and answer together, in tokens. */
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly tokenizer: LoadedTokenizer;
  /** Names weights, kernels and settings: same fingerprint, prompt and seed, same answer. */
  readonly fingerprint: string;
  /** Throws RefusedError at once when the request is invalid, too long, or the queue is full. */
  generate(prompt: ArrayLike<number>, options?: GenerateOptions): AsyncIterable<GenerationEvent>;
  readonly stats: EngineStats;
  /** Finishes what runs (at most `graceMs`), aborts the rest, frees everything. */
  close(graceMs?: number): Promise<void>;
}
