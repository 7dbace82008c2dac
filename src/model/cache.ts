// What attention keeps of the tokens it has seen: rows of each layer, in the order of their positions.
//
// MLA keeps [normed c_kv | rotated k_pe] (V3 report, section 2.1.1), GQA the rotated keys and the values. Where the rows
// live is the cache's affair: the engine brings pages, which `attend` reads in place. Here: one sequence, one piece of
// memory a layer. Left out: several sequences, eviction.
import { type Device, widthOf } from '../kernels/index.ts';
import {
  currentDevice,
  fromArray,
  keep,
  narrow,
  type RopeTensors,
  type Sequences,
  type Tensor,
  zeros,
} from '../tensor/index.ts';
import { isDeepseek, type ModelConfig } from './config.ts';
import { cacheWidth } from './cost.ts';
import { ModelError } from './errors.ts';

/** Where keys and values stand in a row of the cache, and how scores are scaled. Widths in values. */
export interface RowLayout {
  readonly keyHeads: number;
  readonly keyWidth: number;
  readonly valueWidth: number;
  /** Value of key head 0; the head's key itself begins at 0. */
  readonly valueOffset: number;
  readonly scale: number;
}

/** What turns kv_a_proj's output [T, C + R] into the row that MLA keeps. */
export interface LatentNorm {
  /** [C] */
  readonly gain: Tensor;
  readonly eps: number;
  /** [T] i32 */
  readonly positions: Tensor;
  readonly table: RopeTensors;
}

export interface Cache {
  /** Of MLA: rows are every head's key and value instead of the latent, as training computes them. */
  readonly keepsHeads?: boolean;
  /** Adds rows [T, width] of the batch's tokens to a layer. */
  store(layer: number, rows: Tensor): void;
  /** The same from kv_a_proj's output, in one pass; absent: the model makes the rows. */
  storeLatent?(layer: number, kv: Tensor, norm: LatentNorm): void;
  /** All rows of the batch's sequences end to end, those just stored included: [S, width], and where they begin. */
  rows(layer: number, sequences: Sequences): { rows: Tensor; sequences: Sequences };
  /** Attends to all rows where they lie: q [T, H, keyWidth] to [T, H, valueWidth]; absent: `rows` is the only way. */
  attend?(layer: number, q: Tensor, layout: RowLayout): Tensor;
}

/** The cache of one sequence, MTP modules included, of at most `capacity` tokens. `advance` after each forward pass. */
export class ContiguousCache implements Cache {
  readonly capacity: number;
  readonly #device: Device;
  readonly #layers: Tensor[];
  #length = 0;
  /** Tokens that the batch under way adds. */
  #added = 0;

  constructor(config: ModelConfig, capacity: number, device: Device = currentDevice()) {
    this.capacity = capacity;
    this.#device = device;
    const shape = [capacity, cacheWidth(config)];
    const modules = isDeepseek(config) ? config.numNextnPredictLayers : 0;
    this.#layers = Array.from({ length: config.numHiddenLayers + modules }, () => keep(zeros(shape, { device })));
  }

  /** Tokens held. */
  get length(): number {
    return this.#length;
  }

  store(layer: number, rows: Tensor): void {
    const [T, width] = rows.shape as [number, number];
    this.#added = T;
    const end = this.#length + T;
    if (end > this.capacity)
      throw new ModelError('cache', `${end} tokens, room for ${this.capacity}`, 'make the cache larger');
    const all = this.#layers[layer];
    const to = all.address + this.#length * width * widthOf[all.dtype];
    this.#device.run('copy_bytes', { from: rows, to, n: rows.bytes });
    all.storage.change();
  }

  rows(layer: number, sequences: Sequences): { rows: Tensor; sequences: Sequences } {
    const end = this.#length + this.#added;
    const i32 = (...values: number[]) => fromArray(Int32Array.from(values), [values.length], { device: this.#device });
    return {
      rows: narrow(this.#layers[layer], 0, end),
      sequences: { ...sequences, keyStart: i32(0, end), firstPosition: i32(this.#length) },
    };
  }

  /** To be called once all layers have been extended by `tokens`. */
  advance(tokens: number): void {
    this.#length += tokens;
  }

  dispose(): void {
    for (const layer of this.#layers) layer.dispose();
  }
}
