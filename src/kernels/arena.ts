// Device memory in size classes over large reservations.
//
// Contract: a freed address may be reused at once. This is right for memory that only queued commands touch, because
// commands run in order. Memory that the host writes directly comes from an arena of its own, whose blocks the device
// frees when the command list that reads them is done. Left out: compaction.
import { OutOfMemoryError } from './errors.ts';

export interface Reserver {
  /** Returns the 64-byte aligned address of at least `bytes` bytes, or 0 when there is no memory. */
  reserve(bytes: number): number;
  release(address: number): void;
  /** Whether reserved memory is zeros, which the system makes when it is first touched. */
  readonly givesZeros: boolean;
}

const chunkBytes = 32 * 2 ** 20;
const largeBytes = chunkBytes / 4;

/**
 * Rounds up to one of eight classes an octave, at least 64 bytes, so that at most 12.5 % is lost; large blocks, such as
 * weights and moments, to one of 64, so that at most 1.6 % is.
 */
function sizeClass(bytes: number): number {
  if (bytes <= 512) return Math.max(64, Math.ceil(bytes / 64) * 64);
  const step = 2 ** (Math.floor(Math.log2(bytes - 1)) - (bytes > largeBytes ? 6 : 3));
  return Math.ceil(bytes / step) * step;
}

export class Arena {
  readonly #reserver: Reserver;
  readonly #budget: MemoryBudget;
  readonly #exact: boolean;
  readonly #free = new Map<number, number[]>();
  readonly #reservations = new Map<number, number>(); // address -> bytes
  #chunk = 0;
  #chunkLeft = 0;
  #live = 0;
  #graveyard: number[] = [];

  /** With `exact` every block is its own reservation, so that AddressSanitizer sees each buffer's end. */
  constructor(reserver: Reserver, budget: MemoryBudget, exact = false) {
    this.#reserver = reserver;
    this.#budget = budget;
    this.#exact = exact;
  }

  /** Bytes handed out and not yet freed, rounded to their classes. */
  get liveBytes(): number {
    return this.#live;
  }

  alloc(bytes: number, op: string): number {
    const size = this.#exact ? Math.max(1, bytes) : sizeClass(bytes);
    const address = this.#exact ? this.#reserve(size, op) : (this.#free.get(size)?.pop() ?? this.#carve(size, op));
    this.#live += size;
    return address;
  }

  /** Zeros: from the system, so that a large block costs only the pages that are touched; else by `clear`. */
  allocZeros(bytes: number, op: string, clear: (address: number) => void): number {
    const size = this.#exact ? bytes : sizeClass(bytes);
    const isFresh = this.#reserver.givesZeros && size >= largeBytes && !this.#free.get(size)?.length;
    const address = this.alloc(bytes, op);
    if (!isFresh) clear(address);
    return address;
  }

  free(address: number, bytes: number): void {
    const size = this.#exact ? Math.max(1, bytes) : sizeClass(bytes);
    this.#live -= size;
    if (this.#exact) {
      this.#graveyard.push(address);
      return;
    }
    const list = this.#free.get(size);
    if (list) list.push(address);
    else this.#free.set(size, [address]);
  }

  /** Gives large unused blocks back. Only while no command is in flight. */
  trim(): void {
    for (const address of this.#graveyard.splice(0)) this.#release(address);
    for (const [size, list] of this.#free) {
      if (size < largeBytes) continue;
      for (const address of list) this.#release(address);
      this.#free.delete(size);
    }
  }

  /** Gives everything back, live or not. Only while no command is in flight. */
  dispose(): void {
    for (const address of [...this.#reservations.keys()]) this.#release(address);
    this.#graveyard = [];
    this.#free.clear();
    this.#chunk = this.#chunkLeft = this.#live = 0;
  }

  #carve(size: number, op: string): number {
    if (size >= largeBytes) return this.#reserve(size, op);
    if (size > this.#chunkLeft) {
      this.#chunk = this.#reserve(chunkBytes, op);
      this.#chunkLeft = chunkBytes;
    }
    const address = this.#chunk;
    this.#chunk += size;
    this.#chunkLeft -= size;
    return address;
  }

  #reserve(bytes: number, op: string): number {
    const address = this.#budget.take(bytes) ? this.#reserver.reserve(bytes) : 0;
    if (address === 0) {
      const mib = (n: number) => `${(n / 2 ** 20).toFixed(1)} MiB`;
      throw new OutOfMemoryError(
        op,
        `no memory for ${mib(bytes)}: ${mib(this.#budget.used)} of ${mib(this.#budget.limit)} are reserved`,
        'use a smaller batch or model, free tensors sooner (scope), or raise MINKE_MEMORY (MiB)',
      );
    }
    this.#reservations.set(address, bytes);
    return address;
  }

  #release(address: number): void {
    const bytes = this.#reservations.get(address);
    if (bytes === undefined) return;
    this.#reservations.delete(address);
    this.#budget.give(bytes);
    this.#reserver.release(address);
  }
}

/** The bytes that all arenas of a device may reserve. */
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
