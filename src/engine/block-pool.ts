// The owner of all cache blocks: a free list, reference counts, and blocks of prompts kept for later prompts.
//
// A block holds 64 tokens of every layer. A block with a key (prefixKeys) outlives its owners: it stays until memory is
// needed, the least recently used first. Equal keys mean equal tokens from position 0 on, hence equal bits. A prompt's
// last block is rarely full: its key is that of the tokens it has, and others copy it, because its owner goes on to
// write to it. Contract: used, cached and free blocks are all there are; nothing here touches a tensor.
import { createHash } from 'node:crypto';
import { assert, blockTokens } from '../kernels/index.ts';

/**
 * Returns a key for each block of `ids`, the last of which may not be full: the SHA-256 of the key before and the
 * block's own tokens. The first one follows the scope: different scopes have no key in common.
 */
export function prefixKeys(ids: Int32Array, scope = ''): string[] {
  const keys: string[] = [];
  // hashed: a scope that looks like a key must not continue that key
  let before = scope === '' ? '' : createHash('sha256').update(`scope\0${scope}`).digest('base64');
  for (let from = 0; from < ids.length; from += blockTokens) {
    const tokens = Math.min(blockTokens, ids.length - from);
    const bytes = new Uint8Array(ids.buffer, ids.byteOffset + 4 * from, 4 * tokens);
    before = createHash('sha256').update(before).update('\0').update(bytes).digest('base64');
    keys.push(before);
  }
  return keys;
}

export class BlockPool {
  readonly total: number;
  readonly #owners: Int32Array;
  readonly #free: number[];
  readonly #keys: (string | undefined)[];
  readonly #byKey = new Map<string, number>();
  /** Blocks with a key and without owners, the least recently used first. */
  readonly #unowned = new Set<number>();

  constructor(total: number) {
    this.total = total;
    this.#owners = new Int32Array(total);
    this.#free = Array.from({ length: total }, (_, i) => total - 1 - i);
    this.#keys = new Array(total);
  }

  /** Blocks with an owner. */
  get used(): number {
    return this.total - this.available;
  }

  /** Blocks with a key that nobody owns. */
  get cached(): number {
    return this.#unowned.size;
  }

  /** Blocks that `take` can still give. */
  get available(): number {
    return this.#free.length + this.#unowned.size;
  }

  /** Returns a block with one owner and no contents, or null when all have owners. */
  take(): number | null {
    const id = this.#free.pop() ?? this.#evict();
    if (id !== null) this.#owners[id] = 1;
    return id;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** Returns the block of a key, with one more owner, or null. */
  find(key: string): number | null {
    const id = this.#byKey.get(key);
    if (id === undefined) return null;
    if (this.#owners[id]++ === 0) this.#unowned.delete(id);
    return id;
  }

  /** Gives a block its key, in place of that of fewer tokens; but one that another block has is not given twice. */
  setKey(id: number, key: string): void {
    assert(this.#owners[id] !== 0, `block ${id} got a key without an owner`);
    if (this.#byKey.has(key)) return;
    this.#dropKey(id);
    this.#byKey.set(key, id);
    this.#keys[id] = key;
  }

  /** Forgets all keys: what blocks hold is no longer what their tokens would give. */
  forget(): void {
    for (const id of this.#byKey.values()) this.#keys[id] = undefined;
    this.#byKey.clear();
    this.#free.push(...this.#unowned);
    this.#unowned.clear();
  }

  /** Takes one owner away. */
  release(id: number): void {
    assert(this.#owners[id] > 0, `block ${id} was released twice`);
    if (--this.#owners[id] > 0) return;
    if (this.#keys[id] === undefined) this.#free.push(id);
    else this.#unowned.add(id);
  }

  #evict(): number | null {
    const { value: id } = this.#unowned.values().next();
    if (id === undefined) return null;
    this.#unowned.delete(id);
    this.#dropKey(id);
    return id;
  }

  #dropKey(id: number): void {
    const key = this.#keys[id];
    if (key !== undefined) this.#byKey.delete(key);
    this.#keys[id] = undefined;
  }
}
