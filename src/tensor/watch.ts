// Seeing every op as it is queued, forward and backward: for finding where a number went wrong.
import type { Tensor } from './tensor.ts';

/** Hears what came out of each op. Tensors live only as long as the op's own: retain with alias(). */
export type OpWatcher = (op: string, outputs: readonly (Tensor | null | false)[]) => void;

let watcher: OpWatcher | null = null;

/** For apply and Tape. */
export function tellWatcher(op: string, outputs: readonly (Tensor | null | false)[]): void {
  if (watcher !== null) watcher(op, outputs);
}

/** Runs `body`; `hear` is called after each of its ops. */
export function watchOps<T>(hear: OpWatcher, body: () => T): T {
  const before = watcher;
  watcher = hear;
  try {
    return body();
  } finally {
    watcher = before;
  }
}
