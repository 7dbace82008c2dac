// Pauses in long work on texts, so that timers and signals are answered meanwhile.
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Milliseconds between two pauses. */
const period = 50;

/** Returns a function to be awaited between pieces of work. It rejects with the signal's reason once that aborts. */
export function pauses(signal?: AbortSignal): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last >= period) {
      await nextTurn();
      last = performance.now();
    }
    signal?.throwIfAborted();
  };
}
