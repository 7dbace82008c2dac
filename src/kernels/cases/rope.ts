// Rows of the rotary embedding: both layouts, both directions, inside wider heads, one head to all; bad positions.
import { Random } from '../../math/index.ts';
import { dtypeCode, newData } from '../dtype.ts';
import { ropeTable } from '../rope-table.ts';
import { type Case, toFormat } from './case.ts';

const length = 50;

interface Shape {
  readonly about: string;
  readonly tokens: number;
  readonly heads: number;
  readonly dim: number;
  /** Elements from one head to the next, of x and of out. */
  readonly xHead: number;
  readonly outHead: number;
}

const shapes: readonly Shape[] = [
  { about: 'no token', tokens: 0, heads: 2, dim: 8, xHead: 8, outHead: 8 },
  { about: 'one pair', tokens: 1, heads: 1, dim: 2, xHead: 2, outHead: 2 },
  { about: 'ragged', tokens: 5, heads: 3, dim: 22, xHead: 22, outHead: 30 },
  { about: 'queries of MLA', tokens: 40, heads: 16, dim: 64, xHead: 192, outHead: 192 },
  { about: 'one key for all heads', tokens: 7, heads: 4, dim: 64, xHead: 0, outHead: 64 },
];

function row(shape: Shape, format: 'f32' | 'bf16', half: number, inverse: number): Case {
  const { about, tokens, heads, dim, xHead, outHead } = shape;
  const random = new Random(tokens + dim + 1);
  const xToken = Math.max(heads * xHead, dim);
  const { cos, sin } = ropeTable({ dim, base: 10000, length });
  const positions = Int32Array.from({ length: tokens }, (_, t) => (t < 2 ? t * (length - 1) : random.below(length)));
  return {
    kernel: 'rope',
    name: `${about}, ${format}, ${half ? 'halves' : 'pairs'}, ${inverse ? 'back' : 'forth'}`,
    args: {
      x: toFormat(format, random.normals(tokens * xToken)),
      out: newData(format, tokens * heads * outHead),
      cos,
      sin,
      positions,
      tokens,
      heads,
      dim,
      x_token_stride: xToken,
      x_head_stride: xHead,
      out_token_stride: heads * outHead,
      out_head_stride: outHead,
      table_length: length,
      half,
      inverse,
      x_type: dtypeCode[format],
    },
    formats: { x: format, out: format },
  };
}

const turns = shapes.flatMap((shape) =>
  (['f32', 'bf16'] as const).flatMap((format) =>
    [0, 1].flatMap((half) => [0, 1].map((inverse) => row(shape, format, half, inverse))),
  ),
);

const refusals = [-1, length].map((position): Case => {
  const good = row(shapes[2], 'f32', 0, 0);
  return {
    ...good,
    name: `position ${position} of ${length}`,
    args: { ...good.args, positions: Int32Array.of(0, 1, 2, position, 3) },
    fault: 'indexOutOfRange',
  };
});

export const rope: Case[] = [...turns, ...refusals];
