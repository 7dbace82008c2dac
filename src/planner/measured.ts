// Plans for a machine that `minke probe` measured: its steps of small models, interpolated between their widths, take
// the place of published utilization. One device; micro-batches are what a step holds in memory at once.
import { describeBlocks } from '../model/architecture/index.ts';
import type { ModelConfig } from '../model/config.ts';
import { countParameters } from '../model/cost.ts';
import { PlanError } from './errors.ts';
import { derive, type Figure, given, total } from './figure.ts';
import type { Hardware, MeasuredStep } from './market.ts';
import { activationBytes, mixedFormats } from './training-memory.ts';
import { mtpFlops, trainingFlops } from './work.ts';

type Measured = Omit<MeasuredStep, 'experts' | 'width'>;

/** Interpolates between logarithms of two positive numbers; 0 stays 0. */
function between(low: number, high: number, weight: number): number {
  if (low === high || weight === 0) return low;
  if (low <= 0 || high <= 0) return low + (high - low) * weight;
  return Math.exp(Math.log(low) + (Math.log(high) - Math.log(low)) * weight);
}

/** Returns what a step of a configuration takes here: between the nearest widths measured, or as at the nearest one. */
export function interpolateSteps(steps: readonly MeasuredStep[], width: number, experts: boolean): Measured {
  const alike = steps.filter((step) => step.experts === experts);
  const rows = [...(alike.length > 0 ? alike : steps)].sort((a, b) => a.width - b.width);
  const above = rows.find((step) => step.width >= width) ?? rows[rows.length - 1];
  const below = rows.findLast((step) => step.width <= width) ?? rows[0];
  const span = Math.log(above.width / below.width);
  const weight = span === 0 ? 0 : Math.log(width / below.width) / span;
  return {
    flops: between(below.flops, above.flops, weight),
    secondsPerParameter: between(below.secondsPerParameter, above.secondsPerParameter, weight),
    bytesPerParameter: between(below.bytesPerParameter, above.bytesPerParameter, weight),
    activationRatio: between(below.activationRatio, above.activationRatio, weight),
  };
}

function stepFor({ measured }: Hardware, config: ModelConfig): Measured {
  if (measured === null) throw new PlanError('machine', 'was not measured', 'run minke probe');
  return interpolateSteps(measured, config.hiddenSize, describeBlocks(config).experts !== null);
}

const source = (hardware: Hardware) => `minke probe, ${hardware.date}: ${hardware.source}`;

function parameterFigure(config: ModelConfig): Figure {
  const { total: main, mtp } = countParameters(config);
  return given('parameters, MTP included', main + mtp, { source: 'counted from the configuration' });
}

export interface MachineQuestion {
  readonly config: ModelConfig;
  readonly hardware: Hardware;
  readonly devices: number;
  readonly tokens: number;
  readonly context: number;
  /** Sequences of a step. */
  readonly batch: number;
}

/** Returns the hours that training on `tokens` takes on a measured machine. */
export function machineHours({ config, hardware, devices, tokens, context, batch }: MachineQuestion): Figure {
  if (devices !== 1)
    throw new PlanError('devices', `${devices} of ${hardware.name}, which is one machine`, 'leave --devices out');
  const step = stepFor(hardware, config);
  const measured = { digits: 2, source: source(hardware) };
  return derive(
    'device hours',
    'h',
    '(tokens x (main + mtp) / rate + steps x parameters x each) / 3600',
    {
      tokens: given('tokens', tokens, { source: 'asked' }),
      main: trainingFlops(config, context),
      mtp: mtpFlops(config, context),
      rate: given('FLOP/s of forward and backward', step.flops, { ...measured, unit: 'FLOP/s' }),
      steps: given('steps', Math.ceil(tokens / (batch * context)), { source: 'asked' }),
      parameters: parameterFigure(config),
      each: given('optimizer, a parameter', step.secondsPerParameter, { ...measured, unit: 's' }),
    },
    (v) => ((v.tokens * (v.main + v.mtp)) / v.rate + v.steps * v.parameters * v.each) / 3600,
  );
}

/** Returns the bytes that are counted for a token of a micro-batch: activations of all layers, logits and gradients. */
export function countedTokenBytes(config: ModelConfig): number {
  const { hasExperts, mtpModules } = describeBlocks(config);
  const layers = Array.from({ length: config.numHiddenLayers + mtpModules }, (_, i) =>
    activationBytes(config, 'none', i >= config.numHiddenLayers || hasExperts(i), mixedFormats),
  );
  return layers.reduce((sum, bytes) => sum + bytes, 0) + 8 * config.vocabSize * (1 + mtpModules);
}

/** Returns what lies in a measured machine's memory in training: the parts, and their sum as the last figure. */
export function machineMemory(
  { config, hardware }: Pick<MachineQuestion, 'config' | 'hardware'>,
  microBatchTokens: number,
): readonly Figure[] {
  const step = stepFor(hardware, config);
  const measured = { digits: 2, source: source(hardware) };
  const state = derive(
    'weights, gradients, moments',
    'B',
    'parameters x each',
    {
      parameters: parameterFigure(config),
      each: given('bytes a parameter', step.bytesPerParameter, { ...measured, unit: 'B' }),
    },
    (v) => v.parameters * v.each,
  );
  const activations = derive(
    'activations and logits',
    'B',
    'tokens x counted x ratio',
    {
      tokens: given('tokens of a micro-batch', microBatchTokens, { source: 'asked' }),
      counted: given('bytes counted for a token', countedTokenBytes(config), { unit: 'B', source: 'from the shapes' }),
      ratio: given('measured, in counted bytes', step.activationRatio, { ...measured, unit: 'x' }),
    },
    (v) => v.tokens * v.counted * v.ratio,
  );
  return [state, activations, total('memory of a device', [state, activations])];
}
