// The devices that tests run on: the reference first, then every native instruction set of this machine, then both
// WebAssembly builds. MINKE_TEST_DEVICE=avx2 (an instruction set) restricts them.
import type { Device } from './device.ts';
import { nativeIsas } from './native.ts';
import { openDevice } from './open.ts';
import { wasmIsas } from './wasm-node.ts';

export function testDevices(threads = 2): Device[] {
  const only = process.env.MINKE_TEST_DEVICE;
  const isSelected = (isa: string) => only === undefined || only === isa;
  return [
    openDevice({ device: 'reference' }),
    ...nativeIsas()
      .filter(isSelected)
      .map((isa) => openDevice({ device: 'native', isa, threads })),
    ...wasmIsas()
      .filter(isSelected)
      .map((isa) => openDevice({ device: 'wasm', isa, threads })),
  ];
}
