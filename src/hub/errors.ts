// The errors of the hub module.

/** A model that cannot be found, chosen or downloaded: `[name] what is wrong; what to do`. */
export class HubError extends Error {
  constructor(where: string, problem: string, remedy: string) {
    super(`[${where}] ${problem}; ${remedy}`);
    this.name = 'HubError';
  }
}

/** An attempt that failed and may succeed if it is repeated. */
export class RetriableError extends Error {
  /** How long the server asks to wait; null where it does not say. */
  readonly waitMs: number | null;

  constructor(problem: string, waitMs: number | null = null) {
    super(problem);
    this.name = 'RetriableError';
    this.waitMs = waitMs;
  }
}
