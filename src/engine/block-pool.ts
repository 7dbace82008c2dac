// Who owns which block of the cache: a free list, reference counts, and whole blocks of prompts kept for later ones.
//
// A block holds 64 tokens of every layer. A block whose contents are named by a key (prefixKeys) outlives its owners: it
// stays until memory is needed, the longest unused first. Equal keys mean equal tokens from position 0 on, hence equal
// bits. Contract: used + cached + free blocks are all there are; nothing here touches a tensor.
import { createHash } from 'node:crypto';
import { assert, blockTokens } from '../kernels/index.ts';

/**
 * Names of the whole blocks of `ids`: each the SHA-256 of the one before and its own tokens. `salt` tells apart what
 * must not be shared, such as blocks made in another form.
 */
export function prefixKeys(ids: Int32Array, salt = ''): string[] {
  const keys: string[] = [];
  let before = salt;
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
  /** Key of a block whose contents are named. */
  readonly #keyOf: (string | undefined)[];
  /** Named blocks that multi-token prediction does not have all rows of. */
  readonly #withGaps = new Set<number>();
  readonly #byKey = new Map<string, number>();
  /** Named blocks without owners, the longest unused first. */
  readonly #unowned = new Set<number>();

  constructor(total: number) {
    this.total = total;
    this.#owners = new Int32Array(total);
    this.#free = Array.from({ length: total }, (_, i) => total - 1 - i);
    this.#keyOf = new Array(total);
  }

  /** Blocks with an owner. */
  get used(): number {
    return this.total - this.available;
  }

  /** Named blocks that nobody owns. */
  get cached(): number {
    return this.#unowned.size;
  }

  /** Blocks that `take` can still give. */
  get available(): number {
    return this.#free.length + this.#unowned.size;
  }

  /** A block of one owner and no contents; null when all have owners. */
  take(): number | null {
    const id = this.#free.pop() ?? this.#evict();
    if (id === null) return null;
    this.#owners[id] = 1;
    return id;
  }

  /** The block of this name with one more owner, or null. */
  find(key: string): number | null {
    const id = this.#byKey.get(key);
    if (id === undefined) return null;
    if (this.#owners[id] === 0) this.#unowned.delete(id);
    this.#owners[id] = this.#owners[id] + 1;
    return id;
  }

  /** Whether multi-token prediction lacks rows of a named block. */
  hasGaps(id: number): boolean {
    return this.#withGaps.has(id);
  }

  /** Names a full block. Where another block has that name already, this one stays nameless. */
  name(id: number, key: string, hasGaps = false): void {
    assert(this.#owners[id] !== 0, `block ${id} was named without an owner`);
    if (this.#byKey.has(key) || this.#keyOf[id] !== undefined) return;
    this.#byKey.set(key, id);
    this.#keyOf[id] = key;
    if (hasGaps) this.#withGaps.add(id);
  }

  /** One owner less. */
  release(id: number): void {
    const owners = this.#owners[id] - 1;
    assert(owners >= 0, `block ${id} was released twice`);
    this.#owners[id] = owners;
    if (owners > 0) return;
    if (this.#keyOf[id] === undefined) this.#free.push(id);
    else this.#unowned.add(id);
  }

  /** Forgets every name, for when the weights change. */
  forget(): void {
    for (const id of this.#unowned) this.#free.push(id);
    this.#unowned.clear();
    this.#byKey.clear();
    this.#withGaps.clear();
    this.#keyOf.fill(undefined);
  }

  #evict(): number | null {
    const { value: id } = this.#unowned.values().next();
    if (id === undefined) return null;
    this.#unowned.delete(id);
    this.#byKey.delete(this.#keyOf[id] as string);
    this.#keyOf[id] = undefined;
    this.#withGaps.delete(id);
    return id;
  }
}
