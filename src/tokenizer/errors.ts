// The error of the tokenizer module.

/** A tokenizer file, template or text that cannot be used: `[source] what is wrong; what to do`. */
export class TokenizerError extends Error {
  /** The message for strangers: with the name of the file, but without its folder. */
  readonly publicMessage: string;

  constructor(source: string, problem: string, remedy: string) {
    super(`[${source}] ${problem}; ${remedy}`);
    this.name = 'TokenizerError';
    this.publicMessage = `[${source.replace(/^.*[/\\]/s, '')}] ${problem}; ${remedy}`;
  }
}

/** Returns the error of a file that breaks its own format. */
export const malformed = (source: string, problem: string) =>
  new TokenizerError(source, problem, 'fetch the file again');

/** Returns the error of a file that asks for what this program does not do. */
export const unsupported = (source: string, problem: string) =>
  new TokenizerError(source, problem, 'use a model with another tokenizer, or report it with the file');
