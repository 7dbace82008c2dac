// Searches one text in a stream of UTF-16 code units, and knows how much of it the end of the stream already matches.
//
// Knuth, Morris and Pratt 1977: `matched` is always the longest end of the stream that begins the text. So what could
// still become the text is known exactly, and nothing else must be buffered.

export class TextMatch {
  readonly text: string;
  /** Units at the end of the stream that are the beginning of `text`; all of it right after a match. */
  matched = 0;
  /** For the first i + 1 units of `text`: the length of their longest proper prefix that is also a suffix. */
  readonly #borders: Uint32Array;

  constructor(text: string) {
    this.text = text;
    this.#borders = new Uint32Array(text.length);
    for (let i = 1, length = 0; i < text.length; i++) {
      while (length > 0 && text[i] !== text[length]) length = this.#borders[length - 1];
      if (text[i] === text[length]) length++;
      this.#borders[i] = length;
    }
  }

  /** Takes the next unit; returns whether the text is complete with it. */
  push(unit: string): boolean {
    const { text } = this;
    if (this.matched === text.length) this.matched = this.#borders[text.length - 1];
    while (this.matched > 0 && unit !== text[this.matched]) this.matched = this.#borders[this.matched - 1];
    if (unit === text[this.matched]) this.matched++;
    return this.matched === text.length;
  }
}
