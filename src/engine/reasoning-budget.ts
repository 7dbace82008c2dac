// A limit on thinking: after this number of tokens the closing tag is forced, one token after another.
//
// Contract: before a token is sampled the engine calls forcedToken(); afterwards onToken() learns whether the text is
// now inside the thinking. Tokens of the tags do not count. Thinking that ends by itself costs nothing.

export class ReasoningBudget {
  readonly #limit: number;
  readonly #closing: readonly number[];
  #thinking: boolean;
  /** Tokens of the current thinking. */
  #count = 0;
  /** The index in `#closing` of the next forced token; -1 while none is forced. */
  #forcing = -1;

  /** `limit`: null for no limit. `startsThinking`: whether the prompt ends inside the thinking. */
  constructor(limit: number | null, closing: readonly number[], startsThinking: boolean) {
    this.#limit = limit ?? Infinity;
    this.#closing = closing;
    this.#thinking = startsThinking;
    if (startsThinking) this.#check();
  }

  /** Returns the id that must come next, or null when the model chooses. */
  forcedToken(): number | null {
    return this.#forcing < 0 ? null : this.#closing[this.#forcing];
  }

  /** The number of tokens that the model may still choose before one is forced; drafts must not go beyond. */
  get tokensUntilForced(): number {
    if (this.#forcing >= 0) return 0;
    return this.#thinking ? this.#limit - this.#count : this.#limit + 1;
  }

  /** Counts a token; `thinking`: whether the text after it is inside the thinking. */
  onToken(thinking: boolean): void {
    if (this.#forcing >= 0) {
      if (++this.#forcing === this.#closing.length) {
        this.#forcing = -1;
        this.#thinking = thinking;
      }
      return;
    }
    this.#count = thinking && this.#thinking ? this.#count + 1 : 0;
    this.#thinking = thinking;
    if (thinking) this.#check();
  }

  #check(): void {
    if (this.#count >= this.#limit && this.#closing.length > 0) this.#forcing = 0;
  }
}
