// Rollouts of the model in training over a cache for the present budget of tokens. When the budget grows, a larger
// cache takes its place: the same bits, because a response depends on its prompt, its seed and the weights alone.
import { type RolloutOptions, Rollouts, type RolloutWork } from '../engine/index.ts';
import { type Answerer, type RolloutAnswer, rolloutAnswerer } from '../eval/index.ts';
import type { Model } from '../model/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';

export class PolicyRollouts {
  readonly #model: Model;
  readonly #tokenizer: Tokenizer;
  readonly #options: Omit<RolloutOptions, 'cacheLength'>;
  /** The length of a long prompt. */
  readonly promptTokens: number;
  #budget: number;
  #rollouts: Rollouts;
  #answer: Answerer<RolloutAnswer>;
  /** What was computed over caches that larger ones replaced. */
  #before: RolloutWork = { flops: 0, generated: 0 };

  /** `budget`: the maximum number of tokens of a response. */
  constructor(
    model: Model,
    tokenizer: Tokenizer,
    options: Omit<RolloutOptions, 'cacheLength'>,
    { promptTokens, budget }: { readonly promptTokens: number; readonly budget: number },
  ) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#options = options;
    this.promptTokens = promptTokens;
    this.#budget = budget;
    this.#rollouts = this.#open();
    this.#answer = rolloutAnswerer(this.#rollouts, tokenizer);
  }

  readonly answer: Answerer<RolloutAnswer> = (...request) => this.#answer(...request);

  get work(): RolloutWork {
    const { flops, generated } = this.#rollouts.work;
    return { flops: this.#before.flops + flops, generated: this.#before.generated + generated };
  }

  /** Makes room for longer responses. Only while none is generated. */
  resize(budget: number): void {
    if (budget === this.#budget) return;
    this.#before = this.work;
    this.#rollouts.dispose();
    this.#budget = budget;
    this.#rollouts = this.#open();
    this.#answer = rolloutAnswerer(this.#rollouts, this.#tokenizer);
  }

  dispose(): void {
    this.#rollouts.dispose();
  }

  #open(): Rollouts {
    return new Rollouts(this.#model, { ...this.#options, cacheLength: this.promptTokens + this.#budget });
  }
}
