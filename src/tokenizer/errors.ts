// The error of the tokenizer module.

/** A tokenizer file, template or text that cannot be used: `[source] what is wrong; what to do`. */
export class TokenizerError extends Error {
  constructor(source: string, problem: string, remedy: string) {
    super(`[${source}] ${problem}; ${remedy}`);
    this.name = 'TokenizerError';
  }
}
