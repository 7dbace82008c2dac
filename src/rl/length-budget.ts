// How long a response may be: the budget grows from `maxTokens` to `maxTokensLimit` where responses are cut off.
//
// Short responses are cheap, and a model that reasons makes them longer by itself (DeepScaleR: 8K, then 16K and 24K as
// truncation rose). The budget grows by half, to a whole block of the cache, when more than `maxTruncated` of the
// responses of the last five steps were cut off. Contract: budget and shares are the trainer's state.
import { blockTokens } from '../kernels/index.ts';
import { mean } from '../math/index.ts';
import type { RlConfig } from './rl-recipe.ts';

/** Steps at one budget before it may grow. */
const window = 5;
const factor = 1.5;

export interface LengthBudgetState {
  readonly maxTokens: number;
  /** The shares that were cut off in the last steps at this budget. */
  readonly truncated: readonly number[];
}

export class LengthBudget {
  readonly #limit: number;
  readonly #maxTruncated: number;
  #state: LengthBudgetState;

  constructor(
    { maxTokens, maxTokensLimit = maxTokens, maxTruncated }: RlConfig,
    state: LengthBudgetState = { maxTokens, truncated: [] },
  ) {
    this.#limit = maxTokensLimit;
    this.#maxTruncated = maxTruncated;
    this.#state = state;
  }

  get maxTokens(): number {
    return this.#state.maxTokens;
  }

  get state(): LengthBudgetState {
    return this.#state;
  }

  /** Takes the share of a step's responses that was cut off. Returns the mean share where the budget has grown. */
  see(share: number): number | null {
    const { maxTokens } = this.#state;
    const truncated = [...this.#state.truncated, share].slice(-window);
    const average = mean(truncated);
    const grows = maxTokens < this.#limit && truncated.length === window && average > this.#maxTruncated;
    const grown = blockTokens * Math.ceil((factor * maxTokens) / blockTokens);
    this.#state = grows ? { maxTokens: Math.min(this.#limit, grown), truncated: [] } : { maxTokens, truncated };
    return grows ? average : null;
  }
}
