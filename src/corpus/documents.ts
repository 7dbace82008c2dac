// Documents of files: text, JSONL and Parquet, a piece at a time.
//
// Contract: no file is read whole except a text file below `maxDocumentBytes`, which is one document; a longer one is
// cut at line ends and `notice` says so. Bytes that are not text are refused with their position, before training
// begins. Rows without text are skipped, and `notice` says how many.
import { isUtf8 } from 'node:buffer';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { CorpusError } from './errors.ts';
import { pauses } from './pauses.ts';

/** Documents that a program makes: the same ones for the same name, seed and count. */
export interface Synthetic {
  readonly name: string;
  readonly seed: number;
  readonly count: number;
  /** Makes documents `from` to `to`, without the last. */
  readonly documents: (from: number, to: number) => Iterable<string> | AsyncIterable<string>;
}

export type Input = string | Synthetic;

export interface ReadOptions {
  /** Fields of a JSONL line or columns of a Parquet file, joined by newlines. @default ['text'] */
  readonly fields?: readonly string[];
  /** Separates the documents of a text file. @default none: a file is one document */
  readonly separator?: string;
  /** @default 64 MiB */
  readonly maxDocumentBytes?: number;
  readonly notice?: (message: string) => void;
  /** Ends the reading: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const newline = 10;

export async function* readDocuments(inputs: readonly Input[], options: ReadOptions = {}): AsyncGenerator<string> {
  const pause = pauses(options.signal);
  for await (const document of allDocuments(inputs, options)) {
    await pause();
    yield document;
  }
  await pause();
}

async function* allDocuments(inputs: readonly Input[], options: ReadOptions): AsyncGenerator<string> {
  for (const input of inputs) {
    if (typeof input !== 'string') yield* input.documents(0, input.count);
    else {
      checkFile(input);
      const kind = extname(input).toLowerCase();
      if (kind === '.jsonl') yield* jsonl(input, options);
      else if (kind === '.parquet') yield* parquet(input, options);
      else yield* text(input, options);
    }
  }
}

/** Throws CorpusError for what cannot be read as documents. */
export function checkFile(path: string): void {
  if (!existsSync(path)) throw new CorpusError(path, 'no such file', 'check the path');
  const found = statSync(path);
  if (!found.isFile()) throw new CorpusError(path, 'is not a file', 'name files: .txt, .jsonl or .parquet');
  if (found.size === 0) throw new CorpusError(path, 'is empty', 'give a file with text in it');
}

/** Decodes bytes that begin at `offset` of their file. */
function decode(bytes: Buffer, path: string, offset: number): string {
  const zero = bytes.indexOf(0);
  if (zero >= 0)
    throw new CorpusError(path, `byte ${offset + zero} is 0: this is not text`, 'give text, JSONL or Parquet files');
  if (isUtf8(bytes)) return bytes.toString('utf8');
  const at = offset + firstInvalid(bytes);
  throw new CorpusError(path, `byte ${at} is not valid UTF-8`, 'convert the file to UTF-8, or leave it out');
}

/** Returns the position of the first invalid character. */
function firstInvalid(bytes: Buffer): number {
  for (let i = 0; ; ) {
    const length = bytes[i] < 0x80 ? 1 : bytes[i] < 0xe0 ? 2 : bytes[i] < 0xf0 ? 3 : 4;
    if (length > 1 && !isUtf8(bytes.subarray(i, i + length))) return i;
    i += length;
  }
}

/** Reads a file in pieces of about `size` bytes that end at line ends. */
async function* pieces(path: string, size: number): AsyncGenerator<{ bytes: Buffer; offset: number }> {
  let parts: Buffer[] = [];
  let count = 0;
  let offset = 0;
  for await (const part of createReadStream(path, { highWaterMark: 2 ** 20 }) as AsyncIterable<Buffer>) {
    parts.push(part);
    count += part.length;
    if (count < size) continue;
    const all = Buffer.concat(parts);
    const end = all.lastIndexOf(newline) + 1 || all.length;
    yield { bytes: all.subarray(0, end), offset };
    offset += end;
    parts = [all.subarray(end)];
    count = all.length - end;
  }
  if (count > 0) yield { bytes: Buffer.concat(parts), offset };
}

async function* text(path: string, options: ReadOptions): AsyncGenerator<string> {
  const { separator, maxDocumentBytes = 2 ** 26, notice = () => undefined } = options;
  const { size } = statSync(path);
  if (separator === undefined && size > maxDocumentBytes)
    notice(`${path}: a document of ${size} bytes is cut at line ends into pieces of ${maxDocumentBytes}`);
  let rest = '';
  for await (const { bytes, offset } of pieces(path, maxDocumentBytes)) {
    const piece = decode(bytes, path, offset);
    if (separator === undefined) {
      yield piece;
      continue;
    }
    const documents = (rest + piece).split(separator);
    rest = documents.pop() as string;
    for (const document of documents) if (document.length > 0) yield document;
    if (rest.length > maxDocumentBytes)
      throw new CorpusError(path, `a document is longer than ${maxDocumentBytes} bytes`, 'check the separator');
  }
  if (rest.length > 0) yield rest;
}

/** Lines of a file with their numbers. Throws CorpusError for one that is longer than a document may be. */
async function* numberedLines(path: string, maxBytes: number): AsyncGenerator<[line: string, number: number]> {
  let number = 0;
  for await (const { bytes, offset } of pieces(path, maxBytes)) {
    if (bytes.length >= maxBytes && bytes.indexOf(newline) < 0)
      throw new CorpusError(path, `line ${number + 1} is longer than ${maxBytes} bytes`, 'write one document per line');
    const lines = decode(bytes, path, offset).split('\n');
    if (lines.at(-1) === '') lines.pop();
    for (const line of lines) yield [line, ++number];
  }
}

async function* jsonl(path: string, options: ReadOptions): AsyncGenerator<string> {
  const rows = new Rows(path, options);
  for await (const [line, number] of numberedLines(path, options.maxDocumentBytes ?? 2 ** 26)) {
    if (line.trim() === '') continue;
    const where = `${path}:${number}`;
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (error) {
      throw new CorpusError(where, `is not JSON (${(error as Error).message})`, 'write one JSON object per line');
    }
    yield* rows.take(row, where);
  }
  rows.end();
}

/** The rows of one file. Those without text are skipped and counted; a file of nothing else is refused. */
class Rows {
  readonly #path: string;
  readonly #fields: readonly string[];
  readonly #notice: (message: string) => void;
  #taken = 0;
  #skipped = 0;
  #first: { readonly where: string; readonly error: CorpusError } | null = null;

