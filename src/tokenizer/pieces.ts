// A text as code units, and the pieces that it is cut into. Pre-tokenizers work on them instead of strings.

/** A text with its UTF-16 code units; `units` may be longer than the text. */
export interface UnitText {
  readonly text: string;
  readonly units: Uint16Array;
}

const keptBounds = 2 ** 18;

/** Consecutive ranges [start, end) of a text. */
export class Pieces {
  bounds = new Int32Array(512);
  count = 0;

  push(start: number, end: number): void {
    const at = 2 * this.count++;
    if (at === this.bounds.length) {
      const larger = new Int32Array(2 * at);
      larger.set(this.bounds);
      this.bounds = larger;
    }
    this.bounds[at] = start;
    this.bounds[at + 1] = end;
  }

  clear(): void {
    this.count = 0;
    if (this.bounds.length > keptBounds) this.bounds = new Int32Array(512);
  }
}

/** Cuts [start, end) of a text into pieces and appends them. The text outside the range has no influence. */
export type Cut = (text: UnitText, start: number, end: number, out: Pieces) => void;

const keptUnits = 2 ** 20;

/** A buffer for the code units of one text at a time. */
export class UnitBuffer {
  #units = new Uint16Array(4096);

  /** Returns the code units of a text, valid until the next call. */
  fill(text: string): UnitText {
    let units = this.#units;
    if (units.length < text.length) {
      units = new Uint16Array(Math.max(2 * units.length, text.length));
      if (units.length <= keptUnits) this.#units = units;
    }
    for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
    return { text, units };
  }
}
