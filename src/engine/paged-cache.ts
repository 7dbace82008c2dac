// The model's cache as pages: one pool of blocks a layer, MTP modules included. Two strategies share the blocks' memory
// layout: LatentPages serves, HeadPages gives exact rollouts.
//
// Both write fresh rows to their slots. A chunk of a prompt sees the same rows however the prompt was cut.
import { type Cache, cacheWidth, type FreshTokens, isDeepseek, type ModelConfig } from '../model/index.ts';
import {
  attention,
  concat,
  keep,
  PagedPool,
  pagedAttention,
  readCache,
  reshape,
  type Tensor,
  unscoped,
  writeCache,
} from '../tensor/index.ts';
import type { Phase } from './runner.ts';
import type { StepInputViews, StepShape } from './step-inputs.ts';

export type CacheFormat = 'f32' | 'bf16' | 'fp8';

/** Blocks of cache for all layers of a model. */
export interface PagedCache {
  readonly blocks: number;
  /** Whether attention computes the same bits in prefill and decode. */
  readonly phasesAgree: boolean;
  /** Queues a copy of a block in all layers. */
  copyBlock(from: number, to: number): void;
  /** Returns the cache as attention sees it during one step. */
  during(phase: Phase, shape: StepShape, inputs: StepInputViews): Cache;
  dispose(): void;
}

/** The number of layers with a cache. */
function countLayers(config: ModelConfig): number {
  return config.numHiddenLayers + (isDeepseek(config) ? config.numNextnPredictLayers : 0);
}

function poolOptions(config: ModelConfig, format: CacheFormat) {
  const codes = format === 'fp8' && isDeepseek(config) ? { codes: config.kvLoraRank } : {};
  return { format, width: cacheWidth(config), ...codes };
}

/** Returns the bytes of one block of LatentPages in all layers. */
export function latentBlockBytes(config: ModelConfig, format: CacheFormat): number {
  const pool = unscoped(() => new PagedPool({ ...poolOptions(config, format), blocks: 1 }));
  const bytes = pool.bytes * countLayers(config);
  pool.dispose();
  return bytes;
}

class Pools {
  readonly blocks: number;
  protected readonly pools: readonly PagedPool[];

  constructor(layers: number, options: ConstructorParameters<typeof PagedPool>[0]) {
    this.blocks = options.blocks;
    this.pools = unscoped(() => Array.from({ length: layers }, () => keep(new PagedPool(options))));
  }

  /** Attends to rows where they lie. */
  protected attendInPlace(
    layer: number,
    q: Tensor,
    heads: Parameters<typeof pagedAttention>[3],
    { maxChunkRows: maxQueries }: StepShape,
    { tables, lengths, starts: queryStart }: StepInputViews,
  ): Tensor {
    return pagedAttention(q, this.pools[layer], { tables, lengths, queryStart, maxQueries }, heads);
  }

  copyBlock(from: number, to: number): void {
    for (const pool of this.pools) pool.copyBlock(from, to);
  }

  dispose(): void {
    for (const pool of this.pools) pool.dispose();
  }
}

/**
 * Rows as the model defines them (MLA's latents, GQA's keys and values). Prefill reads all rows back; decode does not.
 */
export class LatentPages extends Pools implements PagedCache {
  readonly phasesAgree = false;

  constructor(config: ModelConfig, blocks: number, format: CacheFormat = 'bf16') {
    super(countLayers(config), { ...poolOptions(config, format), blocks });
  }

  during(phase: Phase, shape: StepShape, inputs: StepInputViews): Cache {
    return {
      attend: (layer, q, fresh) => {
        fresh.write(this.pools[layer], inputs.slots);
        const { scale } = fresh;
        if (phase === 'prefill') return this.#attendExpanded(layer, q, fresh, shape, inputs);
        return fresh.absorb(q, (own, layout) => this.attendInPlace(layer, own, { ...layout, scale }, shape, inputs));
      },
    };
  }

  #attendExpanded(layer: number, q: Tensor, fresh: FreshTokens, shape: StepShape, inputs: StepInputViews): Tensor {
    const { tables, keyStarts, first } = inputs;
    const { keys, values } = fresh.expand(readCache(this.pools[layer], tables, keyStarts, shape.keys));
    const sequences = { ...fresh.sequences, keyStart: keyStarts, firstPosition: first };
    return attention(q, keys, values, sequences, { scale: fresh.scale });
  }
}

function headWidths(config: ModelConfig) {
  if (!isDeepseek(config))
    return { heads: config.numKeyValueHeads, keyWidth: config.headDim, valueWidth: config.headDim };
  const { numAttentionHeads: heads, qkNopeHeadDim, qkRopeHeadDim, vHeadDim: valueWidth } = config;
  return { heads, keyWidth: qkNopeHeadDim + qkRopeHeadDim, valueWidth };
}

/** Keys and values of every head in f32, for prefill and decode alike: the bits of a training step. */
export class HeadPages extends Pools implements PagedCache {
  readonly phasesAgree = true;

  constructor(config: ModelConfig, blocks: number) {
    const { heads, keyWidth, valueWidth } = headWidths(config);
    super(countLayers(config), { format: 'f32', width: heads * (keyWidth + valueWidth), blocks });
  }

  during(_: Phase, shape: StepShape, inputs: StepInputViews): Cache {
    return {
      attend: (layer, q, fresh) => {
        const { keys, values } = fresh.heads();
        const [T, keyHeads, keyWidth] = keys.shape as [number, number, number];
        const valueWidth = values.shape[2];
        const valueOffset = keyHeads * keyWidth;
        const rows = concat([reshape(keys, [T, valueOffset]), reshape(values, [T, keyHeads * valueWidth])]);
        writeCache(this.pools[layer], rows, inputs.slots);
        const layout = { keyHeads, keyWidth, valueWidth, valueOffset, scale: fresh.scale };
        return this.attendInPlace(layer, q, layout, shape, inputs);
      },
    };
  }
}
