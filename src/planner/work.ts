// What a model does for a token, as figures: parameters, FLOPs of training, prefill and decoding, bytes of weights and
// of cache. The counts are those of src/model/cost.ts, so that `minke inspect`, ledgers, and plans agree.
import type { ModelConfig } from '../model/config.ts';
import { cacheBytesPerToken, countParameters, flopsPerToken, weightBytes } from '../model/cost.ts';
import { PlanError } from './errors.ts';
import { derive, type Figure, given } from './figure.ts';

/** Throws PlanError unless a number is above zero and finite. */
export function expectPositive(name: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return;
  throw new PlanError(name, `expected a number above 0, received ${value}`, 'correct it');
}

/** Throws PlanError unless a number is whole and above zero. */
export function expectCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new PlanError(name, `expected a whole number above 0, received ${value}`, 'correct it');
}

/** Whether scores count all pairs of a sequence, or only those that a causal mask leaves (half of them). */
export type ScoreCount = 'causal' | 'all pairs';

const counted = 'counted from the configuration';

export interface ParameterFigures {
  readonly total: Figure;
  readonly active: Figure;
  /** Those that a token multiplies with: active ones without the look-up of the embedding. */
  readonly multiplied: Figure;
}

export function parameterFigures(config: ModelConfig): ParameterFigures {
  const { total, active, mtp } = countParameters(config);
  const source = `${counted}, without MTP modules (${mtp.toLocaleString('en-US')})`;
  return {
    total: given('parameters', total, { source }),
    active: given('active parameters', active, { source: `${counted}, embedding and head included` }),
    multiplied: given('multiplied parameters', flopsPerToken(config, 0).prefill / 2, {
      source: `${counted}: active parameters without the look-up of the embedding; a tied embedding is the head`,
    }),
  };
}

/** Returns the FLOPs of training on one token in sequences of `context`, without MTP modules. */
export function trainingFlops(config: ModelConfig, context: number, count: ScoreCount = 'causal'): Figure {
  expectCount('context', context);
  const linear = flopsPerToken(config, 0).training;
  const causal = flopsPerToken(config, context).training - linear;
  const pairs = given(`score FLOPs, ${count}`, count === 'causal' ? causal : 2 * causal, {
    unit: 'FLOP/token',
    source: `${counted}: 3 passes x 2 x heads x (query-key width + value width) x layers x keys, at ${context} tokens`,
  });
  const { multiplied } = parameterFigures(config);
  return derive(
    `training FLOPs a token, ${count}`,
    'FLOP/token',
    '6 x multiplied + scores',
    { multiplied, scores: pairs },
    (v) => 6 * v.multiplied + v.scores,
  );
}

/** Returns the FLOPs that training the MTP modules adds to a token. */
export function mtpFlops(config: ModelConfig, context: number): Figure {
  return given('MTP FLOPs a token', flopsPerToken(config, context).mtpTraining, {
    unit: 'FLOP/token',
    source: `${counted}: the modules' matrices, their scores, and the head once more, 3 passes`,
  });
}

/** Returns the FLOPs of one token of a prompt of `context` tokens, and of one generated after them. */
export function inferenceFlops(
  config: ModelConfig,
  context: number,
): { readonly prefill: Figure; readonly decode: Figure } {
  expectCount('context', context);
  const { prefill, decode } = flopsPerToken(config, context);
  const unit = 'FLOP/token';
  return {
    prefill: given('prefill FLOPs a token', prefill, { unit, source: `${counted}, causal, ${context} tokens` }),
    decode: given('decode FLOPs a token', decode, {
      unit,
      source: `${counted}, attention in its absorbed form over ${context} tokens`,
    }),
  };
}

export type WeightFormat = 'f32' | 'bf16' | 'fp8';
export type CacheFormat = 'bf16' | 'fp8';

export function weightFigure(config: ModelConfig, format: WeightFormat): Figure {
  return given(`weights in ${format}`, weightBytes(config)[format], {
    unit: 'B',
    source: `${counted}, with MTP modules${format === 'fp8' ? '; blocks of 128 x 128, each with a scale' : ''}`,
  });
}

/** Returns the cache bytes of a token; unknown in FP8 where no format is defined (keys and values of heads). */
export function cacheFigure(config: ModelConfig, format: CacheFormat = 'bf16'): Figure {
  return given(`cache in ${format}`, cacheBytesPerToken(config)[format], {
    unit: 'B/token',
    source: `${counted}: the latent and the rotary key of each layer with MLA, else keys and values of its heads`,
  });
}
