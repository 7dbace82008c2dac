// The op table: every op of the tensor room, one row each. A family's interface names its ops, and its rows are total
// over that interface; so an op without a shape rule, forward, save list or vjp does not compile.
import type { Op, Row, Rows } from './op.ts';
import { type ElementwiseOps, elementwise } from './ops/elementwise.ts';
import { type ViewOps, view } from './ops/view.ts';

export interface Ops extends ElementwiseOps, ViewOps {}

export type OpName = keyof Ops & string;

export const table: Rows<Ops> = {
  ...elementwise,
  ...view,
};

export const opNames = Object.keys(table) as OpName[];

/** A row without the types of its tensors: for code that treats all ops alike. */
export function rowOf(name: OpName): Row<string, Op> {
  return table[name] as unknown as Row<string, Op>;
}
