// Rows of the divergence between two models: near and far apart, rows of weight 0, vocabularies around the pieces of a
// sum.
import { Random } from '../../math/index.ts';
import { kernels } from '../table.ts';
import type { Case } from './case.ts';

function divergenceCases(rows: number, V: number, reverse: 0 | 1, apart: number): Case[] {
  const random = new Random(rows * 31 + V + reverse);
  const student = random.normals(rows * V, 3);
  const given = {
    student,
    teacher: student.map((x) => x + random.normal(apart)),
    weight: Float32Array.from({ length: rows }, (_, r) => (r % 4 === 3 ? 0 : 1)),
  };
  const out = () => new Float32Array(rows).fill(7);
  const sizes = { rows, V, reverse };
  const name = `[${rows}, ${V}], ${apart} apart${reverse ? ', reversed' : ''}`;
  const forward = { ...given, kl: out(), student_lse: out(), teacher_lse: out(), ...sizes };
  const known = { kl: out(), student_lse: out(), teacher_lse: out() };
  const { student: s, teacher: t, weight: w } = given;
  kernels.kl_divergence_f32.define(s, t, w, known.kl, known.student_lse, known.teacher_lse, rows, V, reverse);
  const dlogits = new Float32Array(rows * V).fill(7);
  const slack = 16; // a difference of two logarithms takes away most of what they are made of
  return [
    { kernel: 'kl_divergence_f32', name, args: forward, slack },
    {
      kernel: 'kl_divergence_backward_f32',
      name,
      args: { ...given, ...known, grad: random.normals(rows), dlogits, ...sizes },
      slack,
    },
  ];
}

const shapes: [number, number][] = [
  [0, 5],
  [1, 1],
  [5, 2],
  [9, 64],
  [40, 1031],
  [4, 20_000],
];

export const divergence: Case[] = shapes.flatMap(([rows, V]) =>
  ([0, 1] as const).flatMap((reverse) => [1, 4].flatMap((apart) => divergenceCases(rows, V, reverse, apart))),
);
