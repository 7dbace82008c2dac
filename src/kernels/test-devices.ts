// The devices that tests run on: the reference first, then every native instruction set of this machine, then both
// WebAssembly builds. MINKE_TEST_DEVICE=avx2 (an instruction set) restricts them; the fast tests (MINKE_TEST_FAST) run
// on the reference and on the best other one. `tiles` differs from avx512 in products alone, so only tests of products
// ask for it.

import { nativeIsas } from './cpu.ts';
import type { Device } from './device.ts';
import { openDevice } from './open.ts';
import { wasmIsas } from './wasm-node.ts';

export function testDevices(threads = 2): Device[] {
  return openDevices(
    threads,
    nativeIsas().filter((isa) => isa !== 'tiles'),
  );
}

/** The devices for tests of products. */
export function productDevices(threads = 2): Device[] {
  return openDevices(threads, nativeIsas());
}

/** For what is built from kernels: the reference, the best native instruction set, the best WebAssembly build. */
export function bestDevices(threads = 2): Device[] {
  if (process.env.MINKE_TEST_DEVICE !== undefined) return testDevices(threads);
  return openDevices(threads, nativeIsas().slice(0, 1), wasmIsas().slice(0, 1));
}

/** Whether a kernel of a device is other code than on a device that is tested too. */
export function isOwnCode(device: Device, kernel: string): boolean {
  return device.isa !== 'tiles' || /gemm|attention/.test(kernel);
}

function openDevices(threads: number, native: readonly string[], wasm: readonly string[] = wasmIsas()): Device[] {
  const only = process.env.MINKE_TEST_DEVICE;
  const isSelected = (isa: string) => only === undefined || only === isa;
  const others = [
    ...native.map((isa) => ({ device: 'native', isa }) as const),
    ...wasm.map((isa) => ({ device: 'wasm', isa }) as const),
  ].filter(({ isa }) => isSelected(isa));
  const chosen = process.env.MINKE_TEST_FAST ? others.slice(0, 1) : others;
  return [openDevice({ device: 'reference' }), ...chosen.map((choice) => openDevice({ ...choice, threads }))];
}
