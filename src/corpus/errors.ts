// The error of the corpus module.

/** A file, a corpus or a dataset that cannot be used: `[source] what is wrong; what to do`. */
export class CorpusError extends Error {
  constructor(source: string, problem: string, remedy: string) {
    super(`[${source}] ${problem}; ${remedy}`);
    this.name = 'CorpusError';
  }
}
