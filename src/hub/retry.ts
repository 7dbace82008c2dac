// Repeats what a network or a busy server interrupted, with waits that double, or as long as the server asks for.
import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '../math/index.ts';
import { HubError, RetriableError } from './errors.ts';
import type { Patience } from './patience.ts';

/** Milliseconds of a Retry-After header: seconds, or a date. Null where there is none. */
export function retryAfterMs(header: string | undefined, now = Date.now()): number | null {
  if (header === undefined) return null;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? 1000 * seconds : Date.parse(header) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : null;
}

export interface RetryOptions {
  /** What is asked for, for the error. */
  readonly where: string;
  readonly remedy: string;
  readonly patience: Patience;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Repeats an attempt while it throws RetriableError. An attempt that brought something calls `progressed`, and the
 * count begins anew. Throws HubError where the patience ends.
 */
export async function withRetries<T>(
  attempt: (progressed: () => void) => Promise<T>,
  { where, remedy, patience, signal }: RetryOptions,
): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      return await attempt(() => {
        failures = 0;
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof RetriableError)) throw error;
      if (++failures >= patience.attempts) throw new HubError(where, error.message, remedy);
      const wait = error.waitMs ?? patience.backoffMs * 2 ** (failures - 1);
      if (wait > patience.maxWaitMs)
        throw new HubError(where, `${error.message}, and asks to wait ${formatDuration(wait / 1000)}`, remedy);
      await sleep(wait, undefined, signal ? { signal } : {});
    }
  }
}
