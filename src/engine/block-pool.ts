// The owner of all cache blocks: a free list, reference counts, and full blocks of prompts kept for later prompts.
//
// A block holds 64 tokens of every layer. A block with a key (prefixKeys) outlives its owners: it stays until memory is
// needed, the least recently used first. Equal keys mean equal tokens from position 0 on, hence equal bits. Contract:
// used, cached and free blocks are all there are; nothing here touches a tensor.
import { createHash } from 'node:crypto';
import { assert, blockTokens } from '../kernels/index.ts';

/** Returns a key for each full block of `ids`: the SHA-256 of the key before and the block's own tokens. */
export function prefixKeys(ids: Int32Array): string[] {
  const keys: string[] = [];
  let before = '';
  for (let end = blockTokens; end <= ids.length; end += blockTokens) {
    const bytes = new Uint8Array(ids.buffer, ids.byteOffset + 4 * (end - blockTokens), 4 * blockTokens);
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

  /** Returns the block of a key, with one more owner, or null. */
  find(key: string): number | null {
    const id = this.#byKey.get(key);
    if (id === undefined) return null;
    if (this.#owners[id]++ === 0) this.#unowned.delete(id);
    return id;
  }

  /** Gives a full block its key. Where another block has that key already, this one stays without. */
  setKey(id: number, key: string): void {
    assert(this.#owners[id] !== 0, `block ${id} got a key without an owner`);
    if (this.#byKey.has(key) || this.#keys[id] !== undefined) return;
    this.#byKey.set(key, id);
    this.#keys[id] = key;
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
    this.#byKey.delete(this.#keys[id] as string);
    this.#keys[id] = undefined;
    return id;
  }
}
