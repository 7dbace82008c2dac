// The tokens of a vocabulary, in the byte alphabet, and their ids. Lookup works on code units, without making strings.
//
// Reading DeepSeek-V3's merges would otherwise hash a quarter of a million strings; this table halves the load time.
import { byteChars } from './bytes.ts';
import { UnitBuffer } from './pieces.ts';
import { grown, WordTable } from './word-table.ts';

const unitOfByte = Uint16Array.from(byteChars, (char) => char.charCodeAt(0));

export class Vocabulary {
  readonly #tokens = new WordTable();
  #ids = new Int32Array(1024);
  readonly #buffer = new UnitBuffer();
  /** The largest id; -1 if there is none. */
  maxId = -1;

  /** Adds a new token. */
  add(token: string, id: number): void {
    const { units } = this.#buffer.fill(token);
    this.#tokens.find(units, 0, token.length);
    const index = this.#tokens.insert(units, 0, token.length);
    if (index === this.#ids.length) this.#ids = grown(this.#ids, new Int32Array(2 * index));
    this.#ids[index] = id;
    if (id > this.maxId) this.maxId = id;
  }

  get size(): number {
    return this.#tokens.size;
  }

  tokenToId(token: string): number | undefined {
    const id = this.find(this.#buffer.fill(token).units, 0, token.length);
    return id < 0 ? undefined : id;
  }

  /** Returns the id of the token units[start, end); -1 if there is none. */
  find(units: Uint16Array, start: number, end: number): number {
    const index = this.#tokens.find(units, start, end);
    return index < 0 ? -1 : this.#ids[index];
  }

  /** Returns the id of the token of these bytes; -1 if there is none. */
  findBytes(bytes: Uint8Array, length: number): number {
    const units = new Uint16Array(length);
    for (let i = 0; i < length; i++) units[i] = unitOfByte[bytes[i]];
    return this.find(units, 0, length);
  }

  /** Visits every token: its id and its code units units[start, end). */
  each(visit: (id: number, units: Uint16Array, start: number, end: number) => void): void {
    const { units, starts } = this.#tokens;
    for (let index = 0; index < this.size; index++) visit(this.#ids[index], units, starts[index], starts[index + 1]);
  }
}
