// A time limit on synchronous work: regular expressions and templates of strangers, which may never return.
//
// V8 checks the limit in loops, in calls, while a regular expression backtracks, and while JSON is written. The work
// must be a function of its arguments: it is cut off anywhere, so what it was changing is left half changed.
import { Script } from 'node:vm';

/** Thrown when the work took longer than allowed. */
export class TimeLimitError extends Error {
  constructor(limitMs: number) {
    super(`it took longer than ${(limitMs / 1000).toFixed(1)} s`);
    this.name = 'TimeLimitError';
  }
}

/** The work in progress, where the script finds it. */
const slot = Symbol.for('minke.work');
const script = new Script(`globalThis[Symbol.for('minke.work')]()`);
const holder = globalThis as unknown as Record<symbol, (() => void) | undefined>;

/** Returns what `work` returns. Throws TimeLimitError after `limitMs` milliseconds. Costs about 40 microseconds. */
export function runWithin<T>(limitMs: number, work: () => T): T {
  const results: T[] = [];
  const outer = holder[slot];
  holder[slot] = () => {
    results.push(work());
  };
  try {
    script.runInThisContext({ timeout: Math.ceil(limitMs) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    throw new TimeLimitError(limitMs);
  } finally {
    holder[slot] = outer;
  }
  return results[0] as T;
}
