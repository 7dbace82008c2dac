// What does not compile: a family that lacks a row, a row that lacks a part. npm test -- op-table
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apply, type Op, type OpRows, saveNothing } from './op.ts';
import type { Tensor } from './tensor.ts';
import { opNames, table, tableRow } from './test-op-table.ts';

type Unary = Op<readonly [x: Tensor], null, readonly [Tensor]>;

interface Two {
  one: Unary;
  two: Unary;
}

const one: OpRows<Two>['one'] = {
  name: 'one',
  shape: ([x]) => [x],
  forward: () => {},
  save: saveNothing,
  vjp: null,
};

// @ts-expect-error the row `two` is missing
export const withoutRow: OpRows<Two> = { one };

// @ts-expect-error the row lacks `vjp`
export const withoutVjp: OpRows<Two>['one'] = {
  name: 'one',
  shape: ([x]) => [x],
  forward: () => {},
  save: saveNothing,
};

// @ts-expect-error the row lacks `shape`
export const withoutShape: OpRows<Two>['one'] = { name: 'one', forward: () => {}, save: saveNothing, vjp: null };

// @ts-expect-error the row is named after another op
export const misnamed: OpRows<Two>['two'] = one;

export const shortVjp: OpRows<{ add: typeof table.add extends never ? never : Unary }>['add'] = {
  name: 'add',
  shape: ([x]) => [x],
  forward: () => {},
  save: saveNothing,
  // @ts-expect-error one gradient for each input
  vjp: () => [],
};

export function callsThatDoNotCompile(x: Tensor): void {
  // @ts-expect-error add takes two tensors
  apply(table.add, [x], null);
  // @ts-expect-error reshape takes a shape
  apply(table.reshape, [x], null);
}

test('every row is named as its key', () => {
  for (const name of opNames) assert.equal(tableRow(name).name, name);
});
