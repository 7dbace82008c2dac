// How long a context may be, and how large the cache: from what is free, so that a model opens without flags.
//
// A cache takes memory as it fills. By default it gets at most half of what is left beside the weights: other programs
// and the steps themselves need the rest.
import { blockTokens } from '../kernels/index.ts';
import { formatSize } from '../math/index.ts';
import { CheckpointError } from '../model/checkpoint/index.ts';

export interface CacheDemand {
  /** The model's longest context. */
  readonly maxContext: number;
  /** Bytes of a block of the cache in all layers. */
  readonly blockBytes: number;
  /** Bytes of a token in tables of positions. */
  readonly positionBytes: number;
  /** Requested: nothing else is then opened. */
  readonly contextLength?: number | undefined;
  /** Sequences that run at once: more contexts than these are not kept by default. */
  readonly sequences: number;
  /** Requested memory for the cache; at least one whole context is taken. */
  readonly cacheBytes?: number | undefined;
}

export interface CacheSize {
  readonly contextLength: number;
  readonly blocks: number;
  readonly bytes: number;
}

/** The most that is taken by default for more sequences than one. */
const usualBytes = 2 ** 30;
/** The shortest context that is opened by default. */
const minContext = 256;

const whole = (n: number) => n.toLocaleString('en-US');

/** Rounds a context down to thousands, or to blocks where it is short. */
function roundContext(tokens: number): number {
  const step = tokens >= 1024 ? 1024 : blockTokens;
  return Math.floor(tokens / step) * step;
}

/** Sizes a cache. Throws CheckpointError where `freeBytes`, what is free beside the weights, do not hold a context. */
export function sizeCache(demand: CacheDemand, freeBytes: number, where: string): CacheSize {
  const { maxContext, blockBytes, positionBytes, cacheBytes } = demand;
  const free = Math.max(0, freeBytes);
  const fitting = (bytes: number) =>
    Math.min(maxContext, roundContext(bytes / (blockBytes / blockTokens + positionBytes)));
  const contextLength = Math.min(maxContext, demand.contextLength ?? fitting(free / 2));
  const needed = Math.ceil((contextLength + 1) / blockTokens);
  const usual = () => Math.min(usualBytes, free / 2, demand.sequences * needed * blockBytes);
  const blocks = Math.max(needed, Math.floor((cacheBytes ?? usual()) / blockBytes));
  const bytes = blocks * blockBytes;
  if (demand.contextLength === undefined && contextLength < Math.min(minContext, maxContext))
    throw new CheckpointError(
      where,
      `no room for a context: ${formatSize(free)} are free beside its weights`,
      'end other programs, or open it in fewer bits: --dtype int4, --cache-dtype int8',
    );
  if (bytes + contextLength * positionBytes > free) {
    const longest = Math.max(blockTokens, fitting(free / 2));
    const [flag, remedy] =
      blocks > needed ? ['--cache-memory', 'lower it'] : ['--context', `lower it: ${longest} fits with room to spare`];
    throw new CheckpointError(
      where,
      `${flag}: a cache of ${formatSize(bytes)} for contexts of ${whole(contextLength)} tokens, ` +
        `${formatSize(free)} are free beside the weights`,
      remedy,
    );
  }
  return { contextLength, blocks, bytes };
}

/** Says in a line what was chosen, and from what. */
export function describeCache({ contextLength, bytes }: CacheSize, maxContext: number, freeBytes: number): string {
  const length = contextLength < maxContext ? `${whole(contextLength)} of ${whole(maxContext)}` : whole(contextLength);
  return (
    `context ${length} tokens: ${formatSize(bytes)} for the cache, ` +
    `${formatSize(Math.max(0, freeBytes))} free; --context changes it`
  );
}
