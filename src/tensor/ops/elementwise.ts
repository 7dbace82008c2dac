// Ops that treat every element alone. No broadcasting: shapes must agree.
import { apply, type Op, type Rows, type Spec, saveNothing } from '../op.ts';
import { expectDType, expectSameShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

interface Binary extends Op {
  readonly inputs: readonly [a: Tensor, b: Tensor];
  readonly params: null;
  readonly outputs: readonly [Tensor];
}

export interface ElementwiseOps {
  add: Binary;
}

function alike(op: string, a: Tensor, b: Tensor): [Spec] {
  expectDType(a, 'f32', op, 'a');
  expectDType(b, 'f32', op, 'b');
  expectSameShape(a, b, op, 'a and b');
  return [{ shape: a.shape, dtype: 'f32' }];
}

export const elementwise: Rows<ElementwiseOps> = {
  add: {
    name: 'add',
    shape: ([a, b]) => alike('add', a, b),
    forward: (device, [a, b], [out]) =>
      device.encode(device.kernel('add_f32'), a.address, b.address, out.address, out.size),
    save: saveNothing,
    vjp: ({ gradients: [dy], needs }) => [
      needs[0] ? (dy as Tensor).alias() : null,
      needs[1] ? (dy as Tensor).alias() : null,
    ],
  },
};

/** a + b, f32, of one shape. */
export function add(a: Tensor, b: Tensor): Tensor {
  return apply(elementwise.add, [a, b], null)[0];
}
