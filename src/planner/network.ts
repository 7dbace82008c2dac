// Communication between devices: all-to-all of experts in training, its ceiling in decoding, and sums of gradients.
//
// Dispatch sends FP8 codes with a scale for each 128 values, combine BF16. Sources: DeepSeek-V3 report, sections 3.2 to
// 3.4; Insights into DeepSeek-V3 (arXiv 2505.09343), section 2.3.
import { describeBlocks } from '../model/architecture/index.ts';
import type { ModelConfig } from '../model/config.ts';
import { countMoeLayers } from '../model/parameters.ts';
import { derive, type Figure, given } from './figure.ts';

const fromConfig = { source: 'the configuration' };

/** Returns the bytes that a token sends to other nodes in one forward pass; `nodes`: to how many at most. */
export function dispatchBytes(config: ModelConfig, nodes: number): Figure {
  const { experts } = describeBlocks(config);
  const copies = experts === null ? 0 : Math.min(nodes, experts.router.numExpertsPerTok);
  return derive(
    'all-to-all bytes a token, forward',
    'B/token',
    'copies x (hidden + 4 ceil(hidden / 128) + 2 hidden) x layers',
    {
      copies: given('copies', copies, { source: 'nodes that hold experts of a token, at most' }),
      hidden: given('hidden', config.hiddenSize, fromConfig),
      layers: given('layers with experts', countMoeLayers(config), fromConfig),
    },
    (v) => v.copies * (v.hidden + 4 * Math.ceil(v.hidden / 128) + 2 * v.hidden) * v.layers,
  );
}

/**
 * Returns how busy a device's link to other nodes is in training, as a share of its bandwidth. Backward sends as many
 * bytes as forward: the gradients of what was combined and dispatched.
 */
export function allToAllShare(forward: Figure, tokensPerSecond: Figure, bandwidth: Figure): Figure {
  return derive(
    'all-to-all, share of the network',
    'share',
    '2 x forward x speed / bandwidth',
    { forward, speed: tokensPerSecond, bandwidth },
    (v) => (2 * v.forward * v.speed) / v.bandwidth,
  );
}

export interface DecodeExchange {
  readonly hidden: number;
  /** Routed and shared experts of a token. */
  readonly experts: number;
  readonly layers: number;
  /** Tokens of a device in one of the two micro-batches. */
  readonly tokens: number;
  /** Bytes a second of a device's link. */
  readonly bandwidth: number;
}

/**
 * Returns the least time of an output token that the exchange between devices allows: dispatch in FP8 (1 byte) and
 * combine in BF16 (2 bytes) of each of two micro-batches in each layer, all computation hidden behind it.
 */
export function decodeCeiling({ hidden, experts, layers, tokens, bandwidth }: DecodeExchange): Figure {
  const asked = { source: 'asked' };
  return derive(
    'time of an output token, network only',
    's',
    '2 x layers x 3 B x tokens x experts x hidden / bandwidth',
    {
      layers: given('layers', layers, asked),
      tokens: given('tokens', tokens, asked),
      experts: given('experts', experts, asked),
      hidden: given('hidden', hidden, asked),
      bandwidth: given('bandwidth', bandwidth, { ...asked, unit: 'B/s' }),
    },
    (v) => (2 * v.layers * 3 * v.tokens * v.experts * v.hidden) / v.bandwidth,
  );
}

/** Returns the time of summing gradients over `ranks` and sending back parameters, with rings, ZeRO-1. */
export function gradientSum(gradientBytes: Figure, parameterBytes: Figure, ranks: number, bandwidth: Figure): Figure {
  return derive(
    'sum of gradients, a step',
    's',
    '(ranks - 1) / ranks x (gradients + parameters) / bandwidth',
    {
      ranks: given('ranks', ranks, { source: 'data parallelism' }),
      gradients: gradientBytes,
      parameters: parameterBytes,
      bandwidth,
    },
    (v) => (((v.ranks - 1) / v.ranks) * (v.gradients + v.parameters)) / v.bandwidth,
  );
}
