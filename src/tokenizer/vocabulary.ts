// Tokens as a vocabulary spells them, and their ids: found by code units, without a string for each question.
//
// A quarter of a million strings would be hashed when DeepSeek-V3's merges are read; this table halves the load time.
import { byteChars } from './bytes.ts';
import { UnitBuffer } from './pieces.ts';
import { grown, WordTable } from './word-table.ts';

const unitOfByte = Uint16Array.from(byteChars, (char) => char.charCodeAt(0));

export class Vocabulary {
  readonly #tokens = new WordTable();
  #ids = new Int32Array(1024);
  readonly #buffer = new UnitBuffer();
  /** Largest id; -1 when there is none. */
  maxId = -1;

  /** Adds a token that is not there yet. */
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

  /** Id of the token units[start, end), -1 when there is none. */
  find(units: Uint16Array, start: number, end: number): number {
    const index = this.#tokens.find(units, start, end);
    return index < 0 ? -1 : this.#ids[index];
  }

  /** Id of the token that stands for these bytes, -1 when there is none. */
  findBytes(bytes: Uint8Array, length: number): number {
    const units = new Uint16Array(length);
    for (let i = 0; i < length; i++) units[i] = unitOfByte[bytes[i]];
    return this.find(units, 0, length);
  }

  /** Every token: its id, and where its code units stand in `units`. */
  each(visit: (id: number, units: Uint16Array, start: number, end: number) => void): void {
    const { units, starts } = this.#tokens;
    for (let index = 0; index < this.size; index++) visit(this.#ids[index], units, starts[index], starts[index + 1]);
  }
}
