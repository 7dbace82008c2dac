// The plan of serving a model: memory, prefill and decode rooflines, and what a million tokens costs.
//
// Experts are divided among the devices and everything else is copied to each (DeepSeek's deployment); a dense model is
// divided with tensor parallelism. A decode step takes the longest of reading memory, arithmetic, and the exchange
// between devices, which two micro-batches overlap. Shares of peak rates: those that DeepSeek's published day reached.
import { describeBlocks } from '../model/architecture/index.ts';
import type { ModelConfig } from '../model/config.ts';
import { countParameters } from '../model/cost.ts';
import { countMoeLayers } from '../model/parameters.ts';
import type { Band, PriceBand } from './band.ts';
import { PlanError } from './errors.ts';
import { derive, type Figure, given } from './figure.ts';
import type { Hardware } from './market.ts';
import { priceFigure, usableMemory } from './training.ts';
import {
  type CacheFormat,
  cacheFigure,
  expectCount,
  expectPositive,
  inferenceFlops,
  type WeightFormat,
  weightFigure,
} from './work.ts';

/** Shares of the BF16 peak and of the memory bandwidth that serving reaches. */
export const servingShares: { readonly prefill: Band; readonly bandwidth: Band } = {
  prefill: { low: 0.25, middle: 0.34, high: 0.45 },
  bandwidth: { low: 0.4, middle: 0.6, high: 0.8 },
};
/** A probe measures what kernels reach, so that the engine is close to it. */
const measuredShares = { low: 0.7, middle: 0.85, high: 1 };
const prefillSource = "34 %: DeepSeek's day, 73.7K tokens a second and node with 56 % hits; the ends are assumptions";

export interface ServingQuestion {
  readonly config: ModelConfig;
  readonly hardware: Hardware;
  readonly devices: number;
  readonly weights: WeightFormat;
  readonly cache: CacheFormat;
  /** Tokens of a prompt, and of an answer. */
  readonly input: number;
  readonly output: number;
  /** The share of the prompt's tokens whose cache is kept from earlier requests. */
  readonly hits: number;
  /** Sequences at once on all devices; null: as many as memory has room for. */
  readonly batch: number | null;
  /** The share of MTP's drafts that are right; 0: none are made. */
  readonly acceptance: number;
  readonly price: PriceBand | null;
}

export interface ServingPlan {
  readonly weights: Figure;
  readonly weightsPerDevice: Figure;
  readonly cachePerToken: Figure;
  readonly maxBatch: Figure;
  readonly batch: Figure;
  readonly expertsHit: Figure | null;
  /** Times of a decode step by what bounds it. */
  readonly memoryTime: Figure;
  readonly arithmeticTime: Figure;
  readonly exchangeTime: Figure;
  readonly stepTime: Figure;
  readonly speedup: Figure;
  readonly tokensPerSecondUser: Figure;
  readonly decodeSpeed: Figure;
  readonly prefillSpeed: Figure;
  readonly inputPrice: Figure;
  readonly outputPrice: Figure;
}

/** Returns the expected distinct experts that `batch` tokens use, each one `chosen` of `experts` at random. */
export function expertsHit(experts: number, chosen: number, batch: number): Figure {
  return derive(
    'distinct experts hit',
    '',
    'experts x (1 - (1 - chosen / experts)^batch)',
    {
      experts: given('experts', experts, { source: 'the configuration' }),
      chosen: given('chosen', chosen, { source: 'the configuration' }),
      batch: given('batch', batch, { source: 'asked' }),
    },
    (v) => v.experts * (1 - (1 - v.chosen / v.experts) ** v.batch),
  );
}

/** Returns how many times as fast decoding is with drafts of one module. cost: of a draft, in steps of the model. */
export function draftSpeedup(acceptance: number, cost: number): Figure {
  return derive(
    'speed-up by drafts',
    'x',
    '(1 + acceptance) / (1 + cost)',
    {
      acceptance: given('acceptance', acceptance, { source: 'asked; V3 report: 85 to 90 %' }),
      cost: given('cost', cost, { source: 'one layer of the model for a draft' }),
    },
    (v) => (1 + v.acceptance) / (1 + v.cost),
  );
}

function expectShare(name: string, value: number): void {
  if (value >= 0 && value <= 1) return;
  throw new PlanError(name, `expected a share from 0 to 1, received ${value}`, 'correct it');
}

function checkQuestion({ devices, input, output, hits, batch, acceptance, config }: ServingQuestion): void {
  expectCount('devices', devices);
  expectCount('input', input);
  expectCount('output', output);
  expectShare('hits', hits);
  expectShare('acceptance', acceptance);
  if (batch !== null) expectCount('batch', batch);
  if (input + output > config.maxPositionEmbeddings)
    throw new PlanError(
      'context',
      `${input} + ${output} tokens are more than the model's ${config.maxPositionEmbeddings}`,
      'ask for a shorter prompt or answer',
    );
}

