// The model's cache as pages: one pool of blocks a layer, MTP modules included; rows go to their slots, attention reads
// them where they lie, and prompts read back what was stored, so that a prompt's pieces see what the whole would.
import {
  type Cache,
  cacheWidth,
  isDeepseek,
  type LatentNorm,
  type ModelConfig,
  type RowLayout,
} from '../model/index.ts';
import {
  keep,
  PagedPool,
  pagedAttention,
  readCache,
  type Sequences,
  type Tensor,
  unscoped,
  writeCache,
  writeLatentCache,
} from '../tensor/index.ts';
import type { StepShape, viewStepInputs } from './step-inputs.ts';

export type CacheFormat = 'f32' | 'bf16' | 'fp8';

/** What the pages hold. heads, of MLA: every head's key and value in f32, the bits of a training step. */
export interface CacheContent {
  readonly format: CacheFormat;
  readonly keepsHeads?: boolean;
}

function rowWidth(config: ModelConfig, keepsHeads: boolean): number {
  if (!keepsHeads || !isDeepseek(config)) return cacheWidth(config);
  return config.numAttentionHeads * (config.qkNopeHeadDim + config.qkRopeHeadDim + config.vHeadDim);
}

/** Layers that keep rows. */
function countLayers(config: ModelConfig): number {
  return config.numHiddenLayers + (isDeepseek(config) ? config.numNextnPredictLayers : 0);
}

/** Bytes of a block of 64 tokens in all layers. */
export function blockBytes(config: ModelConfig, content: CacheContent): number {
  const [pool] = openPools(config, content, 1) as [PagedPool];
  const bytes = pool.bytes * countLayers(config);
  pool.dispose();
  return bytes;
}

function openPools(config: ModelConfig, content: CacheContent, blocks: number, layers = 1): PagedPool[] {
  const { format, keepsHeads = false } = content;
  const codes = format === 'fp8' && isDeepseek(config) ? { codes: config.kvLoraRank } : {};
  const options = { format, width: rowWidth(config, keepsHeads), blocks, ...codes };
  return unscoped(() => Array.from({ length: layers }, () => keep(new PagedPool(options))));
}

/** A pool for each layer; the caller disposes them. */
export function pagedPools(config: ModelConfig, content: CacheContent, blocks: number): PagedPool[] {
  return openPools(config, content, blocks, countLayers(config));
}

/** The cache during one step. */
export class PagedCache implements Cache {
  readonly keepsHeads: boolean;
  readonly #pools: readonly PagedPool[];
  readonly #shape: StepShape;
  readonly #views: ReturnType<typeof viewStepInputs>;

  constructor(
    pools: readonly PagedPool[],
    keepsHeads: boolean,
    shape: StepShape,
    views: ReturnType<typeof viewStepInputs>,
  ) {
    this.keepsHeads = keepsHeads;
    this.#pools = pools;
    this.#shape = shape;
    this.#views = views;
  }

  store(layer: number, rows: Tensor): void {
    writeCache(this.#pools[layer], rows, this.#views.slots);
  }

  storeLatent(layer: number, kv: Tensor, { gain, eps, positions, table }: LatentNorm): void {
    writeLatentCache(this.#pools[layer], kv, gain, positions, this.#views.slots, table, eps);
  }

  rows(layer: number, { queryStart, maxQueries }: Sequences): { rows: Tensor; sequences: Sequences } {
    const { tables, keyStarts, first } = this.#views;
    const rows = readCache(this.#pools[layer], tables, keyStarts, this.#shape.keys);
    return { rows, sequences: { queryStart, maxQueries, keyStart: keyStarts, firstPosition: first } };
  }

  attend(layer: number, q: Tensor, layout: RowLayout): Tensor {
    const { tables, lengths, starts } = this.#views;
    const sequences = { tables, lengths, queryStart: starts, maxQueries: this.#shape.maxChunkRows };
    return pagedAttention(q, this.#pools[layer], sequences, layout);
  }
}
