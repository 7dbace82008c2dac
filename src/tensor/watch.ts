// Seeing every op as it is queued, forward and backward: for finding where a number went wrong.
import type { Tensor } from './tensor.ts';

/** Hears what came out of each op. Tensors live only as long as the op's own: retain with alias(). */
export type OpWatcher = (op: string, outputs: readonly (Tensor | null | false)[]) => void;

/** Who hears of something while a body runs: one at a time, the innermost. */
export class Watched<Event extends readonly unknown[]> {
  #hear: ((...event: Event) => void) | null = null;

  tell(...event: Event): void {
    this.#hear?.(...event);
  }

  /** Runs `body`, of which `hear` is told. */
  during<T>(hear: (...event: Event) => void, body: () => T): T {
    const before = this.#hear;
    this.#hear = hear;
    try {
      return body();
    } finally {
      this.#hear = before;
    }
  }
}

const ops = new Watched<Parameters<OpWatcher>>();

/** For apply and Tape. */
export const tellWatcher: OpWatcher = (op, outputs) => ops.tell(op, outputs);

/** Runs `body`; `hear` is called after each of its ops. */
export function watchOps<T>(hear: OpWatcher, body: () => T): T {
  return ops.during(hear, body);
}
