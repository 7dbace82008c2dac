// Requests that are being answered: how many may be at once, and how all of them end when the server does.
//
// Every request that generates holds a lease. Its signal aborts when the client leaves, when its reader stalls, or when
// the server's grace is over; giving it back frees the place.
import { ApiError } from './errors.ts';

export interface Lease {
  /** For generate(). */
  readonly signal: AbortSignal;
  /** Ends the generation. `closing`: the server does, and the client has to be told. */
  abort(reason: 'client' | 'stalled' | 'closing'): void;
  release(): void;
}

export class LiveRequests {
  readonly #most: number;
  readonly #leases = new Set<Lease>();
  #closing = false;
  #whenEmpty: (() => void) | null = null;

  constructor(most: number) {
    this.#most = most;
  }

  get count(): number {
    return this.#leases.size;
  }

  /** Whether there is a place now. Throws ApiError 429 or 503. */
  checkCapacity(): void {
    if (this.#closing) throw new ApiError(503, 'the server is shutting down: ask again later, or another one');
    if (this.#leases.size >= this.#most)
      throw new ApiError(429, `${this.#most} requests are being answered: ask again in a second`, {
        code: 'queue_full',
      });
  }

  /** Takes a place. Throws ApiError 429 or 503. */
  acquire(client: AbortSignal): Lease {
    this.checkCapacity();
    const controller = new AbortController();
    const left = () => controller.abort('client');
    const lease: Lease = {
      signal: controller.signal,
      abort: (reason) => controller.abort(reason),
      release: () => {
        client.removeEventListener('abort', left);
        if (this.#leases.delete(lease) && this.#leases.size === 0) this.#whenEmpty?.();
      },
    };
    this.#leases.add(lease);
    if (client.aborted) left();
    else client.addEventListener('abort', left, { once: true });
    return lease;
  }

  /**
   * Takes no more; waits until all have ended, at most `graceMs`, then aborts the rest. Their clients have `lastWordsMs`
   * to read that they were; who reads nothing is not waited for.
   */
  async close(graceMs: number, lastWordsMs: number): Promise<void> {
    this.#closing = true;
    if (this.#leases.size === 0) return;
    await new Promise<void>((resolve) => {
      let timer = setTimeout(() => {
        for (const lease of this.#leases) lease.abort('closing');
        timer = setTimeout(resolve, lastWordsMs);
      }, graceMs);
      this.#whenEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
