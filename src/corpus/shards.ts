// Token ids on disk: files of 16-bit or 32-bit ids, little-endian.
//
// Contract: a shard holds whole documents one after the other. The dataset's index names each shard with its sha256,
// which is checked when the dataset is opened. Reads go to the file: no shard is kept in memory.
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, existsSync, fsyncSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CorpusError } from './errors.ts';

export interface ShardFile {
  readonly file: string;
  readonly tokens: number;
  readonly sha256: string;
}

export const tokenBytes = (vocabSize: number): 2 | 4 => (vocabSize <= 2 ** 16 ? 2 : 4);

/** Returns the sha256 of a file, in hex. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path)) hash.update(part);
  return hash.digest('hex');
}

const shardTokens = 2 ** 26;

interface OpenShard {
  readonly file: string;
  readonly hash: ReturnType<typeof createHash>;
  tokens: number;
}

/** Writes the ids of one split, document by document. */
export class ShardWriter {
  readonly #folder: string;
  readonly #name: string;
  readonly #width: 2 | 4;
  readonly #shards: OpenShard[] = [];
  readonly lengths: number[] = [];
  #handle: number | null = null;

  constructor(folder: string, name: string, width: 2 | 4) {
    this.#folder = folder;
    this.#name = name;
    this.#width = width;
  }

  add(ids: Int32Array): void {
    const last = this.#shards.at(-1);
    if (this.#handle === null || (last && last.tokens + ids.length > shardTokens)) this.#next();
    const shard = this.#shards.at(-1) as OpenShard;
    const stored = this.#width === 2 ? Uint16Array.from(ids) : ids;
    const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
    writeSync(this.#handle as number, bytes);
    shard.hash.update(bytes);
    shard.tokens += ids.length;
    this.lengths.push(ids.length);
  }

  end(): ShardFile[] {
    this.#close();
    return this.#shards.map(({ file, tokens, hash }) => ({ file, tokens, sha256: hash.digest('hex') }));
  }

  #next(): void {
    this.#close();
    const file = `${this.#name}-${String(this.#shards.length).padStart(5, '0')}.bin`;
    this.#handle = openSync(join(this.#folder, file), 'w');
    this.#shards.push({ file, tokens: 0, hash: createHash('sha256') });
  }

  #close(): void {
    if (this.#handle === null) return;
    fsyncSync(this.#handle);
    closeSync(this.#handle);
    this.#handle = null;
  }
}

/** Throws CorpusError unless the file is unchanged. */
export async function checkShard(folder: string, { file, tokens, sha256 }: ShardFile, width: 2 | 4): Promise<void> {
  const path = join(folder, file);
  const remedy = 'remove the folder, and the corpus is tokenized again';
  if (!existsSync(path)) throw new CorpusError(path, 'a shard of the dataset is missing', remedy);
  const { size } = statSync(path);
  if (size !== tokens * width)
    throw new CorpusError(path, `a shard of ${tokens} tokens has ${size} bytes, expected ${tokens * width}`, remedy);
  if ((await hashFile(path)) !== sha256) throw new CorpusError(path, 'a shard is damaged: its sha256 differs', remedy);
}

/** The ids of one split, read from disk. */
export class TokenSplit {
  readonly tokens: number;
  /** The position of the first id of each document, and the number of ids. */
  readonly starts: Float64Array;
  readonly #width: 2 | 4;
  readonly #handles: readonly number[];
  readonly #begins: readonly number[];

  constructor(folder: string, shards: readonly ShardFile[], lengths: readonly number[], width: 2 | 4) {
    this.#width = width;
    this.#handles = shards.map(({ file }) => openSync(join(folder, file), 'r'));
    this.#begins = shards.map((_, i) => shards.slice(0, i).reduce((sum, { tokens }) => sum + tokens, 0));
    this.tokens = shards.reduce((sum, { tokens }) => sum + tokens, 0);
    this.starts = new Float64Array(lengths.length + 1);
    for (const [i, length] of lengths.entries()) this.starts[i + 1] = this.starts[i] + length;
  }

  get documents(): number {
    return this.starts.length - 1;
  }

  /** Reads ids [from, to) of the concatenated documents. */
  read(from: number, to: number): Int32Array {
    const ids = new Int32Array(to - from);
    let shard = this.#begins.findLastIndex((begin) => begin <= from);
    for (let at = from; at < to; shard++) {
      const end = Math.min(to, this.#begins[shard + 1] ?? this.tokens);
      const bytes = Buffer.alloc((end - at) * this.#width);
      readSync(this.#handles[shard], bytes, 0, bytes.length, (at - this.#begins[shard]) * this.#width);
      const part =
        this.#width === 2
          ? new Uint16Array(bytes.buffer, bytes.byteOffset, end - at)
          : new Int32Array(bytes.buffer, bytes.byteOffset, end - at);
      ids.set(part, at - from);
      at = end;
    }
    return ids;
  }

  document(i: number): Int32Array {
    return this.read(this.starts[i], this.starts[i + 1]);
  }

  close(): void {
    for (const handle of this.#handles) closeSync(handle);
  }
}
