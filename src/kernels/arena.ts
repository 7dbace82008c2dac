// Device memory in pieces of large reservations: neighbors that are free are one piece again.
//
// So steps of one size leave nothing behind that steps of another size cannot use. Small blocks share chunks, and take
// from large reservations only where no chunk has room; large blocks the other way round. Contract: a freed address may
// be reused at once. This is right for memory that only queued commands touch, because commands run in order. Memory
// that the host writes directly comes from an arena of its own, whose blocks the device frees when the command list
// that reads them is done. Reservations are given back whole, while no command is in flight. Left out: moving live
// blocks.
import { assert } from './errors.ts';
import { FreePieces, type Piece, pieceUnit } from './free-pieces.ts';
import { type MemoryBudget, Reservations, type Reserver } from './reservations.ts';

const chunkBytes = 32 * 2 ** 20;
const largeBytes = chunkBytes / 4;

/**
 * Rounds up to one of eight classes an octave, at least 64 bytes, so that at most 12.5 % is lost; large blocks, such as
 * weights and moments, to one of 64, so that at most 1.6 % is.
 */
function sizeClass(bytes: number): number {
  if (bytes <= 8 * pieceUnit) return Math.max(pieceUnit, Math.ceil(bytes / pieceUnit) * pieceUnit);
  const step = 2 ** (Math.floor(Math.log2(bytes - 1)) - (bytes > largeBytes ? 6 : 3));
  return Math.ceil(bytes / step) * step;
}

const isWhole = ({ before, after }: Piece) => before === null && after === null;

export class Arena {
  readonly #reservations: Reservations;
  readonly #exact: boolean;
  /** Free pieces of chunks, and of large reservations. */
  readonly #small = new FreePieces();
  readonly #large = new FreePieces();
  readonly #used = new Map<number, Piece>(); // by address
  /** Free pieces that are whole reservations. */
  readonly #whole = new Set<Piece>();
  #live = 0;
  #graveyard: number[] = [];

  /** With `exact` every block is its own reservation, so that AddressSanitizer sees each buffer's end. */
  constructor(reserver: Reserver, budget: MemoryBudget, exact = false) {
    this.#reservations = new Reservations(reserver, budget);
    this.#exact = exact;
  }

  /** Bytes handed out and not yet freed, rounded to their classes. */
  get liveBytes(): number {
    return this.#live;
  }

  alloc(bytes: number, op: string): number {
    if (this.#exact) {
      this.#live += bytes;
      return this.#reservations.reserve(Math.max(1, bytes), op);
    }
    const size = sizeClass(bytes);
    const found = this.#find(size) ?? this.#reserve(size, op);
    this.#take(found, size);
    return found.address;
  }

  /** Zeros: from the system, so that a large block costs only the pages that are touched; else by `clear`. */
  allocZeros(bytes: number, op: string, clear: (address: number) => void): number {
    const isLarge = !this.#exact && this.#reservations.giveZeros && sizeClass(bytes) >= largeBytes;
    const isFresh = isLarge && this.#find(sizeClass(bytes)) === null;
    const address = this.alloc(bytes, op);
    if (!isFresh) clear(address);
    return address;
  }

  free(address: number, bytes: number): void {
    if (this.#exact) {
      this.#live -= bytes;
      this.#graveyard.push(address);
      return;
    }
    const piece = this.#used.get(address);
    assert(piece, `${address} was freed, and is not in use`);
    this.#used.delete(address);
    this.#live -= piece.bytes;
    this.#put(this.#join(piece));
  }

  /** Gives unused reservations back, the largest first, but for `keepBytes`. Only while no command is in flight. */
  trim(keepBytes = 0): void {
    for (const address of this.#graveyard.splice(0)) this.#reservations.release(address);
    if (this.#freeBytes <= keepBytes || this.#whole.size === 0) return;
    for (const piece of [...this.#whole].sort((a, b) => b.bytes - a.bytes)) {
      if (this.#freeBytes <= keepBytes) return;
      piece.home.remove(piece);
      this.#whole.delete(piece);
      this.#reservations.release(piece.address);
    }
  }

  /** Gives everything back, live or not. Only while no command is in flight. */
  dispose(): void {
    this.#reservations.releaseAll();
    this.#graveyard = [];
    this.#small.clear();
    this.#large.clear();
    this.#used.clear();
    this.#whole.clear();
    this.#live = 0;
  }

  get #freeBytes(): number {
    return this.#small.bytes + this.#large.bytes;
  }

  /** Returns a free piece that fits, or null. */
  #find(size: number): Piece | null {
    if (size >= largeBytes) return this.#large.find(size) ?? this.#small.find(size);
    return this.#small.find(size) ?? this.#large.find(size);
  }

  #reserve(size: number, op: string): Piece {
    const isLarge = size >= largeBytes;
    const bytes = isLarge ? size : chunkBytes;
    const address = this.#reservations.reserve(bytes, op);
    const home = isLarge ? this.#large : this.#small;
    const piece: Piece = { address, bytes, home, before: null, after: null, bin: null, index: 0 };
    this.#put(piece);
    return piece;
  }

  #put(piece: Piece): void {
    piece.home.add(piece);
    if (isWhole(piece)) this.#whole.add(piece);
  }

  /** Takes the beginning of a free piece. */
  #take(piece: Piece, size: number): void {
    piece.home.remove(piece);
    this.#whole.delete(piece);
    const rest = piece.bytes - size;
    if (rest > 0) {
      const { home, after } = piece;
      const address = piece.address + size;
      const remaining: Piece = { address, bytes: rest, home, before: piece, after, bin: null, index: 0 };
      if (after !== null) after.before = remaining;
      piece.after = remaining;
      piece.bytes = size;
      home.add(remaining);
    }
    this.#used.set(piece.address, piece);
    this.#live += size;
  }

  /** Joins a piece that is no longer in use with free neighbors. */
  #join(piece: Piece): Piece {
    const { before, after } = piece;
    if (after !== null && after.bin !== null) {
      after.home.remove(after);
      this.#absorb(piece, after);
    }
    if (before === null || before.bin === null) return piece;
    before.home.remove(before);
    this.#absorb(before, piece);
    return before;
  }

  #absorb(piece: Piece, next: Piece): void {
    piece.bytes += next.bytes;
    piece.after = next.after;
    if (next.after !== null) next.after.before = piece;
  }
}
