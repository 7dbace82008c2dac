// Memory that several recordings use in turn, such as decode steps of different shapes: as much as the largest needs.
//
// Contract: what a recording computes holds until another one of the same memory is replayed; reads that were queued
// before see it. When a larger recording comes, all move to a larger block, and the old one is given back when what is
// in flight is done. Left out: shrinking.
import { type MemoryBudget, Reservations, type Reserver } from './reservations.ts';

/** Called with the distance, in bytes, by which all addresses have moved. */
type Moved = (distance: number) => void;

export class SharedMemory {
  readonly #reservations: Reservations;
  readonly #afterAll: (done: () => void) => void;
  readonly #users = new Set<Moved>();
  #address = 0;
  #bytes = 0;

  /** For Device.shareMemory. `afterAll` calls back when all that was queued has run. */
  constructor(reserver: Reserver, budget: MemoryBudget, afterAll: (done: () => void) => void) {
    this.#reservations = new Reservations(reserver, budget);
    this.#afterAll = afterAll;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Returns the address of at least so many bytes, for a user that is told when it moves. */
  join(bytes: number, moved: Moved): number {
    if (bytes > this.#bytes) this.#grow(bytes);
    this.#users.add(moved);
    return this.#address;
  }

  leave(moved: Moved): void {
    this.#users.delete(moved);
  }

  /** Only while no command that is in flight uses it. */
  dispose(): void {
    this.#reservations.releaseAll();
    this.#address = this.#bytes = 0;
  }

  #grow(bytes: number): void {
    const before = this.#address;
    this.#address = this.#reservations.reserve(bytes, 'record');
    this.#bytes = bytes;
    if (before === 0) return;
    for (const moved of this.#users) moved(this.#address - before);
    this.#afterAll(() => this.#reservations.release(before));
  }
}
