// What runs tokens: the engine's view of a model. It knows rows and blocks, no policy.
//
// A run is consecutive tokens of one sequence in one form. Contract: what a row gives depends on the tokens of its
// sequence and on the forms they ran in, never on the other runs of the batch, on how a prompt was cut, or on drafts.
import type { GeneratedToken } from './generation.ts';
import type { Sequence } from './sequence.ts';

/** prompt: MLA expanded, where many tokens share the work; generation: absorbed, where reading the cache is what costs. */
export type Phase = 'prompt' | 'generation';

export interface ScheduledChunk {
  readonly sequence: Sequence;
  /** Position of the first token. */
  readonly from: number;
  /** The tokens, the last of them perhaps a draft. */
  readonly ids: Int32Array;
  /** The first row whose next token is wanted; ids.length: none. */
  readonly sampleFrom: number;
}

export interface ChunkResult {
  /** The next token of the rows from `sampleFrom` on. */
  readonly sampled: readonly GeneratedToken[];
  /** For each of them what multi-token prediction expects after it; empty unless the run was to draft. */
  readonly drafts: readonly number[];
  /** Of the tokens after each row but the last, where they were asked for. */
  readonly promptLogprobs: readonly GeneratedToken[];
}

export interface Runner {
  /** Most tokens that `drafts` adds to a generating sequence: 0 or 1. */
  readonly drafts: number;
  /**
   * Queues the runs; resolves in their order. Rejects when one of them went wrong, which ends all of them. `drafts`: with
   * multi-token prediction, whose cache has gaps where a token was run without.
   */
  run(form: Phase, runs: readonly ScheduledChunk[], drafts: boolean): Promise<ChunkResult[]>;
  dispose(): void;
}
