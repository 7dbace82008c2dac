// A runner that keeps tokens where a model keeps rows, and reads all of them back; and the requests of tests.
//
// It has its own clock, so that a test decides what drafts cost.
import { blockTokens } from '../kernels/index.ts';
import { Engine, type EngineOptions } from './engine.ts';
import type { GeneratedToken } from './generation.ts';
import type { BlockCopy, ChunkResult, Phase, Runner, ScheduledChunk } from './runner.ts';
import { Sequence, type SequenceOptions, type TokenDecision } from './sequence.ts';

const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, presencePenalty: 0, frequencyPenalty: 0 };
export const defaults: SequenceOptions = {
  sampling: { ...sampling, repetitionPenalty: 1, seed: 0, logitBias: new Map(), minTokens: 0, endIds: [] },
  maxTokens: 20,
  logprobs: null,
  promptLogprobs: null,
};

function nextToken(tokens: ArrayLike<number>): number {
  let hash = 17;
  for (let i = 0; i < tokens.length; i++) hash = Math.imul(hash ^ tokens[i], 0x01000193) >>> 0;
  return hash % 1000;
}

export interface TokenRunnerOptions {
  /** Awaited in every step. */
  readonly gate?: () => Promise<void>;
  /** Whether the draft after `length` tokens is correct. @default two of three are */
  readonly isRight?: (length: number) => boolean;
  /** The cost of a step of `count` sequences with drafts, in plain steps. @default 1 */
  readonly cost?: (count: number) => number;
  /** @default false */
  readonly phasesAgree?: boolean;
  /** How many tokens the next one is a hash of. @default all */
  readonly window?: number;
}

/** The next token is a hash of all before it, which it reads from the blocks: a wrong block gives a wrong token. */
export class TokenRunner implements Runner {
  readonly maxDrafts: number;
  readonly phasesAgree: boolean;
  readonly window: number | null;
  readonly #memory: Int32Array;
  readonly #options: TokenRunnerOptions;
  steps = 0;
  largest = 0;
  /** Tokens that ran, of prompts and answers. */
  rows = 0;
  /** The time of all steps, as it would be on a model. */
  time = 0;

  constructor(blocks: number, maxDrafts = 0, options: TokenRunnerOptions = {}) {
    this.maxDrafts = maxDrafts;
    this.phasesAgree = options.phasesAgree ?? false;
    this.window = options.window ?? null;
    this.#memory = new Int32Array(blocks * blockTokens).fill(-1);
    this.#options = options;
  }

  copyBlocks(copies: readonly BlockCopy[]): void {
    for (const { from, to } of copies)
      this.#memory.copyWithin(to * blockTokens, from * blockTokens, (from + 1) * blockTokens);
  }

  async run(_: Phase, chunks: readonly ScheduledChunk[], drafts: boolean): Promise<ChunkResult[]> {
    this.steps++;
    this.largest = Math.max(this.largest, chunks.length);
    for (const { ids } of chunks) this.rows += ids.length;
    const results = chunks.map((chunk) => this.#runChunk(chunk, drafts));
    await (this.#options.gate?.() ?? Promise.resolve());
    const verifies = chunks.some(({ ids }) => ids.length > 1);
    this.time += verifies ? (this.#options.cost?.(chunks.length) ?? 1) : 1;
    return results;
  }

  #runChunk({ sequence, from, ids, sampleFrom }: ScheduledChunk, hasDrafts: boolean): ChunkResult {
    const at = (p: number) => sequence.blocks[Math.floor(p / blockTokens)] * blockTokens + (p % blockTokens);
    ids.forEach((id, i) => {
      this.#memory[at(from + i)] = id;
    });
    const sampled: GeneratedToken[] = [];
    const drafts: number[] = [];
    for (let row = sampleFrom; row < ids.length; row++) {
      const length = from + row + 1;
      const first = Math.max(0, length - (this.window ?? length));
      const seen = Array.from({ length: length - first }, (_, i) => this.#memory[at(first + i)]);
      const id = nextToken(seen);
      sampled.push({ id, logprob: 0, top: [] });
      const right = nextToken([...seen, id].slice(-(this.window ?? length + 1)));
      const isCorrect = this.#options.isRight?.(length) ?? length % 3 !== 0;
      if (hasDrafts) drafts.push(isCorrect ? right : right + 1);
    }
    return { sampled, drafts, promptLogprobs: [] };
  }

  dispose(): void {}
}

interface Outcome {
  readonly tokens: number[];
  reason: string;
  error?: Error | undefined;
}

export function ask(engine: Engine, prompt: readonly number[], options: Partial<SequenceOptions> = {}, stopAt = -1) {
  const outcome: Outcome = { tokens: [], reason: '' };
  let done = () => {};
  const ended = new Promise<void>((resolve) => {
    done = resolve;
  });
  const sequence: Sequence = engine.add(
    prompt,
    { ...defaults, ...options },
    {
      onToken: ({ id }): TokenDecision => {
        outcome.tokens.push(id);
        return outcome.tokens.length === stopAt ? 'stop' : 'continue';
      },
      constraint: null,
      forcedToken: () => null,
      tokensUntilForced: Number.POSITIVE_INFINITY,
      onPromptLogprobs: () => undefined,
      onEnd: (reason, error) => {
        Object.assign(outcome, { reason, error });
        done();
      },
    },
  );
  return { sequence, outcome, ended };
}

/** Makes a sequence that no engine runs. */
export function createSequence(prompt: readonly number[]): Sequence {
  return new Sequence(1, prompt, defaults, {
    constraint: null,
    onToken: () => 'continue',
    forcedToken: () => null,
    tokensUntilForced: Number.POSITIVE_INFINITY,
    onPromptLogprobs: () => undefined,
    onEnd: () => undefined,
  });
}

export function expected(prompt: readonly number[], count: number, window = Number.POSITIVE_INFINITY): number[] {
  const tokens = [...prompt];
  while (tokens.length < prompt.length + count) tokens.push(nextToken(tokens.slice(-window)));
  return tokens.slice(prompt.length);
}

export function openTestEngine(runner: TokenRunner, options: Partial<EngineOptions> = {}): Engine {
  return new Engine(runner, { blocks: 64, contextLength: 64 * blockTokens, clock: () => runner.time, ...options });
}
