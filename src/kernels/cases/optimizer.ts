// Rows of the optimizers: first and late steps, both moment formats, clipped and skipped steps, gradient norms.
import { Random } from '../../math/index.ts';
import { dtypeCode } from '../dtype.ts';
import { squarePartials } from '../sizes.ts';
import { type Case, toFormat } from './case.ts';

/** [lr, beta1, beta2, eps, weight decay, 1 - beta1^t, 1 - beta2^t, gradient scale] of DeepSeek-V3 at step t. */
function makeHyper(t: number): Float32Array {
  return new Float32Array([2.2e-4, 0.9, 0.95, 1e-8, 0.1, 1 - 0.9 ** t, 1 - 0.95 ** t, 0.25]);
}

function adamw(n: number, format: 'f32' | 'bf16', half: boolean, clip: number | null, step: number): Case {
  const random = new Random(n + step);
  const square = random.normals(n, 0.1).map((x) => x * x);
  const options = `${half ? ', bf16 copy' : ''}${clip === null ? '' : `, clip ${clip}`}`;
  return {
    kernel: 'adamw',
    name: `${n} weights, ${format} moments, step ${step}${options}`,
    args: {
      weight: random.normals(n),
      grad: random.normals(n),
      m: toFormat(format, random.normals(n, 0.1)),
      v: toFormat(format, step === 1 ? new Float32Array(n) : square),
      half: half ? new Uint16Array(n) : null,
      hyper: makeHyper(step),
      clip: clip === null ? null : new Float32Array([clip]),
      moment_type: dtypeCode[format],
      n,
    },
    formats: { m: format, v: format },
  };
}

function muonMomentum(n: number, format: 'f32' | 'bf16', clip: number | null): Case {
  const random = new Random(n);
  return {
    kernel: 'muon_momentum',
    name: `${n} weights, ${format} momentum, clip ${clip}`,
    args: {
      grad: random.normals(n),
      m: toFormat(format, random.normals(n)),
      direction: new Float32Array(n),
      hyper: makeHyper(1),
      clip: clip === null ? null : new Float32Array([clip]),
      moment_type: dtypeCode[format],
      n,
    },
    formats: { m: format },
  };
}

function muonUpdate(n: number, clip: number | null): Case {
  const random = new Random(n);
  const coefficient = clip === null ? null : new Float32Array([clip]);
  return {
    kernel: 'muon_update',
    name: `${n} weights, clip ${clip}`,
    args: {
      weight: random.normals(n),
      direction: random.normals(n),
      hyper: makeHyper(1),
      clip: coefficient,
      factor: 2,
      n,
    },
  };
}

function sumSquares(n: number): Case {
  const x = new Random(n).normals(n);
  return {
    kernel: 'sum_squares_f32',
    name: `${n} values`,
    args: { x, partials: new Float32Array(squarePartials(n)), n },
  };
}

function clipCase(name: string, partials: number[], maxNorm: number, hyper: Float32Array | null): Case {
  return {
    kernel: 'clip_coefficient',
    name,
    args: {
      partials: new Float32Array(partials),
      hyper,
      norm: new Float32Array(1),
      coefficient: new Float32Array(1),
      max_norm: maxNorm,
      count: partials.length,
    },
  };
}

export const optimizer: Case[] = [
  adamw(0, 'f32', true, null, 1),
  adamw(1, 'f32', true, 0.5, 1),
  adamw(7, 'bf16', true, null, 1),
  adamw(33, 'f32', false, 0.125, 2),
  adamw(50_001, 'f32', true, 0.3, 10),
  adamw(50_001, 'bf16', true, 0.3, 10_000),
  adamw(100, 'f32', true, Number.NaN, 5), // skipped: nothing may change
  muonMomentum(0, 'f32', 0.3),
  muonMomentum(1, 'f32', null),
  muonMomentum(50_001, 'f32', 0.3),
  muonMomentum(50_001, 'bf16', 0.3),
  muonMomentum(100, 'f32', Number.NaN), // skipped: the momentum stays
  muonUpdate(0, 0.3),
  muonUpdate(1, null),
  muonUpdate(50_001, 0.3),
  muonUpdate(100, Number.NaN), // skipped
  ...[0, 1, 31, 65_536, 65_537, 400_003].map(sumSquares),
  clipCase('norm 5 of partials 9 and 16, limit 1', [9, 16], 1, null),
  clipCase('norm below the limit', [9, 16], 10, null),
  clipCase('the gradient scale counts', [9, 16], 1, new Float32Array([0, 0, 0, 0, 0, 0, 0, -0.5])),
  clipCase('no limit', [9, 16], Number.POSITIVE_INFINITY, null),
  clipCase('no tensors', [], 1, null),
  clipCase('an overflowed partial', [1, Number.POSITIVE_INFINITY], 1, null),
  clipCase('a NaN partial', [Number.NaN, 1], 1, null),
  clipCase('many partials', [...new Random(1).normals(3000).map(Math.abs)], 1, null),
];
