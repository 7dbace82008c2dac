// Errors of the data room, which imports no room that has others.

/** A file, a corpus or a dataset that cannot be used: `[source] what is wrong; what to do`. */
export class DataError extends Error {
  constructor(source: string, problem: string, remedy: string) {
    super(`[${source}] ${problem}; ${remedy}`);
    this.name = 'DataError';
  }
}
