// How patient downloads are with a server.

/** How long to wait, and how often to try again. */
export interface Patience {
  /** A connection that gives nothing for so long is dropped. */
  readonly idleMs: number;
  /** The wait before the first repetition; it doubles. */
  readonly backoffMs: number;
  /** Attempts in a row of which none brought anything. */
  readonly attempts: number;
  /** The longest wait that a server may ask for. */
  readonly maxWaitMs: number;
}

export const defaultPatience: Patience = { idleMs: 30_000, backoffMs: 500, attempts: 6, maxWaitMs: 120_000 };
