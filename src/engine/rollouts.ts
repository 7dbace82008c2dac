// Rollouts: responses from the weights as they are now, with the bits that training will compute.
//
// A runner over HeadPages reads a packed copy of the weights that the optimizer changes (PackedCopy), whose products
// have the bits of training. It is renewed, and the prompts in the cache are forgotten, when a response is asked for
// while none is generated and a weight has changed. A prompt that several responses share is computed once. Contract: a
// response depends on its prompt, its options and the weights alone, not on what else is generated at the same time.
import { setMaxListeners } from 'node:events';
import { blockTokens, OutOfMemoryError } from '../kernels/index.ts';
import { type Model, PackedCopy, type PrecisionPolicy, type SequenceFlops, sequenceFlops } from '../model/index.ts';
import { Engine } from './engine.ts';
import type { SamplingOptions } from './generation.ts';
import { ModelRunner } from './model-runner.ts';
import { HeadPages, type PagedCache } from './paged-cache.ts';
import { resolveOptions } from './sampling-options.ts';
import type { Sequence, SequenceListener } from './sequence.ts';

export interface RolloutOptions {
  readonly policy: PrecisionPolicy;
  /** The number of sequences that run at once; others wait. */
  readonly maxSequences: number;
  /** Maximum tokens of a prompt with its response. */
  readonly contextLength: number;
  /** Tokens for which the cache has room in each sequence; longer ones use that of others. @default contextLength */
  readonly cacheLength?: number;
  readonly endId: number;
  /** The temperature of the policy that is trained: log-probabilities are taken at it. @default 1 */
  readonly temperature?: number;
  /** Ids that are never generated (unused-ids.ts); log-probabilities count them. @default none */
  readonly banned?: Int32Array;
}

export interface RolloutSampling extends SamplingOptions {
  readonly maxTokens: number;
}

export interface Rollout {
  readonly prompt: Int32Array;
  /** Generated ids, with the end token where the response has one. */
  readonly ids: Int32Array;
  /** The log-probability of each id at the temperature of the rollouts, in nats. */
  readonly logprobs: Float32Array;
  /** Whether the response ended with the end token. */
  readonly isEnded: boolean;
}

/** Opens a cache. Throws OutOfMemoryError with what makes it smaller. */
function openWithin(open: () => PagedCache, sizes: string): PagedCache {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    throw new OutOfMemoryError(
      'rollouts',
      `no memory for the cache of ${sizes}`,
      'lower parallel or maxTokens, choose a smaller model, or raise MINKE_MEMORY (MiB)',
    );
  }
}

/** What rollouts have computed: FLOPs of rows that were not in the cache, and tokens generated. */
export interface RolloutWork {
  readonly flops: number;
  readonly generated: number;
}

export class Rollouts {
  readonly #copy: PackedCopy;
  readonly #runner: ModelRunner;
  readonly #engine: Engine;
  readonly #options: RolloutOptions;
  readonly #vocabSize: number;
  readonly #flops: SequenceFlops;
  #work: RolloutWork = { flops: 0, generated: 0 };
  #running = 0;

  /** `openCache`: another cache, for comparison. @default HeadPages, which give the bits of training */
  constructor(
    model: Model,
    options: RolloutOptions,
    openCache: (blocks: number) => PagedCache = (blocks) =>
      new HeadPages(model.config, blocks, options.policy.attention),
  ) {
    const { policy, maxSequences, contextLength, temperature: logprobTemperature } = options;
    const blocksFor = (tokens: number) => Math.ceil((tokens + 1) / blockTokens);
    const each = blocksFor(Math.min(contextLength, options.cacheLength ?? contextLength));
    const blocks = Math.max((maxSequences + 1) * each, blocksFor(contextLength));
    this.#options = options;
    this.#flops = sequenceFlops(model.config);
    this.#vocabSize = model.config.vocabSize;
    this.#copy = new PackedCopy(model, policy);
    this.#runner = new ModelRunner(this.#copy.model, {
      cache: openWithin(() => openCache(blocks), `${maxSequences} sequences of ${each * blockTokens} tokens`),
      policy,
      speculate: false,
      logprobTemperature,
      banned: options.banned,
    });
    this.#engine = new Engine(this.#runner, {
      blocks,
      contextLength,
      maxSequences,
      maxStepTokens: 2048,
      maxWaiting: Number.MAX_SAFE_INTEGER,
      maxWaitingTokens: Number.MAX_SAFE_INTEGER,
    });
  }

  /** What all responses so far took, also those that were stopped. */
  get work(): RolloutWork {
    return this.#work;
  }

  /** Generates one response from the weights as they are when the first of those that run together is asked for. */
  generate(prompt: Int32Array, options: RolloutSampling, signal?: AbortSignal): Promise<Rollout> {
    const { endId, contextLength } = this.#options;
    const { maxTokens, ...choice } = options;
    const sampling = resolveOptions(choice, { vocabSize: this.#vocabSize, room: contextLength - prompt.length });
    const ids: number[] = [];
    const logprobs: number[] = [];
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#running === 0 && this.#copy.renew()) this.#engine.forgetPrefixes();
      if (signal) setMaxListeners(0, signal); // all rollouts of a batch listen to it
      const abort = () => this.#engine.abort(sequence);
      const listener: SequenceListener = {
        tokensUntilForced: Number.POSITIVE_INFINITY,
        constraint: null,
        forcedToken: () => null,
        onPromptLogprobs: () => undefined,
        onToken: ({ id, logprob }) => {
          ids.push(id);
          logprobs.push(logprob);
          return id === endId ? 'stop' : 'continue';
        },
        onEnd: (reason, error) => {
          signal?.removeEventListener('abort', abort);
          this.#running--;
          this.#count(sequence);
          if (reason === 'error' || reason === 'abort') reject(error ?? new Error('the rollout was stopped'));
          const isEnded = reason === 'stop';
          resolve({ prompt, ids: Int32Array.from(ids), logprobs: Float32Array.from(logprobs), isEnded });
        },
      };
      const sequence = this.#engine.add(
        prompt,
        { sampling, maxTokens, logprobs: null, promptLogprobs: null },
        listener,
      );
      this.#running++;
      signal?.addEventListener('abort', abort);
    });
  }

  #count({ length, outputLength, cachedTokens }: Sequence): void {
    if (outputLength === 0) return; // it ended before it began
    const flops = this.#flops.forward(length - 1, cachedTokens); // the last token is not read
    this.#work = { flops: this.#work.flops + flops, generated: this.#work.generated + outputLength };
  }

  dispose(): void {
    this.#runner.dispose();
    this.#copy.dispose();
  }
}
