// What a device has taken from the system: large blocks, within a budget that all of its memory shares.
import { OutOfMemoryError } from './errors.ts';

export interface Reserver {
  /** Returns the 64-byte aligned address of at least `bytes` bytes, or 0 when there is no memory. */
  reserve(bytes: number): number;
  release(address: number): void;
  /** Whether reserved memory is zeros, which the system makes when it is first touched. */
  readonly givesZeros: boolean;
}

/** The bytes that a device may reserve. */
export class MemoryBudget {
  readonly limit: number;
  readonly #reclaim: () => void;
  #used = 0;

  /** `reclaim` gives unused reservations back when the limit is reached. */
  constructor(limit: number, reclaim: () => void) {
    this.limit = limit;
    this.#reclaim = reclaim;
  }

  get used(): number {
    return this.#used;
  }

  take(bytes: number): boolean {
    if (this.#used + bytes > this.limit) this.#reclaim();
    if (this.#used + bytes > this.limit) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}

export class Reservations {
  readonly #reserver: Reserver;
  readonly #budget: MemoryBudget;
  readonly #bytes = new Map<number, number>(); // by address
  #total = 0;

  constructor(reserver: Reserver, budget: MemoryBudget) {
    this.#reserver = reserver;
    this.#budget = budget;
  }

  /** Bytes of all of them. */
  get bytes(): number {
    return this.#total;
  }

  get giveZeros(): boolean {
    return this.#reserver.givesZeros;
  }

  /** Returns the address of a block. Throws OutOfMemoryError in the name of `op`. */
  reserve(bytes: number, op: string): number {
    const isWithin = this.#budget.take(bytes);
    const address = isWithin ? this.#reserver.reserve(bytes) : 0;
    if (address === 0) {
      if (isWithin) this.#budget.give(bytes);
      const mib = (n: number) => `${(n / 2 ** 20).toFixed(1)} MiB`;
      throw new OutOfMemoryError(
        op,
        `no memory for ${mib(bytes)}: ${mib(this.#budget.used)} of ${mib(this.#budget.limit)} are reserved`,
        'use a smaller batch or model, free tensors sooner (scope), or raise MINKE_MEMORY (MiB)',
      );
    }
    this.#bytes.set(address, bytes);
    this.#total += bytes;
    return address;
  }

  /** Only while no command that is in flight touches the block. */
  release(address: number): void {
    const bytes = this.#bytes.get(address);
    if (bytes === undefined) return;
    this.#bytes.delete(address);
    this.#total -= bytes;
    this.#budget.give(bytes);
    this.#reserver.release(address);
  }

  releaseAll(): void {
    for (const address of [...this.#bytes.keys()]) this.release(address);
  }
}
