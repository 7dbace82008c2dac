// The free pieces of an arena, by size: one that fits is found without looking at all of them.
//
// Bins hold eight sizes an octave. A request takes the smallest piece of its own bin that fits, else one of the next
// bin that has any, so that large pieces stay whole as long as smaller ones do.

/** Part of a reservation, between its neighbors. Pieces cover a reservation without gaps. */
export interface Piece {
  readonly address: number;
  bytes: number;
  /** Where it goes when it is free. */
  readonly home: FreePieces;
  before: Piece | null;
  after: Piece | null;
  /** Its place among the free pieces; null while it is in use. */
  bin: number | null;
  index: number;
}

export const pieceUnit = 64;

/** Returns the bin of a size, a multiple of the unit. */
function findBin(bytes: number): number {
  if (bytes <= 8 * pieceUnit) return bytes / pieceUnit;
  const octave = Math.floor(Math.log2(bytes));
  return 8 * (octave - 8) + Math.floor((bytes - 2 ** octave) / 2 ** (octave - 3));
}

export class FreePieces {
  readonly #bins: Piece[][] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(piece: Piece): void {
    const bin = findBin(piece.bytes);
    while (this.#bins.length <= bin) this.#bins.push([]);
    piece.bin = bin;
    piece.index = this.#bins[bin].push(piece) - 1;
    this.#bytes += piece.bytes;
  }

  remove(piece: Piece): void {
    const pieces = this.#bins[piece.bin as number];
    const last = pieces.pop() as Piece;
    if (last !== piece) {
      pieces[piece.index] = last;
      last.index = piece.index;
    }
    piece.bin = null;
    this.#bytes -= piece.bytes;
  }

  /** Returns a piece of at least so many bytes, still among the free ones; null where there is none. */
  find(bytes: number): Piece | null {
    const own = findBin(bytes);
    const fitting = findSmallest(this.#bins[own] ?? [], bytes);
    if (fitting !== null) return fitting;
    for (let bin = own + 1; bin < this.#bins.length; bin++)
      if (this.#bins[bin].length > 0) return findSmallest(this.#bins[bin], bytes);
    return null;
  }

  clear(): void {
    for (const bin of this.#bins) bin.length = 0;
    this.#bytes = 0;
  }
}

/** Returns the smallest piece that fits, the last among equals, or null. */
function findSmallest(pieces: readonly Piece[], bytes: number): Piece | null {
  let best: Piece | null = null;
  for (let i = pieces.length - 1; i >= 0; i--) {
    const piece = pieces[i];
    if (piece.bytes === bytes) return piece;
    if (piece.bytes > bytes && (best === null || piece.bytes < best.bytes)) best = piece;
  }
  return best;
}