/** What a device holds and reads of the weights: routed experts are divided; the rest is, where there are none. */
function weightFigures({ config, devices, weights: format }: ServingQuestion) {
  const { total, mtp, byGroup } = countParameters(config);
  const weights = weightFigure(config, format);
  const share = byGroup.routed.total / (total + mtp);
  const isMixture = describeBlocks(config).experts !== null;
  const inputs = {
    weights,
    routed: given('share of the main layers in routed experts', share, { source: 'counted from the configuration' }),
    devices: given('devices', devices, { source: 'asked' }),
  };
  const perDevice = isMixture
    ? derive(
        'weights of a device',
        'B',
        'weights x (1 - routed + routed / devices)',
        inputs,
        (v) => v.weights * (1 - v.routed + v.routed / v.devices),
      )
    : derive('weights of a device', 'B', 'weights / devices', inputs, (v) => v.weights / v.devices);
  return { weights, perDevice, share: inputs.routed, number: inputs.devices, isMixture };
}

function batchFigures(question: ServingQuestion, perDevice: Figure, cachePerToken: Figure) {
  const { hardware, devices, input, output, batch, weights } = question;
  const maxBatch = derive(
    'sequences that memory has room for',
    '',
    'devices x floor((usable x memory - weights) / (cache x (input + output)))',
    {
      devices: given('devices', devices, { source: 'asked' }),
      usable: given('usable share', usableMemory, { source: 'the rest is for buffers' }),
      memory: given('memory of a device', hardware.memoryBytes, { unit: 'B', source: hardware.source }),
      weights: perDevice,
      cache: cachePerToken,
      input: given('input', input, { source: 'asked' }),
      output: given('output', output, { source: 'asked' }),
    },
    (v) => v.devices * Math.max(0, Math.floor((v.usable * v.memory - v.weights) / (v.cache * (v.input + v.output)))),
  );
  const room = maxBatch.value?.middle ?? 0;
  const needed = `${((perDevice.value?.middle ?? 0) / 1e9).toPrecision(3)} GB of weights in ${weights} a device`;
  if (room === 0)
    throw new PlanError(
      'memory',
      `${needed} and one sequence of ${input + output} tokens do not fit ${hardware.name}`,
      'use more devices, a smaller format, or a shorter context',
    );
  if (batch !== null && batch > room)
    throw new PlanError('batch', `${batch} sequences do not fit, ${room} do`, 'ask for fewer, or use more devices');
  return { maxBatch, batch: given('batch', batch ?? room, { source: batch === null ? 'all that fit' : 'asked' }) };
}

/** Returns the time that the exchange between devices takes in a step. */
function exchange({ config, hardware, devices }: ServingQuestion, batch: Figure): Figure {
  const { experts } = describeBlocks(config);
  const isInside = devices <= hardware.devicesPerNode;
  const source = `${hardware.source}, ${isInside ? 'inside a node' : 'between nodes'}`;
  const rate = isInside ? hardware.linkBandwidth : hardware.networkBandwidth;
  const fromConfig = { source: 'the configuration' };
  const inputs = {
    batch,
    devices: given('devices', devices, { source: 'asked' }),
    hidden: given('hidden', config.hiddenSize, fromConfig),
    bandwidth: given('bandwidth', devices === 1 ? 1 : rate, { unit: 'B/s', source }),
  };
  if (experts === null) {
    const layers = given('layers', config.numHiddenLayers, fromConfig);
    return derive(
      'exchange, a step',
      's',
      '2 x 2 B x batch x hidden x layers x 2 (devices - 1) / devices / bandwidth',
      { ...inputs, layers },
      (v) => (8 * v.batch * v.hidden * v.layers * (v.devices - 1)) / v.devices / v.bandwidth,
    );
  }
  const layers = given('layers with experts', countMoeLayers(config), fromConfig);
  const chosen = given('experts of a token', experts.router.numExpertsPerTok, fromConfig);
  return derive(
    'exchange, a step',
    's',
    '3 B x batch / devices x chosen x hidden x layers x (devices - 1) / devices / bandwidth',
    { ...inputs, layers, chosen },
    (v) => (3 * v.batch * v.chosen * v.hidden * v.layers * (v.devices - 1)) / v.devices / v.devices / v.bandwidth,
  );
}

