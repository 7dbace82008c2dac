// Generation requests in progress: how many there may be, and how they end when the server closes.
//
// Each of them has a lease. Its signal aborts when the client leaves, when the client stalls, or when the grace period
// of a closing server is over. Releasing the lease frees its slot.
import { setMaxListeners } from 'node:events';
import { ApiError } from './errors.ts';

export interface Lease {
  /** The signal for generate(). */
  readonly signal: AbortSignal;
  /** Ends the generation. `closing`: the server shuts down, and the client gets an error that says so. */
  abort(reason: 'client' | 'stalled' | 'closing'): void;
  release(): void;
}

export class LiveRequests {
  readonly #limit: number;
  readonly #leases = new Set<Lease>();
  #closing = false;
  #whenEmpty: (() => void) | null = null;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#leases.size;
  }

  /** Throws ApiError 429 or 503 when there is no free slot. */
  checkCapacity(): void {
    if (this.#closing) throw new ApiError(503, 'the server is shutting down: try again later, or use another server');
    if (this.#leases.size >= this.#limit)
      throw new ApiError(429, `${this.#limit} requests are in progress: try again in a second`, {
        code: 'queue_full',
      });
  }

  /** Takes a slot. Throws ApiError 429 or 503 when there is none. */
  acquire(client: AbortSignal): Lease {
    this.checkCapacity();
    const controller = new AbortController();
    setMaxListeners(0, controller.signal); // every choice of a request listens
    const onLeave = () => controller.abort('client');
    const lease: Lease = {
      signal: controller.signal,
      abort: (reason) => controller.abort(reason),
      release: () => {
        client.removeEventListener('abort', onLeave);
        if (this.#leases.delete(lease) && this.#leases.size === 0) this.#whenEmpty?.();
      },
    };
    this.#leases.add(lease);
    if (client.aborted) onLeave();
    else client.addEventListener('abort', onLeave, { once: true });
    return lease;
  }

  /**
   * Refuses new requests, waits at most `graceMs` for those in progress, then aborts the rest. Their clients have
   * `noticeMs` to read the error.
   */
  async close(graceMs: number, noticeMs: number): Promise<void> {
    this.#closing = true;
    if (this.#leases.size === 0) return;
    await new Promise<void>((resolve) => {
      let timer = setTimeout(() => {
        for (const lease of this.#leases) lease.abort('closing');
        timer = setTimeout(resolve, noticeMs);
      }, graceMs);
      this.#whenEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