  constructor(path: string, { fields = ['text'], notice = () => undefined }: ReadOptions) {
    this.#path = path;
    this.#fields = fields;
    this.#notice = notice;
  }

  /** Yields the text of a row, if it has one. */
  *take(row: unknown, where: string): Generator<string> {
    const object = (typeof row === 'object' && row !== null ? row : {}) as Record<string, unknown>;
    const texts = this.#fields.map((field) => object[field]);
    const missing = texts.findIndex((value) => typeof value !== 'string');
    if (missing < 0) {
      this.#taken++;
      yield texts.join('\n');
      return;
    }
    this.#skipped++;
    if (this.#first) return;
    const has = Object.keys(object).slice(0, 20).join(', ') || 'none';
    const kind = texts[missing] === null ? 'null' : typeof texts[missing];
    const problem = `expected text in field ${this.#fields[missing]}; its fields are ${has}`;
    const there = texts[missing] === undefined ? '' : ` (${kind} there)`;
    this.#first = { where, error: new CorpusError(where, problem + there, 'name the fields to read') };
  }

  /** Says what was skipped. Throws CorpusError when no row had text. */
  end(): void {
    if (this.#first === null) return;
    if (this.#taken === 0) throw this.#first.error;
    const rows = this.#skipped === 1 ? '1 row' : `${this.#skipped} rows`;
    const fields = this.#fields.join(', ');
    const all = this.#taken + this.#skipped;
    this.#notice(`${this.#path}: ${rows} of ${all} without text in ${fields} skipped, first ${this.#first.where}`);
  }
}

// The codecs start a WebAssembly module when they are loaded: only files that need them may pay for it.
async function* parquet(path: string, options: ReadOptions): AsyncGenerator<string> {
  const { fields = ['text'] } = options;
  const rows = new Rows(path, options);
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file).catch((error: Error) => {
    throw new CorpusError(path, `is not a Parquet file (${error.message})`, 'fetch or write it again');
  });
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
  for (const field of fields)
    if (!columns.includes(field))
      throw new CorpusError(
        path,
        `has no column ${field}; columns are ${columns.join(', ')}`,
        'name the columns to read',
      );
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    const slice = { file, metadata, compressors, columns: [...fields], rowStart: start, rowEnd: end };
    for (const [i, row] of (await parquetReadObjects(slice)).entries())
      yield* rows.take(row, `${path}, row ${start + i}`);
    start = end;
  }
  rows.end();
}
