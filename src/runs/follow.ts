// A live run, followed: its events as they are appended, until nobody is at work on it any more.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lines, linesFrom } from './event-lines.ts';

export interface FollowOptions {
  /** Whether somebody may still append. */
  readonly isLive: () => boolean;
  readonly signal: AbortSignal;
  /** Between two looks at the file. @default 200 */
  readonly pollMs?: number;
}

const batchBytes = 256 * 1024;

/**
 * Batches of whole lines from `offset` on. Ends when the run has ended and all of it was given, when the file became
 * shorter than what was read (it is another run's now), or with the signal.
 */
export async function* follow(
  path: string,
  offset: number,
  { isLive, signal, pollMs = 200 }: FollowOptions,
): AsyncGenerator<Lines, void, undefined> {
  for (let at = offset; ; ) {
    const wasLive = isLive(); // before reading: what was written until then is in the file
    const batch = await linesFrom(path, at, batchBytes);
    if (batch.lines.length > 0) {
      at = batch.next;
      yield batch;
      continue;
    }
    if (!wasLive || signal.aborted) return;
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}
