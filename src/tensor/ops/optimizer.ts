// The optimizer's ops: they change weights and moments in place and have no gradient. AdamW, the norm and the sums of
// gradients take all tensors of a model in one command.
//
// Everything that varies from step to step is data (`hyper`), so that a recorded step can be replayed. A gradient norm
// that is not finite makes the clip coefficient NaN, and adamwStep then changes nothing.
import { dtypeCode, squarePartials, ValueError } from '../../kernels/index.ts';
import { apply, type Op, type OpRows, saveNothing } from '../op.ts';
import { expectDType, expectFloat, expectSameShape, expectShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

/** clip, then the six tensors of each update in the order of toRows. */
type AdamwStep = Op<readonly [clip: Tensor | null, ...rows: (Tensor | null)[]], null, readonly []>;

type MuonMomentum = Op<
  readonly [gradient: Tensor, m: Tensor, hyper: Tensor, clip: Tensor],
  null,
  readonly [direction: Tensor]
>;

type MuonUpdate = Op<readonly [weight: Tensor, direction: Tensor, hyper: Tensor, clip: Tensor], number, readonly []>;

type GradientNorm = Op<
  readonly [hyper: Tensor, ...gradients: Tensor[]],
  number,
  readonly [norm: Tensor, coefficient: Tensor, norms: Tensor]
>;

/** out, a and b of each sum. */
type AddEach = Op<readonly (Tensor | null)[], null, readonly []>;

export interface OptimizerOps {
  addEach: AddEach;
  adamwStep: AdamwStep;
  muonMomentum: MuonMomentum;
  muonUpdate: MuonUpdate;
  gradientNorm: GradientNorm;
}

const hyperSize = 8;

/** Splits a flat list into rows of `width`. */
function toRows(tensors: readonly (Tensor | null)[], width: number): (Tensor | null)[][] {
  return Array.from({ length: tensors.length / width }, (_, r) => tensors.slice(r * width, (r + 1) * width));
}

function checkAdamwRow([weight, gradient, m, v, hyper, half]: readonly Tensor[], first: Tensor): void {
  expectDType(weight, 'f32', 'adamwStep', 'weight');
  expectDType(gradient, 'f32', 'adamwStep', 'gradient');
  expectSameShape(weight, gradient, 'adamwStep', 'weight and gradient');
  for (const moment of [m, v]) {
    expectFloat(moment, 'adamwStep', 'a moment');
    expectDType(moment, first.dtype, 'adamwStep', 'a moment');
    expectSameShape(weight, moment, 'adamwStep', 'weight and moments');
  }
  expectShape(hyper, [hyperSize], 'adamwStep', 'hyper', 'make it with adamwHyper');
  if (!half) return;
  expectDType(half, 'bf16', 'adamwStep', 'half');
  expectSameShape(weight, half, 'adamwStep', 'weight and half');
}

export const optimizers: OpRows<OptimizerOps> = {
  addEach: {
    name: 'addEach',
    shape: (inputs) => {
      for (const [out, a, b] of toRows(inputs, 3) as [Tensor, Tensor, Tensor | null][]) {
        for (const tensor of [out, a, b]) if (tensor) expectDType(tensor, 'f32', 'addEach', 'a tensor');
        expectSameShape(a, out, 'addEach', 'a and out');
        if (b) expectSameShape(a, b, 'addEach', 'a and b');
      }
      return [];
    },
    forward: (device, inputs) => {
      const rows = toRows(inputs, 3) as [Tensor, Tensor, Tensor | null][];
      const [out, a, b] = [rows.map((row) => row[0]), rows.map((row) => row[1]), rows.map((row) => row[2])];
      device.run('add_each_f32', { a, b, out, n: out.map(({ size }) => size) });
      for (const changed of out) changed.storage.change();
    },
    save: saveNothing,
    vjp: null,
  },

  adamwStep: {
    name: 'adamwStep',
    shape: ([clip, ...tensors]) => {
      const rows = toRows(tensors, 6) as Tensor[][];
      for (const row of rows) checkAdamwRow(row, rows[0][2]);
      if (clip) expectShape(clip, [], 'adamwStep', 'clip');
      return [];
    },
    forward: (device, [clip, ...tensors]) => {
      const rows = toRows(tensors, 6) as Tensor[][];
      const column = (i: number) => rows.map((row) => row[i]);
      const [weight, grad, m, v, hyper, half] = [0, 1, 2, 3, 4, 5].map(column);
      const n = weight.map(({ size }) => size);
      device.run('adamw', { clip, moment_type: dtypeCode[m[0]?.dtype ?? 'f32'], weight, grad, m, v, half, hyper, n });
      for (const changed of [...weight, ...m, ...v, ...half]) changed?.storage.change();
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
        { shape: [gradients.length], dtype: 'f32' },
      ];
    },
    forward: (device, [hyper, ...gradients], [norm, coefficient, norms], maxNorm) => {
      const n = gradients.map(({ size }) => size);
      const count = n.reduce((total, size) => total + squarePartials(size), 0);
      const partials = device.alloc(4 * count, 'gradientNorm');
      const given = { partials, hyper, norm, coefficient, norms, max_norm: maxNorm };
      device.run('gradient_norm', { ...given, x: gradients, n });
      partials.free();
    },
    save: saveNothing,
    vjp: null,
  },
};

/** A sum of two tensors of one shape, f32, into a third, which may be one of them; without b, a copy. */
export interface Sum {
  readonly a: Tensor;
  readonly b: Tensor | null;
  readonly out: Tensor;
}

/** Computes all of the sums in one command. They are independent: no out is another sum's a or b. */
export function addEach(sums: readonly Sum[]): void {
  if (sums.length === 0) return;
  apply(
    optimizers.addEach,
    sums.flatMap(({ a, b, out }) => [out, a, b]),
    null,
  );
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

/** A weight, its gradient and its moments, all of one shape. */
export interface AdamwUpdate {
  /** f32, changed in place */
  readonly weight: Tensor;
  readonly gradient: Tensor;
  /** f32 or bf16, in all updates of a step the same; changed in place */
  readonly m: Tensor;
  readonly v: Tensor;
  /** A bf16 copy of the weight, updated with it. */
  readonly half?: Tensor;
  /** [8] f32: adamwHyper */
  readonly hyper: Tensor;
}

/**
 * One AdamW step with decoupled decay of all of the weights, in place and in one command. `clip`: [], gradientNorm's
 * coefficient.
 */
export function adamwStep(updates: readonly AdamwUpdate[], clip?: Tensor): void {
  if (updates.length === 0) return;
  const rows = updates.flatMap(({ weight, gradient, m, v, hyper, half }) => [
    ...[weight, gradient, m, v, hyper],
    half ?? null,
  ]);
  apply(optimizers.adamwStep, [clip ?? null, ...rows], null);
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
 * Returns the norm over all gradients (f32, times hyper's gradient scale), the factor that clips it to `maxNorm`
 * (min(1, maxNorm / norm), NaN where the norm is not finite), and the norm of each gradient, [gradients].
 */
export function gradientNorm(
  gradients: readonly Tensor[],
  maxNorm: number,
  hyper: Tensor,
): { norm: Tensor; coefficient: Tensor; norms: Tensor } {
  const [norm, coefficient, norms] = apply(optimizers.gradientNorm, [hyper, ...gradients], maxNorm);
  return { norm, coefficient, norms };
}
