// The model's cache as pages: one pool of blocks a layer, MTP modules included. Two strategies share the blocks' memory
// layout: LatentPages serves, HeadPages gives exact rollouts.
//
// Both write fresh rows to their slots. A chunk of a prompt sees the same rows however the prompt was cut.

import type { PoolFormat } from '../kernels/index.ts';
import { type Cache, cacheWidth, describeBlocks, type FreshTokens, isMla, type ModelConfig } from '../model/index.ts';
import {
  attention,
  type CachePool,
  HeadPool,
  headAttention,
  keep,
  PagedPool,
  type PagedSequences,
  pagedAttention,
  readCache,
  type Tensor,
  unscoped,
  writeHeads,
} from '../tensor/index.ts';
import type { Phase } from './runner.ts';
import type { StepInputViews, StepShape } from './step-inputs.ts';

export type CacheFormat = PoolFormat;

/** Blocks of cache for all layers of a model. */
export interface PagedCache {
  readonly blocks: number;
  /** Whether attention computes the same bits in prefill and decode. */
  readonly phasesAgree: boolean;
  /** How many tokens a token sees in any layer, itself included; null: all. */
  readonly window: number | null;
  /** Queues a copy of a block in all layers. */
  copyBlock(from: number, to: number): void;
  /** Returns the cache as attention sees it during one step. */
  during(phase: Phase, shape: StepShape, inputs: StepInputViews): Cache;
  dispose(): void;
}

/** The number of layers with a cache. */
function countLayers(config: ModelConfig): number {
  return config.numHiddenLayers + describeBlocks(config).mtpModules;
}

/** Returns the widest window of all layers; null where one of them sees everything. */
function widestWindow(config: ModelConfig): number | null {
  const { window } = describeBlocks(config);
  const windows = Array.from({ length: countLayers(config) }, (_, i) => window(i) ?? Number.POSITIVE_INFINITY);
  const widest = Math.max(...windows);
  return Number.isFinite(widest) ? widest : null;
}

/** In fp8 and int8, MLA's latent has a scale for each 128 numbers, a head of keys or values one of its own. */
function poolOptions(config: ModelConfig, format: CacheFormat) {
  const width = cacheWidth(config);
  if (format === 'f32' || format === 'bf16') return { format, width };
  return isMla(config)
    ? { format, width, codes: config.kvLoraRank }
    : { format, width, codes: width, tile: config.headDim };
}

/** Returns the bytes of one block of LatentPages in all layers. */
export function latentBlockBytes(config: ModelConfig, format: CacheFormat): number {
  const pool = unscoped(() => new PagedPool({ ...poolOptions(config, format), blocks: 1 }));
  const bytes = pool.bytes * countLayers(config);
  pool.dispose();
  return bytes;
}

/** One pool for each layer of a model. */
class Pools<Pool extends CachePool> {
  readonly blocks: number;
  readonly window: number | null;
  protected readonly pools: readonly Pool[];

  constructor(config: ModelConfig, blocks: number, open: () => Pool) {
    this.blocks = blocks;
    this.window = widestWindow(config);
    this.pools = unscoped(() => Array.from({ length: countLayers(config) }, () => keep(open())));
  }

  copyBlock(from: number, to: number): void {
    for (const pool of this.pools) pool.copyBlock(from, to);
  }

  dispose(): void {
    for (const pool of this.pools) pool.dispose();
  }
}

/** The sequences of a step as a pool holds them. */
function viewSequences({ maxChunkRows: maxQueries }: StepShape, inputs: StepInputViews): PagedSequences {
  const { tables, lengths, starts: queryStart } = inputs;
  return { tables, lengths, queryStart, maxQueries };
}

/**
 * Rows as the model defines them (MLA's latents, GQA's keys and values). Prefill reads all rows back; decode does not.
 */
export class LatentPages extends Pools<PagedPool> implements PagedCache {
  readonly phasesAgree = false;

  constructor(config: ModelConfig, blocks: number, format: CacheFormat = 'bf16') {
    super(config, blocks, () => new PagedPool({ ...poolOptions(config, format), blocks }));
  }

  during(phase: Phase, shape: StepShape, inputs: StepInputViews): Cache {
    return {
      attend: (layer, q, fresh) => {
        fresh.write(this.pools[layer], inputs.slots);
        if (phase === 'prefill') return this.#attendExpanded(layer, q, fresh, shape, inputs);
        const sequences = viewSequences(shape, inputs);
        return fresh.absorb(q, (own, layout) =>
          pagedAttention(own, this.pools[layer], sequences, { ...layout, ...fresh.mask }),
        );
      },
    };
  }

  #attendExpanded(layer: number, q: Tensor, fresh: FreshTokens, shape: StepShape, inputs: StepInputViews): Tensor {
    const { tables, keyStarts, first } = inputs;
    const { keys, values } = fresh.expand(readCache(this.pools[layer], tables, keyStarts, shape.keys));
    const sequences = { ...fresh.sequences, keyStart: keyStarts, firstPosition: first };
    return attention(q, keys, values, sequences, fresh.mask);
  }
}

function headWidths(config: ModelConfig) {
  if (!isMla(config)) return { heads: config.numKeyValueHeads, keyWidth: config.headDim, valueWidth: config.headDim };
  const { numAttentionHeads: heads, qkNopeHeadDim, qkRopeHeadDim, vHeadDim: valueWidth } = config;
  return { heads, keyWidth: qkNopeHeadDim + qkRopeHeadDim, valueWidth };
}

/**
 * Keys and values of every head, for prefill and decode alike: the bits of a training step whose attention has the
 * given format (PrecisionPolicy.attention).
 */
export class HeadPages extends Pools<HeadPool> implements PagedCache {
  readonly phasesAgree = true;

  constructor(config: ModelConfig, blocks: number, format: 'f32' | 'bf16') {
    super(config, blocks, () => new HeadPool({ format, blocks, ...headWidths(config) }));
  }

  during(_: Phase, shape: StepShape, inputs: StepInputViews): Cache {
    return {
      attend: (layer, q, fresh) => {
        const { keys, values } = fresh.heads();
        writeHeads(this.pools[layer], keys, values, inputs.slots);
        return headAttention(q, this.pools[layer], viewSequences(shape, inputs), fresh.mask);
      },
    };
  }
}
