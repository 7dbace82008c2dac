// The engine's view of a model: it runs scheduled chunks and knows no policy.
//
// Contract: the result of a row depends on the tokens of its sequence and on the phases in which they ran, never on the
// other chunks of the step, on how a prompt was cut, or on drafts.
import type { GeneratedToken } from './generation.ts';
import type { Sequence } from './sequence.ts';

/** prefill: many tokens of a sequence share the work; decode: reading the cache is what costs. */
export type Phase = 'prefill' | 'decode';

/** Consecutive tokens of one sequence that a step computes. */
export interface ScheduledChunk {
  readonly sequence: Sequence;
  /** Position of the first token. */
  readonly from: number;
  /** The tokens; the last may be a draft. */
  readonly ids: Int32Array;
  /** The first row whose next token is sampled; ids.length: none. */
  readonly sampleFrom: number;
}

/** A block whose first tokens another sequence has, too. */
export interface BlockCopy {
  readonly from: number;
  readonly to: number;
  readonly tokens: number;
}

export interface ChunkResult {
  /** The next token of each row from `sampleFrom` on. */
  readonly sampled: readonly GeneratedToken[];
  /** For each sampled token the draft of the token after it; empty unless drafts were requested. */
  readonly drafts: readonly number[];
  /** Log-probabilities of the prompt tokens after each row but the last, where requested. */
  readonly promptLogprobs: readonly GeneratedToken[];
}

export interface Runner {
  /** Drafts that a decode step can make for each sequence: 0 or 1. */
  readonly maxDrafts: number;
  /** Whether prefill and decode give the same bits, so that a prompt's last token may run with a decode batch. */
  readonly phasesAgree: boolean;
  /** How many tokens a token sees in any layer, itself included; null: all. */
  readonly window: number | null;
  /** Queues copies of whole blocks in all layers, one after another. */
  copyBlocks(copies: readonly BlockCopy[]): void;
  /**
   * Queues the chunks and resolves in their order. Rejects when one of them failed, which ends all of them. `drafts`:
   * runs multi-token prediction too; its cache has no rows of tokens that ran without.
   */
  run(phase: Phase, chunks: readonly ScheduledChunk[], drafts: boolean): Promise<ChunkResult[]>;
  dispose(): void;
}
