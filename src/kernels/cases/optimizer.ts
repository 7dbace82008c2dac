// Rows of the optimizers: first and late steps, both moment formats, clipped and skipped steps, gradient norms.
import { Random } from '../../math/index.ts';
import { dtypeCode } from '../dtype.ts';
import { squarePartials } from '../sizes.ts';
import { type Case, toFormat } from './case.ts';

/** [lr, beta1, beta2, eps, weight decay, 1 - beta1^t, 1 - beta2^t, gradient scale] of DeepSeek-V3 at step t. */
function makeHyper(t: number): Float32Array {
  return new Float32Array([2.2e-4, 0.9, 0.95, 1e-8, 0.1, 1 - 0.9 ** t, 1 - 0.95 ** t, 0.25]);
}

/** Arguments of a list of rows: x[0], x[1], ... */
function listed(rows: readonly Case['args'][]): Case['args'] {
  const named = rows.map((row, i) => Object.entries(row).map(([name, value]) => [`${name}[${i}]`, value]));
  return Object.fromEntries(named.flat()) as Case['args'];
}

interface AdamwRow {
  readonly format: 'f32' | 'bf16';
  readonly half: boolean;
  readonly clip: number | null;
  readonly step: number;
}

/** A row for tensors of the given sizes. */
function adamw(sizes: readonly number[], { format, half, clip, step }: AdamwRow): Case {
  const tensors = sizes.map((n, i) => {
    const random = new Random(n + step + i);
    const square = random.normals(n, 0.1).map((x) => x * x);
    return {
      weight: random.normals(n),
      grad: random.normals(n),
      m: toFormat(format, random.normals(n, 0.1)),
      v: toFormat(format, step === 1 ? new Float32Array(n) : square),
      half: half ? new Uint16Array(n) : null,
      hyper: makeHyper(step + i),
      n,
    };
  });
  const options = `${half ? ', bf16 copy' : ''}${clip === null ? '' : `, clip ${clip}`}`;
  return {
    kernel: 'adamw',
    name: `${sizes.join(', ')} weights, ${format} moments, step ${step}${options}`,
    args: {
      clip: clip === null ? null : new Float32Array([clip]),
      moment_type: dtypeCode[format],
      ...listed(tensors),
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

function gradientNorm(name: string, xs: readonly Float32Array[], maxNorm: number, hyper: Float32Array | null): Case {
  const count = xs.reduce((sum, { length }) => sum + squarePartials(length), 0);
  return {
    kernel: 'gradient_norm',
    name,
    args: {
      partials: new Float32Array(count),
      hyper,
      norm: new Float32Array(1),
      coefficient: new Float32Array(1),
      norms: new Float32Array(xs.length),
      max_norm: maxNorm,
      ...listed(xs.map((x) => ({ x, n: x.length }))),
    },
  };
}

function addEach(sizes: readonly number[], copies: boolean): Case {
  const rows = sizes.map((n, i) => {
    const random = new Random(n, i);
    const b = copies && i % 2 === 0 ? null : random.normals(n);
    return { a: random.normals(n), b, out: new Float32Array(n), n };
  });
  const name = `${sizes.join(', ')} elements${copies ? ', every second one copied' : ''}`;
  return { kernel: 'add_each_f32', name, args: listed(rows), exact: true };
}

const normals = (...sizes: number[]) => sizes.map((n) => new Random(n).normals(n));
const scaledBy = (scale: number) => new Float32Array([0, 0, 0, 0, 0, 0, 0, scale]);

export const optimizer: Case[] = [
  adamw([], { format: 'f32', half: false, clip: null, step: 1 }),
  adamw([0], { format: 'f32', half: true, clip: null, step: 1 }),
  adamw([1], { format: 'f32', half: true, clip: 0.5, step: 1 }),
  adamw([7, 100, 16_384], { format: 'bf16', half: true, clip: null, step: 1 }),
  adamw([33, 0, 1], { format: 'f32', half: false, clip: 0.125, step: 2 }),
  adamw([50_001, 70_000, 3], { format: 'f32', half: true, clip: 0.3, step: 10 }),
  adamw([50_001, 3], { format: 'bf16', half: true, clip: 0.3, step: 10_000 }),
  adamw([100], { format: 'f32', half: true, clip: Number.NaN, step: 5 }), // skipped: nothing may change
  muonMomentum(0, 'f32', 0.3),
  muonMomentum(1, 'f32', null),
  muonMomentum(50_001, 'f32', 0.3),
  muonMomentum(50_001, 'bf16', 0.3),
  muonMomentum(100, 'f32', Number.NaN), // skipped: the momentum stays
  muonUpdate(0, 0.3),
  muonUpdate(1, null),
  muonUpdate(50_001, 0.3),
  muonUpdate(100, Number.NaN), // skipped
  gradientNorm('norm 5 of 3 and 4, limit 1', [Float32Array.of(3), Float32Array.of(0, 4)], 1, null),
  gradientNorm('norm below the limit', [Float32Array.of(3), Float32Array.of(0, 4)], 10, null),
  gradientNorm('the gradient scale counts', [Float32Array.of(3, 4)], 1, scaledBy(-0.5)),
  gradientNorm('no limit', [Float32Array.of(3, 4)], Number.POSITIVE_INFINITY, null),
  gradientNorm('no tensors', [], 1, null),
  gradientNorm('an overflowed square', [Float32Array.of(1), Float32Array.of(3e38, 1)], 1, null),
  gradientNorm('tensors of 0 to 400,003', normals(0, 1, 31, 65_536, 65_537, 400_003), 1, scaledBy(0.25)),
  addEach([], false),
  addEach([1, 0, 33, 16_384, 50_001], false),
  addEach([1, 0, 33, 16_384, 50_001], true),
];
