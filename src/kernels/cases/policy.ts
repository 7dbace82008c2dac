// Rows of the policy loss: ratios on both sides of the clip, both signs of the advantage, tokens of weight 0, tokens
// far beyond the largest log-ratio.
import { Random } from '../../math/index.ts';
import type { Case } from './case.ts';

function lossCase(n: number, low: number, high: number, beta: number, distance = 0): Case {
  const random = new Random(n + Math.round(100 * high));
  const logprob = random.normals(n).map((x) => -Math.abs(x));
  const moved = (scale: number) => logprob.map((x) => x + random.normal(scale));
  const old = moved(0.3);
  for (let i = 0; i < n; i += 3) old[i] = logprob[i]; // on policy
  const reference = moved(0.5);
  for (let i = 1; distance > 0 && i < n; i += 4) {
    old[i] = logprob[i] - distance * (i % 8 === 1 ? 1 : -1);
    reference[i] = logprob[i] + distance * (i % 3 === 1 ? 1 : -1);
  }
  const weight = random.normals(n).map((x, i) => (i % 5 === 4 ? 0 : Math.abs(x)));
  const out = () => new Float32Array(n).fill(7);
  return {
    kernel: 'policy_loss_f32',
    name: `${n} tokens, clip ${low} to ${high}, beta ${beta}${distance > 0 ? `, some ${distance} away` : ''}`,
    args: {
      logprob,
      old,
      reference,
      advantage: random.normals(n),
      weight,
      loss: out(),
      slope: out(),
      kl: out(),
      clipped: out(),
      differs: out(),
      bounded: out(),
      n,
      low,
      high,
      beta,
    },
    slack: 4, // e^d - d - 1 takes away most of what it is made of
  };
}

function differsCase(n: number): Case {
  const random = new Random(n);
  const ids = () => Int32Array.from({ length: n }, () => random.below(3) - 1);
  const mask = random.normals(n).map((x, i) => (i % 4 === 3 ? 0 : x));
  return {
    kernel: 'token_differs',
    name: `${n} tokens`,
    args: { a: ids(), b: ids(), mask, out: new Float32Array(n), n },
    exact: true,
  };
}

export const policy: Case[] = [
  ...[0, 1, 37, 5000].map(differsCase),
  lossCase(0, 0.2, 0.2, 0.1),
  lossCase(1, 0.2, 0.2, 0.1),
  lossCase(37, 0.2, 0.28, 0),
  lossCase(5000, 0.2, 0.2, 0.04),
  lossCase(64, 10, 10, 0.001),
  lossCase(67, 0.2, 0.2, 0.04, 19.5),
  lossCase(67, 0.2, 0.2, 0.04, 100),
  lossCase(67, 0.2, 0.2, 0, 1e30),
];
