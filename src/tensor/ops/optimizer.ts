// The optimizer's ops: they change weights and moments in place and have no gradient.
//
// Everything that varies from step to step is data (`hyper`), so that a recorded step can be replayed. A gradient norm
// that is not finite makes the clip coefficient NaN, and adamwStep then changes nothing.
import { dtypeCode, squarePartials, ValueError } from '../../kernels/index.ts';
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import { expectDType, expectFloat, expectSameShape, expectShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

type AdamwStep = Op<
  readonly [
    weight: Tensor,
    gradient: Tensor,
    m: Tensor,
    v: Tensor,
    hyper: Tensor,
    half: Tensor | null,
    clip: Tensor | null,
  ],
  null,
  readonly []
>;

type MuonMomentum = Op<
  readonly [gradient: Tensor, m: Tensor, hyper: Tensor, clip: Tensor],
  null,
  readonly [direction: Tensor]
>;

type MuonUpdate = Op<readonly [weight: Tensor, direction: Tensor, hyper: Tensor, clip: Tensor], number, readonly []>;

type GradientNorm = Op<
  readonly [hyper: Tensor, ...gradients: Tensor[]],
  number,
  readonly [norm: Tensor, coefficient: Tensor]
>;

type Accumulate = Op<readonly [sum: Tensor, term: Tensor], null, readonly []>;

export interface OptimizerOps {
  accumulate: Accumulate;
  adamwStep: AdamwStep;
  muonMomentum: MuonMomentum;
  muonUpdate: MuonUpdate;
  gradientNorm: GradientNorm;
}

const hyperSize = 8;

export const optimizers: OpRows<OptimizerOps> = {
  accumulate: {
    name: 'accumulate',
    shape: ([sum, term]) => {
      expectDType(sum, 'f32', 'accumulate', 'sum');
      expectDType(term, 'f32', 'accumulate', 'term');
      expectSameShape(sum, term, 'accumulate', 'sum and term');
      return [];
    },
    forward: (device, [sum, term]) => {
      device.run('add_f32', { a: sum, b: term, out: sum, n: sum.size });
      sum.storage.change();
    },
    save: saveNothing,
    vjp: null,
  },

  adamwStep: {
    name: 'adamwStep',
    shape: ([weight, gradient, m, v, hyper, half, clip]) => {
      expectDType(weight, 'f32', 'adamwStep', 'weight');
      expectDType(gradient, 'f32', 'adamwStep', 'gradient');
      expectSameShape(weight, gradient, 'adamwStep', 'weight and gradient');
      for (const moment of [m, v]) {
        expectFloat(moment, 'adamwStep', 'a moment');
        expectDType(moment, m.dtype, 'adamwStep', 'the second moment');
        expectSameShape(weight, moment, 'adamwStep', 'weight and moments');
      }
      expectShape(hyper, [hyperSize], 'adamwStep', 'hyper', 'make it with adamwHyper');
      if (half) {
        expectDType(half, 'bf16', 'adamwStep', 'half');
        expectSameShape(weight, half, 'adamwStep', 'weight and half');
      }
      if (clip) expectShape(clip, [], 'adamwStep', 'clip');
      return [];
    },
    forward: (device, [weight, gradient, m, v, hyper, half, clip]) => {
      const sizes = { moment_type: dtypeCode[m.dtype], n: weight.size };
      device.run('adamw', { weight, grad: gradient, m, v, half, hyper, clip, ...sizes });
      for (const changed of [weight, m, v, half]) changed?.storage.change();
    },
    save: saveNothing,
    vjp: null,
  },

  muonMomentum: {
    name: 'muonMomentum',
    shape: ([gradient, m, hyper, clip]) => {
      expectDType(gradient, 'f32', 'muonMomentum', 'gradient');
      expectFloat(m, 'muonMomentum', 'm');
      expectSameShape(gradient, m, 'muonMomentum', 'gradient and m');
      expectShape(hyper, [hyperSize], 'muonMomentum', 'hyper', 'make it with muonHyper');
      expectShape(clip, [], 'muonMomentum', 'clip');
      return [{ shape: gradient.shape, dtype: 'f32' }];
    },
    forward: (device, [gradient, m, hyper, clip], [direction]) => {
      const sizes = { moment_type: dtypeCode[m.dtype], n: gradient.size };
      device.run('muon_momentum', { grad: gradient, m, direction, hyper, clip, ...sizes });
      m.storage.change();
    },
    save: saveNothing,
    vjp: null,
  },

  muonUpdate: {
    name: 'muonUpdate',
    shape: ([weight, direction, hyper, clip]) => {
      expectDType(weight, 'f32', 'muonUpdate', 'weight');
      expectDType(direction, 'f32', 'muonUpdate', 'direction');
      expectSameShape(weight, direction, 'muonUpdate', 'weight and direction');
      expectShape(hyper, [hyperSize], 'muonUpdate', 'hyper', 'make it with muonHyper');
      expectShape(clip, [], 'muonUpdate', 'clip');
      return [];
    },
    forward: (device, [weight, direction, hyper, clip], _, factor) => {
      device.run('muon_update', { weight, direction, hyper, clip, factor, n: weight.size });
      weight.storage.change();
    },
    save: saveNothing,
    vjp: null,
  },

  gradientNorm: {
    name: 'gradientNorm',
    shape: ([hyper, ...gradients]) => {
      expectShape(hyper, [hyperSize], 'gradientNorm', 'hyper', 'make it with adamwHyper');
      for (const gradient of gradients) expectDType(gradient, 'f32', 'gradientNorm', 'a gradient');
      return [
        { shape: [], dtype: 'f32' },
        { shape: [], dtype: 'f32' },
      ];
    },
    forward: (device, [hyper, ...gradients], [norm, coefficient], maxNorm) => {
      const count = gradients.reduce((total, gradient) => total + squarePartials(gradient.size), 0);
      const partials = device.alloc(4 * count, 'gradientNorm');
      let at = partials.address;
      for (const gradient of gradients) {
        device.run('sum_squares_f32', { x: gradient, partials: at, n: gradient.size });
        at += 4 * squarePartials(gradient.size);
      }
      device.run('clip_coefficient', { partials, hyper, norm, coefficient, max_norm: maxNorm, count });
      partials.free();
    },
    save: saveNothing,
    vjp: null,
  },
};

/** sum += term, in place: gradients of several micro-batches. Both f32. */
export function accumulate(sum: Tensor, term: Tensor): void {
  apply(optimizers.accumulate, [sum, term], null);
}

export interface AdamwConfig {
  readonly learningRate: number;
  /** Counts from 1. */
  readonly step: number;
  /** @default 0.9 */
  readonly beta1?: number;
  /** @default 0.95 */
  readonly beta2?: number;
  /** @default 1e-8 */
  readonly eps?: number;
  /** @default 0.1 */
  readonly weightDecay?: number;
  /** Factor on every gradient, such as one over the tokens of the step. @default 1 */
  readonly gradientScale?: number;
}

/** The eight numbers of one AdamW step, to be written into a tensor [8] f32. Corrections are computed in float64. */
export function adamwHyper(config: AdamwConfig): Float32Array {
  const { learningRate, step, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weightDecay = 0.1, gradientScale = 1 } = config;
  if (!(Number.isInteger(step) && step >= 1))
    throw new ValueError('adamwHyper', `step is ${step}, expected a whole number from 1 on`, 'count steps from 1');
  const corrections = [1 - beta1 ** step, 1 - beta2 ** step];
  return Float32Array.of(learningRate, beta1, beta2, eps, weightDecay, ...corrections, gradientScale);
}

/** The tensors that adamwStep changes in place: all of one shape; moments f32 or bf16. */
export interface AdamwState {
  /** f32 */
  readonly weight: Tensor;
  readonly m: Tensor;
  readonly v: Tensor;
  /** A bf16 copy of the weight, updated with it. */
  readonly half?: Tensor;
}

/** One AdamW step with decoupled decay, in place. hyper [8] f32: adamwHyper; clip []: gradientNorm's coefficient. */
export function adamwStep({ weight, m, v, half }: AdamwState, gradient: Tensor, hyper: Tensor, clip?: Tensor): void {
  apply(optimizers.adamwStep, [weight, gradient, m, v, hyper, half ?? null, clip ?? null], null);
}

/** The eight numbers of one Muon step, laid out as AdamW's. */
export function muonHyper(config: {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly gradientScale: number;
}): Float32Array {
  const { learningRate, momentum, weightDecay, gradientScale } = config;
  return Float32Array.of(learningRate, momentum, 0, 0, weightDecay, 1, 1, gradientScale);
}

/** m = momentum m + gradient, in place; returns Nesterov's direction, gradient + momentum m, f32. */
export function muonMomentum(gradient: Tensor, m: Tensor, hyper: Tensor, clip: Tensor): Tensor {
  return apply(optimizers.muonMomentum, [gradient, m, hyper, clip], null)[0];
}

/** weight = (1 - rate decay) weight - rate factor direction, in place. A clip of NaN changes nothing. */
export function muonUpdate(weight: Tensor, direction: Tensor, hyper: Tensor, clip: Tensor, factor: number): void {
  apply(optimizers.muonUpdate, [weight, direction, hyper, clip], factor);
}

/**
 * Returns the norm over all gradients (f32, times hyper's gradient scale) and the factor that clips it to `maxNorm`:
 * min(1, maxNorm / norm), NaN where the norm is not finite.
 */
export function gradientNorm(
  gradients: readonly Tensor[],
  maxNorm: number,
  hyper: Tensor,
): { norm: Tensor; coefficient: Tensor } {
  const [norm, coefficient] = apply(optimizers.gradientNorm, [hyper, ...gradients], maxNorm);
  return { norm, coefficient };
}
