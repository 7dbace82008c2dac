// The shape of a JSON text before it is parsed: parsing a few megabytes of brackets takes seconds and gigabytes.
//
// Numbers in a list of nothing but numbers, such as token ids, are counted apart, because they are cheap. A text that
// is not JSON has a shape, too: it is the parser that refuses it.

export interface JsonShape {
  /** The deepest nesting of brackets. */
  readonly depth: number;
  /** The number of values, members and brackets, except numbers in lists of numbers. */
  readonly values: number;
  /** The number of numbers in lists of numbers. */
  readonly numbers: number;
}

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Measures the shape of a JSON text, whose bytes may come in several parts. */
export class JsonScanner {
  #depth = 0;
  #deepest = 0;
  #values = 0;
  #numbers = 0;
  /** Commas in the innermost list so far, while it holds nothing but numbers; -1 otherwise. */
  #list = -1;
  #inText = false;
  #escaped = false;

  push(bytes: Uint8Array, start = 0, end = bytes.length): void {
    for (let i = start; i < end; i++) {
      const byte = bytes[i];
      if (this.#inText) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === backslash) this.#escaped = true;
        else if (byte === quote) this.#inText = false;
      } else if (byte === quote) {
        this.#endNumbers();
        this.#inText = true;
      } else if (byte === comma) {
        if (this.#list >= 0) this.#list++;
        else this.#values++;
      } else if (byte === openList || byte === openObject) this.#open(byte === openList);
      else if (byte === closeList) this.#close();
      else if (byte === closeObject || byte === colon) {
        this.#endNumbers();
        if (byte === closeObject) this.#depth--;
        else this.#values++;
      } else if (byte === 0x74 || byte === 0x66 || byte === 0x6e) this.#endNumbers(); // true, false, null
    }
  }

  get shape(): JsonShape {
    return { depth: this.#deepest, values: this.#values, numbers: this.#numbers + Math.max(0, this.#list) };
  }

  #open(isList: boolean): void {
    this.#endNumbers();
    this.#values++;
    this.#deepest = Math.max(this.#deepest, ++this.#depth);
    if (isList) this.#list = 0;
  }

  #close(): void {
    this.#depth--;
    if (this.#list > 0) this.#numbers += this.#list + 1;
    this.#list = -1;
  }

  /** Something else than a number: the commas so far separated values of other kinds. */
  #endNumbers(): void {
    if (this.#list > 0) this.#values += this.#list;
    this.#list = -1;
  }
}

export function measureJson(bytes: Uint8Array): JsonShape {
  const scanner = new JsonScanner();
  scanner.push(bytes);
  return scanner.shape;
}
