// What attention keeps of the tokens before the batch, behind one method: a cache stores the fresh rows of a layer and
// attends to all of them. Caches differ in what a row holds, where rows live, and in which form they attend.
//
// MLA's rows are [normed c_kv | rotated k_pe] (V3 report, section 2.1.1), GQA's the rotated keys and the values. Here:
// the batch alone, and one sequence in one piece of memory a layer. The engine brings pages (paged-cache.ts there).
// Shape letters: T tokens of the batch, S tokens with the cached ones, W width of a row, G key heads.
import { type Device, dtypeBytes } from '../kernels/index.ts';
import {
  attention,
  cast,
  currentDevice,
  fromArray,
  keep,
  narrow,
  type PagedPool,
  reshape,
  type Sequences,
  split,
  type Tensor,
  zeros,
} from '../tensor/index.ts';
import { describeBlocks } from './architecture/index.ts';
import type { AttentionForm, ModelConfig } from './config.ts';
import { cacheWidth } from './cost.ts';
import { ModelError } from './errors.ts';

/** Where keys and values stand in a row. Widths in values; key head 0 begins at 0, value head 0 at valueOffset. */
export interface RowLayout {
  readonly keyHeads: number;
  readonly keyWidth: number;
  readonly valueWidth: number;
  readonly valueOffset: number;
}

/** Keys [S, G, Dk] and values [S, G, Dv] of every head, in the format of the queries. */
export interface HeadRows {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** What softmax is taken of. */
export interface AttentionMask {
  /** The factor of the products of queries and keys. */
  readonly scale: number;
  /** How many keys a query sees, itself included; null: all up to its own. */
  readonly window: number | null;
}

/** The batch's own tokens as one attention layer hands them to a cache, and the two ways to attend to rows. */
export interface FreshTokens {
  readonly sequences: Sequences;
  readonly mask: AttentionMask;
  /** Computes the rows [T, W] to be kept, f32 or in the format of the queries. */
  rows(): Tensor;
  /** Writes the same rows to slots [T] i32 of a pool, in one pass. */
  write(pool: PagedPool, slots: Tensor): void;
  /** Computes keys and values of the batch's own tokens. */
  heads(): HeadRows;
  /** Expanded form: computes keys and values from rows [S, W]. */
  expand(rows: Tensor): HeadRows;
  /** Absorbed form: `attend` reads rows where they lie, with queries [T, H, keyWidth], and gives [T, H, valueWidth]. */
  absorb(q: Tensor, attend: (q: Tensor, layout: RowLayout) => Tensor): Tensor;
}

export interface Cache {
  /** Keeps the fresh tokens of a layer and attends to all of their sequences: q [T, H, Dk] to [T, H, Dv]. */
  attend(layer: number, q: Tensor, fresh: FreshTokens): Tensor;
}

/** Attends to rows [S, W] that lie in a tensor, in the format of q. */
function attendRows(q: Tensor, rows: Tensor, layout: RowLayout, sequences: Sequences, mask: AttentionMask): Tensor {
  const { keyHeads: G, keyWidth, valueWidth, valueOffset } = layout;
  const [S, width] = rows.shape as [number, number];
  const [keys, values] =
    valueOffset === 0
      ? [rows, split(rows, [G * valueWidth, width - G * valueWidth])[0]]
      : split(rows, [valueOffset, width - valueOffset]);
  const [k, v] = [reshape(keys, [S, G, keyWidth]), reshape(values, [S, G, valueWidth])];
  const [own, behind] = [k, v].map((x) => cast(x, q.dtype as 'f32' | 'bf16')) as [Tensor, Tensor];
  return attention(q, own, behind, sequences, mask);
}

/** No cache: the batch is all there is. */
export function batchAlone(form: AttentionForm = 'expanded'): Cache {
  return {
    attend: (_, q, fresh) => {
      const { sequences, mask } = fresh;
      if (form === 'absorbed')
        return fresh.absorb(q, (queries, layout) => attendRows(queries, fresh.rows(), layout, sequences, mask));
      const { keys, values } = fresh.heads();
      return attention(q, keys, values, sequences, mask);
    },
  };
}

export interface ContiguousCacheOptions {
  /** @default the current device */
  readonly device?: Device;
  /** @default expanded */
  readonly form?: AttentionForm;
}

/** The cache of one sequence, MTP modules included, of at most `capacity` tokens. `advance` after each forward pass. */
export class ContiguousCache implements Cache {
  readonly capacity: number;
  readonly #device: Device;
  readonly #form: AttentionForm;
  readonly #layers: Tensor[];
  #length = 0;

  constructor(config: ModelConfig, capacity: number, options: ContiguousCacheOptions = {}) {
    const { device = currentDevice(), form = 'expanded' } = options;
    this.capacity = capacity;
    this.#device = device;
    this.#form = form;
    const shape = [capacity, cacheWidth(config)];
    const { mtpModules } = describeBlocks(config);
    this.#layers = Array.from({ length: config.numHiddenLayers + mtpModules }, () => keep(zeros(shape, { device })));
  }

  /** The number of tokens in the cache. */
  get length(): number {
    return this.#length;
  }

  attend(layer: number, q: Tensor, fresh: FreshTokens): Tensor {
    const rows = this.#append(layer, cast(fresh.rows(), 'f32'));
    const i32 = (...values: number[]) => fromArray(Int32Array.from(values), [values.length], { device: this.#device });
    const keyStart = i32(0, rows.shape[0]);
    const sequences = { ...fresh.sequences, keyStart, firstPosition: i32(this.#length) };
    const { mask } = fresh;
    if (this.#form === 'absorbed')
      return fresh.absorb(q, (queries, layout) => attendRows(queries, rows, layout, sequences, mask));
    const { keys, values } = fresh.expand(rows);
    return attention(q, keys, values, sequences, mask);
  }

  /** Adds rows [T, W] to a layer; returns all of its rows. */
  #append(layer: number, rows: Tensor): Tensor {
    const [T, width] = rows.shape as [number, number];
    const end = this.#length + T;
    if (end > this.capacity)
      throw new ModelError('cache', `${end} tokens, room for ${this.capacity}`, 'make the cache larger');
    const all = this.#layers[layer];
    const to = all.address + this.#length * width * dtypeBytes[all.dtype];
    this.#device.run('copy_bytes', { from: rows, to, n: rows.bytes });
    all.storage.change();
    return narrow(all, 0, end);
  }

  /** Counts `tokens` as cached; call it once all layers have them. */
  advance(tokens: number): void {
    this.#length += tokens;
  }

  dispose(): void {
    for (const layer of this.#layers) layer.dispose();
  }
}
