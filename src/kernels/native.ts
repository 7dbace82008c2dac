// The native backend: C++ kernels on a pool of threads, through raw Node-API (cpp/napi.cc).
// Builds itself on first use where a package manager blocked the install script. Left out: prebuilt binaries.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Backend, Completed } from './device.ts';
import type { Data } from './dtype.ts';
import { DeviceError } from './errors.ts';
import { checkSignatures } from './match.ts';
import type { PanelOrder } from './panel-layout.ts';
import { packageRoot } from './root.ts';
import { checkSizes } from './sizes.ts';

interface Addon {
  open(isa: string, threads: number, exact: number, completed: (...fault: number[]) => void): unknown;
  close(device: unknown): void;
  isas(): [name: string, lanes: number, panelWidth: number, panelOrder: PanelOrder][];
  kernels(device: unknown): string[];
  /** Missing in builds of earlier revisions. */
  sizes?(): (string | number)[];
  reserve(device: unknown, bytes: number): number;
  release(device: unknown, address: number): void;
  mapFile(device: unknown, fd: number, bytes: number): number;
  unmapFile(device: unknown, address: number): void;
  copyIn(device: unknown, address: number, data: Data | Float64Array): void;
  copyOut(device: unknown, address: number, data: Data | Float64Array): void;
  submit(device: unknown, address: number, words: number, id: number): boolean;
  hold(device: unknown, busy: number): void;
  compiler(): string;
}

let loaded: Addon | null | undefined;

function load(): Addon | null {
  const root = packageRoot();
  const path = process.env.MINKE_ADDON ?? join(root, 'build/native/minke.node');
  if (!existsSync(path)) spawnSync(process.execPath, [join(root, 'scripts/build-native.mjs'), '--optional']);
  if (!existsSync(path)) return null;
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports as Addon;
}

function addon(): Addon | null {
  if (loaded === undefined) loaded = load();
  return loaded;
}

/** Instruction sets of the native build that this machine can run, best first; empty without a compiler. */
export function nativeIsas(): string[] {
  return (
    addon()
      ?.isas()
      .map(([name]) => name) ?? []
  );
}

/** The compiler that built the native kernels, or null. */
export function nativeCompiler(): string | null {
  return addon()?.compiler() ?? null;
}

export function openNative(isa: string, threads: number, completed: Completed): Backend {
  const found = addon()
    ?.isas()
    .find(([name]) => name === isa);
  const native = addon();
  if (!native || !found) {
    const have = nativeIsas().join(', ') || 'none';
    throw new DeviceError(
      'open',
      `no native build for ${isa} here (${have})`,
      'unset MINKE_ISA, or choose one of these',
    );
  }
  const build = `the ${isa} build`;
  checkSizes(native.sizes?.() ?? [], build);
  const exactMemory = process.env.MINKE_EXACT_MEMORY === '1';
  const handle = native.open(isa, threads, exactMemory ? 1 : 0, (id, code, command, where, value, limit) =>
    completed(id, { code, command, where, value, limit } as Parameters<Completed>[1]),
  );
  return {
    name: 'native',
    isa,
    threads,
    lanes: found[1],
    panelLayout: { width: found[2], order: found[3] },
    memoryLimit: Number.POSITIVE_INFINITY,
    exactMemory,
    givesZeros: !exactMemory && process.platform !== 'win32',
    kernelOrder: checkSignatures(native.kernels(handle), build),
    reserve: (bytes) => native.reserve(handle, bytes),
    release: (address) => native.release(handle, address),
    mapFile(fd, bytes) {
      const address = native.mapFile(handle, fd, bytes);
      if (address >= 0) return address;
      throw new DeviceError(
        'map',
        `expected a file of at least ${bytes} bytes, it has become shorter`,
        'leave it alone while it is opened',
      );
    },
    unmapFile: (address) => native.unmapFile(handle, address),
    copyIn: (address, data) => native.copyIn(handle, address, data),
    copyOut: (address, data) => native.copyOut(handle, address, data),
    submit: (address, words, id) => native.submit(handle, address, words, id),
    hold: (busy) => native.hold(handle, busy ? 1 : 0),
    close: () => native.close(handle),
  };
}
