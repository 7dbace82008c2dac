// The values of binary16 (F16) codes, as a table: Node 20 has no Float16Array.
import { fromF16 } from './dtype.ts';

let halfTable: Float32Array | undefined;

/** Returns the value of every code. */
export function halfValues(): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, code) => fromF16(code));
  return halfTable;
}