function decodeTimes(question: ServingQuestion, batch: Figure, cachePerToken: Figure) {
  const { config, hardware, input, output } = question;
  const { weights, share, number, isMixture } = weightFigures(question);
  const isProbed = hardware.measured !== null;
  const { experts } = describeBlocks(config);
  const hit = experts && expertsHit(experts.routed, experts.router.numExpertsPerTok, batch.value?.middle ?? 1);
  const context = given('mean context', input + output / 2, { source: 'the prompt and half of the answer' });
  const one = given('experts hit, share', 1, { source: 'a dense model reads all' });
  const all = given('experts', experts?.routed ?? 1, { source: 'the configuration' });
  const bandwidth = given('bandwidth', hardware.bandwidth, { unit: 'B/s', digits: 2, source: hardware.source });
  const reached = given('share of the bandwidth', isProbed ? measuredShares : servingShares.bandwidth, {
    digits: 1,
    source: 'an assumption',
  });
  const memory = { weights, routed: share, hit: hit ?? one, experts: all, devices: number };
  const memoryTime = derive(
    'reading memory, a step',
    's',
    isMixture
      ? '(weights x (1 - routed + routed x hit / experts / devices) + batch x cache x context / devices) ' +
          '/ (bandwidth x reached)'
      : '(weights + batch x cache x context) / devices / (bandwidth x reached)',
    { ...memory, batch, cache: cachePerToken, context, bandwidth, reached },
    (v) => {
      const read = isMixture
        ? v.weights * (1 - v.routed + (v.routed * v.hit) / v.experts / v.devices)
        : v.weights / v.devices;
      return (read + (v.batch * v.cache * v.context) / v.devices) / (v.bandwidth * v.reached);
    },
  );
  const peak = given('BF16 peak', hardware.flops.bf16, { unit: 'FLOP/s', source: hardware.source });
  const utilization = given('share of the peak', isProbed ? measuredShares : servingShares.prefill, {
    unit: 'share',
    digits: 2,
    source: prefillSource,
  });
  const { decode } = inferenceFlops(config, Math.round(input + output / 2));
  const arithmeticTime = derive(
    'arithmetic, a step',
    's',
    'batch x decode / devices / (peak x utilization)',
    { batch, decode, devices: number, peak, utilization },
    (v) => (v.batch * v.decode) / v.devices / (v.peak * v.utilization),
  );
  return { hit, memoryTime, arithmeticTime, exchangeTime: exchange(question, batch), peak, utilization, number };
}

function tokenPrice(name: string, speed: Figure, price: PriceBand | null, hardware: Hardware): Figure {
  const rent = priceFigure(`an hour of ${hardware.name}`, price);
  return derive(
    name,
    `${price?.currency ?? 'USD'}/M tokens`,
    '1,000,000 x price / 3600 / speed',
    { price: rent, speed },
    (v) => (1e6 * v.price) / 3600 / v.speed,
  );
}

/** Plans serving. Throws PlanError for quantities that cannot be, and for what does not fit. */
export function planServing(question: ServingQuestion): ServingPlan {
  checkQuestion(question);
  const { config, hardware, input, hits, acceptance, price } = question;
  const { weights, perDevice } = weightFigures(question);
  const cachePerToken = cacheFigure(config, question.cache);
  if (cachePerToken.value === null) throw new PlanError('cache', 'fp8 is defined for latents of MLA only', 'use bf16');
  const { maxBatch, batch } = batchFigures(question, perDevice, cachePerToken);
  const times = decodeTimes(question, batch, cachePerToken);
  const { memoryTime, arithmeticTime, exchangeTime, peak, utilization, number } = times;
  const stepTime = derive(
    'a decode step',
    's',
    'max(memory, arithmetic, exchange)',
    { memory: memoryTime, arithmetic: arithmeticTime, exchange: exchangeTime },
    (v) => Math.max(v.memory, v.arithmetic, v.exchange),
  );
  const speedup = draftSpeedup(acceptance, acceptance === 0 ? 0 : 1 / config.numHiddenLayers);
  const tokensPerSecondUser = derive(
    'tokens a second and user',
    'token/s',
    'speedup / step',
    { speedup, step: stepTime },
    (v) => v.speedup / v.step,
  );
  const decodeSpeed = derive(
    'tokens out, a second and device',
    'token/s',
    'batch x user / devices',
    { batch, user: tokensPerSecondUser, devices: number },
    (v) => (v.batch * v.user) / v.devices,
  );
  const { prefill } = inferenceFlops(config, input);
  expectPositive('share of the prompt to compute', 1 - hits + Number.EPSILON);
  const misses = given('share of the prompt that is computed', Math.max(1 - hits, 1 / input), { source: 'asked' });
  const prefillSpeed = derive(
    'tokens in, a second and device, hits included',
    'token/s',
    'peak x utilization / (prefill x misses)',
    { peak, utilization, prefill, misses },
    (v) => (v.peak * v.utilization) / (v.prefill * v.misses),
  );
  return {
    weights,
    weightsPerDevice: perDevice,
    cachePerToken,
    maxBatch,
    batch,
    expertsHit: times.hit,
    memoryTime,
    arithmeticTime,
    exchangeTime,
    stepTime,
    speedup,
    tokensPerSecondUser,
    decodeSpeed,
    prefillSpeed,
    inputPrice: tokenPrice('a million tokens in', prefillSpeed, price, hardware),
    outputPrice: tokenPrice('a million tokens out', decodeSpeed, price, hardware),
  };
}

/** Returns plans for powers of two of the batch up to what fits: latency against throughput. */
export function sweepBatch(question: ServingQuestion): readonly ServingPlan[] {
  const room = planServing({ ...question, batch: null }).maxBatch.value?.middle ?? 1;
  const batches = Array.from({ length: 31 }, (_, i) => 2 ** i).filter((batch) => batch < room);
  return [...batches, room].map((batch) => planServing({ ...question, batch }));
}
