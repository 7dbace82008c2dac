// The devices that tests run on: the reference first, then every native instruction set of this machine, then both
// WebAssembly builds. MINKE_TEST_DEVICE=avx2 (an instruction set) restricts them; the fast tests (MINKE_TEST_FAST) run
// on the reference and on the best other one.

import { nativeIsas } from './cpu.ts';
import type { Device } from './device.ts';
import { openDevice } from './open.ts';
import { wasmIsas } from './wasm-node.ts';

export function testDevices(threads = 2): Device[] {
  const only = process.env.MINKE_TEST_DEVICE;
  const isSelected = (isa: string) => only === undefined || only === isa;
  const others = [
    ...nativeIsas().map((isa) => ({ device: 'native', isa }) as const),
    ...wasmIsas().map((isa) => ({ device: 'wasm', isa }) as const),
  ].filter(({ isa }) => isSelected(isa));
  const chosen = process.env.MINKE_TEST_FAST ? others.slice(0, 1) : others;
  return [openDevice({ device: 'reference' }), ...chosen.map((choice) => openDevice({ ...choice, threads }))];
}
