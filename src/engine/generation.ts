// Requests to an engine and their results as text: the interface that the library, the server and the chat share.
//
// A generation is an async iterable of parts (text of the thinking or of the answer, with its tokens) and ends with one
// `end` event. Leaving the loop or aborting the signal frees its memory at once. Ids and log-probabilities are those of
// the sampled tokens; text comes in whole characters, so that a part may lag a token behind.
import type { CompiledConstraint } from '../grammar/index.ts';
import type { LoadedTokenizer } from '../tokenizer/index.ts';
import type { SpeculationStats } from './speculation.ts';

export interface SamplingOptions {
  /** 0: the most probable token. @default 1 */
  readonly temperature?: number;
  /** Only the K most probable tokens; 0: all. @default 0 */
  readonly topK?: number;
  /** Only the fewest tokens whose probabilities sum to at least this. @default 1 */
  readonly topP?: number;
  /** Only tokens at least this share of the most probable one's probability. @default 0 */
  readonly minP?: number;
  /** Subtracted from the logit of every token generated before. @default 0 */
  readonly presencePenalty?: number;
  /** Subtracted once for each time that a token was generated before. @default 0 */
  readonly frequencyPenalty?: number;
  /** Divides positive and multiplies negative logits of tokens in prompt and output (CTRL). @default 1 */
  readonly repetitionPenalty?: number;
  /** A whole number, 0 to 2^32 - 1: same seed, prompt and options, same tokens. @default random */
  readonly seed?: number;
  /** Added to logits, by token id. */
  readonly logitBias?: ReadonlyMap<number, number>;
}

export interface GenerateOptions extends SamplingOptions {
  /** The maximum number of output tokens. @default what the context leaves */
  readonly maxTokens?: number;
  /** Texts that end the answer, wherever tokens begin and end; they are not part of it. */
  readonly stop?: readonly string[];
  /** Tokens that end the answer, besides the model's own end tokens. @default none */
  readonly stopIds?: readonly number[];
  /** The answer does not end before this number of output tokens. @default 0 */
  readonly minTokens?: number;
  /** All that the model writes is the answer, thinking and tags included, and stops act anywhere. @default false */
  readonly raw?: boolean;
  /** Continues after the model's own end tokens. @default false */
  readonly ignoreEos?: boolean;
  /** Log-probabilities of output tokens, with this number of alternatives. @default none */
  readonly logprobs?: number;
  /** The same for the tokens of the prompt, on `end`. @default none */
  readonly promptLogprobs?: number;
  /** Whether the prompt ends inside the thinking, so that the output begins there. @default false */
  readonly startsThinking?: boolean;
  /** The maximum number of thinking tokens; then the closing tag is forced. @default no limit */
  readonly reasoningBudget?: number;
  /** Only requests of the same scope share what the prefix cache holds of their prompts. @default '' */
  readonly cacheScope?: string;
  /** What the answer must be, from its first token after the thinking; see `constraintCompiler`. @default any text */
  readonly constraint?: CompiledConstraint;
  /** Ends the generation with reason `abort`. */
  readonly signal?: AbortSignal;
}

/** A token and its log-probability (natural logarithm, before temperature and penalties). */
export interface TokenLogprob {
  readonly id: number;
  readonly logprob: number;
}

export interface GeneratedToken extends TokenLogprob {
  /** The most probable tokens, best first; empty unless requested. */
  readonly top: readonly TokenLogprob[];
}

export interface GenerationPart {
  readonly type: 'part';
  /** The tags themselves belong to neither and are in no text. */
  readonly channel: 'thinking' | 'answer';
  readonly text: string;
  /** Tokens committed since the previous part; several where drafts were accepted, none where text was buffered. */
  readonly tokens: readonly GeneratedToken[];
}

/**
 * stop: an end token, a stop token or text; length: maxTokens or the context; abort: the caller; error: see `error`.
 */
export type FinishReason = 'stop' | 'length' | 'abort' | 'error';

export interface Usage {
  readonly promptTokens: number;
  /** Prompt tokens that were found in the prefix cache. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Completion tokens that are thinking. */
  readonly reasoningTokens: number;
  /** Tokens drafted by multi-token prediction, and those of them that were accepted. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
}

export interface GenerationEnd {
  readonly type: 'end';
  readonly finishReason: FinishReason;
  /** The stop text that was met, or null. */
  readonly stopText: string | null;
  readonly usage: Usage;
  /** Time from the request to the first token, and to the end. */
  readonly firstTokenMs: number;
  readonly totalMs: number;
  /** Log-probabilities of prompt tokens 1, 2, ... (token 0 has no predecessor); null unless requested. */
  readonly promptLogprobs: readonly GeneratedToken[] | null;
  readonly error?: Error;
}

export type GenerationEvent = GenerationPart | GenerationEnd;

/** Why a request is refused: the queue is full, the engine closes, or the request can never run. */
export type RefusalKind = 'overloaded' | 'closing' | 'too-long' | 'invalid' | 'unsupported';

/** Why a prompt is too long, in tokens; a prompt that was not encoded has at least `promptTokens`. */
export interface PromptSizes {
  readonly promptTokens: number;
  readonly contextLength: number;
}

/** Thrown for a request that the engine refuses. */
export class RefusedError extends Error {
  readonly kind: RefusalKind;
  /** The option that is wrong, where there is one. */
  readonly field: string | null;
  /** With kind `too-long`. */
  readonly sizes: PromptSizes | null;

  constructor(kind: RefusalKind, message: string, field: string | null = null, sizes: PromptSizes | null = null) {
    super(message);
    this.name = 'RefusedError';
    this.kind = kind;
    this.field = field;
    this.sizes = sizes;
  }
}

/** Counters since the start, and current levels. */
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
  /** null where the model makes no drafts. */
  readonly speculation: SpeculationStats | null;
  readonly requests: Readonly<Record<FinishReason, number>>;
}

/** A model ready to answer: the part of the engine that the server and the chat see. */
export interface TextModel {
  readonly name: string;
  /** The maximum length of prompt and answer together, in tokens. */
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly tokenizer: LoadedTokenizer;
  /** Identifies weights, kernels and settings: same fingerprint, prompt and seed, same answer. */
  readonly fingerprint: string;
  /** Throws RefusedError at once when the request is invalid, too long, or the queue is full. */
  generate(prompt: ArrayLike<number>, options?: GenerateOptions): AsyncIterable<GenerationEvent>;
  readonly stats: EngineStats;
  /** Lets requests finish for at most `graceMs`, aborts the rest, frees everything. */
  close(graceMs?: number): Promise<void>;
}
