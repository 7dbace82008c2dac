// Where an object ends in JSON text that comes in parts.
export class ObjectEnd {
  #depth = 0;
  #inText = false;
  #isEscaped = false;

  /** Returns the place after the end of the object, or -1. */
  find(text: string): number {
    for (const [i, unit] of text.split('').entries()) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (this.#inText) {
        this.#isEscaped = unit === '\\';
        this.#inText = unit !== '"';
      } else if (unit === '"') this.#inText = true;
      else if (unit === '{' || unit === '[') this.#depth++;
      else if ((unit === '}' || unit === ']') && --this.#depth === 0) return i + 1;
    }
    return -1;
  }
}
