// Rollouts: many responses to many prompts, from the weights as they are now, with the bits that training will compute.
//
// One runner in trainer form reads the very tensors that the optimizer changes, so nothing is copied between training
// and generation. A new engine for each batch forgets the cache of old weights. Contract: a response depends on its
// prompt, its seed and the weights alone.
import {
  Engine,
  ModelRunner,
  type ResolvedSampling,
  resolveOptions,
  type SamplingOptions,
  type Sequence,
  type SequenceListener,
} from '../engine/index.ts';
import type { Model, PrecisionPolicy } from '../model/index.ts';

export interface RolloutOptions {
  readonly policy: PrecisionPolicy;
  /** Sequences that run at once. */
  readonly maxSequences: number;
  /** Longest prompt and response together. */
  readonly contextLength: number;
  /** Most tokens of a response. */
  readonly maxTokens: number;
  readonly endId: number;
}

export interface Ask {
  readonly prompt: Int32Array;
  readonly seed: number;
}

export interface Rollout {
  readonly prompt: Int32Array;
  /** The end token included, where the response has ended. */
  readonly ids: Int32Array;
  /** Of each id, as the model found it at temperature 1. */
  readonly logprobs: Float32Array;
  /** Whether it ended by itself. */
  readonly isEnded: boolean;
}

const blockTokens = 64;

export class Rollouts {
  readonly #runner: ModelRunner;
  readonly #options: RolloutOptions;
  readonly #blocks: number;
  readonly #vocabSize: number;

  /** `runnerOf`: another way to run the model, for comparison. @default in trainer form */
  constructor(model: Model, options: RolloutOptions, runnerOf?: (blocks: number) => ModelRunner) {
    const { policy, maxSequences, contextLength } = options;
    this.#options = options;
    this.#vocabSize = model.config.vocabSize;
    this.#blocks = (maxSequences + 1) * Math.ceil((contextLength + 1) / blockTokens);
    this.#runner =
      runnerOf?.(this.#blocks) ??
      new ModelRunner(model, { blocks: this.#blocks, policy, speculate: false, form: 'trainer' });
  }

  /** Responses in the order of `asks`. Rejects when the signal aborts; the next call may follow at once. */
  async run(asks: readonly Ask[], sampling: SamplingOptions, signal?: AbortSignal): Promise<Rollout[]> {
    const { maxSequences, contextLength } = this.#options;
    const engine = new Engine(this.#runner, {
      blocks: this.#blocks,
      contextLength,
      maxSequences,
      maxStepTokens: 2048,
      maxWaiting: asks.length,
      maxWaitingTokens: Number.MAX_SAFE_INTEGER,
      prefixCache: false,
    });
    const started: Sequence[] = [];
    const abort = () => {
      for (const sequence of started) engine.abort(sequence);
    };
    signal?.addEventListener('abort', abort);
    try {
      return await Promise.all(asks.map((ask) => this.#one(engine, ask, sampling, started)));
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  dispose(): void {
    this.#runner.dispose();
  }

  #one(engine: Engine, { prompt, seed }: Ask, sampling: SamplingOptions, started: Sequence[]): Promise<Rollout> {
    const { maxTokens, endId, contextLength } = this.#options;
    const ids: number[] = [];
    const logprobs: number[] = [];
    const limits = { vocabSize: this.#vocabSize, room: contextLength - prompt.length };
    const resolved: ResolvedSampling = resolveOptions({ ...sampling, seed }, limits);
    return new Promise((resolve, reject) => {
      const listener: SequenceListener = {
        tokensUntilForced: Number.POSITIVE_INFINITY,
        forcedToken: () => null,
        onPromptLogprobs: () => undefined,
        onToken: ({ id, logprob }) => {
          ids.push(id);
          logprobs.push(logprob);
          return id === endId ? 'stop' : 'continue';
        },
        onEnd: (reason, error) => {
          if (reason === 'error' || reason === 'abort') reject(error ?? new Error('the rollout was stopped'));
          const isEnded = reason === 'stop';
          resolve({ prompt, ids: Int32Array.from(ids), logprobs: Float32Array.from(logprobs), isEnded });
        },
      };
      const options = { sampling: resolved, maxTokens, logprobs: null, promptLogprobs: null };
      started.push(engine.add(prompt, options, listener));
    });
  }
}
