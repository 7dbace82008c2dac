// Rows of cross-entropy: ignored targets, banned and extreme logits, vocabularies around the pieces of a sum.
import { Random } from '../../math/index.ts';
import { dtypeCode } from '../dtype.ts';
import { type Case, toFormat } from './case.ts';

const ignore = -100;

function makeLogits(random: Random, rows: number, V: number): Float32Array {
  const logits = random.normals(rows * V, 3);
  for (let r = 2; r < rows; r += 3) for (let i = 0; i < V; i++) logits[r * V + i] += 1000; // only differences count
  return logits;
}

function makeTargets(random: Random, rows: number, V: number): Int32Array {
  return Int32Array.from({ length: rows }, (_, r) => (r % 4 === 3 ? ignore : r === 0 ? V - 1 : random.below(V)));
}

function computeLse(logits: Float32Array, rows: number, V: number): Float32Array {
  return Float32Array.from({ length: rows }, (_, r) => {
    const row = logits.subarray(r * V, (r + 1) * V);
    const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    return top + Math.log(row.reduce((a, b) => a + Math.exp(b - top), 0));
  });
}

function forward(name: string, logits: Float32Array, targets: Int32Array, V: number, entropy = true): Case {
  const rows = targets.length;
  const out = () => new Float32Array(rows);
  return {
    kernel: 'cross_entropy_f32',
    name,
    args: { logits, targets, logprob: out(), lse: out(), entropy: entropy ? out() : null, rows, V, ignore },
  };
}

function backward(name: string, logits: Float32Array, targets: Int32Array, V: number, format: 'f32' | 'bf16'): Case {
  const rows = targets.length;
  return {
    kernel: 'cross_entropy_backward_f32',
    name: `${name} to ${format}`,
    args: {
      logits,
      targets,
      lse: computeLse(logits, rows, V),
      grad: new Random(V).normals(rows),
      dlogits: toFormat(format, new Float32Array(rows * V).fill(7)),
      dlogits_type: dtypeCode[format],
      rows,
      V,
      ignore,
    },
    formats: { dlogits: format },
    // Logits near 1000 carry an absolute error of 6e-5 into exp(x - lse): a property of the f32 input, not of a sum.
    slack: 8,
  };
}

const shapes: [number, number][] = [
  [0, 5],
  [1, 1],
  [5, 2],
  [3, 17],
  [9, 64],
  [40, 1031],
  [4, 129_280], // DeepSeek-V3's vocabulary
];

// Two equal logits, and one that minus infinity rules out: log(1/2), entropy log 2.
const masked = new Float32Array([1, Number.NEGATIVE_INFINITY, 1]);

export const crossEntropy: Case[] = [
  forward('a masked logit', masked, new Int32Array([2]), 3),
  backward('a masked logit', masked, new Int32Array([2]), 3, 'f32'),
  ...shapes.flatMap(([rows, V]) => {
    const random = new Random(rows * 31 + V);
    const logits = makeLogits(random, rows, V);
    const targets = makeTargets(random, rows, V);
    const name = `[${rows}, ${V}]`;
    return [
      forward(`${name} with entropy`, logits, targets, V),
      forward(name, logits, targets, V, false),
      backward(name, logits, targets, V, 'f32'),
      backward(name, logits, targets, V, 'bf16'),
    ];
  }),
  ...[-1, 10, -99, 2 ** 31 - 1].flatMap((bad): Case[] => {
    const logits = new Random(3).normals(30);
    const targets = new Int32Array([1, bad, 2]);
    return [
      { ...forward(`target ${bad} of 10`, logits, targets, 10), fault: 'indexOutOfRange' },
      { ...backward(`target ${bad} of 10`, logits, targets, 10, 'f32'), fault: 'indexOutOfRange' },
    ];
  }),
];
