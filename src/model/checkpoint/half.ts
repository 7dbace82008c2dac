// binary16 (F16) by table: Node 20 has no Float16Array.
import { fromF16 } from '../../kernels/index.ts';

let halfTable: Float32Array | undefined;

/** Value of every code. */
export function halfValues(): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, code) => fromF16(code));
  return halfTable;
}
