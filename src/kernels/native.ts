// The native backend: C++ kernels on a pool of threads, through raw Node-API (cpp/napi.cc). One file for each
// instruction set, which native-build.ts makes. Left out: prebuilt binaries.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Arithmetic } from './arithmetic.ts';
import type { Backend, Completed } from './device.ts';
import type { Data } from './dtype.ts';
import { DeviceError } from './errors.ts';
import { checkSignatures } from './match.ts';
import type { PanelOrder } from './panel-layout.ts';
import { packageRoot } from './root.ts';
import { checkSizes } from './sizes.ts';

interface Addon {
  open(threads: number, exact: number, completed: (...fault: number[]) => void): unknown;
  close(device: unknown): void;
  isa(): [name: string, lanes: number, panelWidth: number, panelOrder: PanelOrder, arithmetic: Arithmetic];
  /** The instruction sets that this machine runs, best first. */
  cpuIsas(): string[];
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

/** The instruction sets that native kernels exist for, best first, `tiles` last; empty on other machines. */
export const knownIsas: readonly string[] =
  { x64: ['amx', 'avx512bf16', 'avx512', 'avx2', 'tiles'], arm64: ['neon'] }[process.arch as string] ?? [];

/** The folder of the builds. MINKE_NATIVE names another one. */
export function nativeFolder(): string {
  return process.env.MINKE_NATIVE ?? join(packageRoot(), 'build/native');
}

interface Loaded {
  readonly addon?: Addon;
  /** Why a build that exists cannot be used. */
  readonly problem?: string;
}

const loaded = new Map<string, Loaded>();

/** Loads a build, once; an object without fields where there is none yet. */
function load(isa: string): Loaded {
  const known = loaded.get(isa);
  if (known) return known;
  const path = join(nativeFolder(), `${isa}.node`);
  if (!existsSync(path)) return {};
  const found = loadFile(path);
  loaded.set(isa, found);
  return found;
}

function loadFile(path: string): Loaded {
  const module = { exports: {} };
  try {
    process.dlopen(module, path);
  } catch (error) {
    return { problem: `${path} cannot be loaded: ${(error as Error).message}` };
  }
  return { addon: module.exports as Addon };
}

const isRunnable = (isa: string): boolean => load(isa).addon?.cpuIsas().includes(isa) ?? false;

/** Instruction sets that were built and that this machine runs, best first. */
export function nativeIsas(): string[] {
  return knownIsas.filter(isRunnable);
}

/** The first of `nativeIsas()`, without loading the others; undefined where there is none. */
export function bestNativeIsa(): string | undefined {
  return knownIsas.find(isRunnable);
}

/** The instruction sets that this machine runs, best first, or null while no build is there to ask. */
export function cpuIsas(): string[] | null {
  const best = bestNativeIsa();
  return best === undefined ? null : (load(best).addon?.cpuIsas() ?? null);
}

/** Why builds that exist cannot be used; empty where all can. */
export function nativeProblems(): string[] {
  return knownIsas.map((isa) => load(isa).problem).filter((problem) => problem !== undefined);
}

/** The compiler that built the native kernels, or null. */
export function nativeCompiler(): string | null {
  const best = bestNativeIsa();
  return best === undefined ? null : (load(best).addon?.compiler() ?? null);
}

export function openNative(isa: string, threads: number, completed: Completed): Backend {
  const { addon: native, problem } = load(isa);
  if (!native || !isRunnable(isa)) {
    const have = nativeIsas().join(', ') || 'none';
    const why = problem ?? `no native build for ${isa} here (${have})`;
    throw new DeviceError('open', why, 'unset MINKE_ISA and MINKE_DEVICE, or choose one of these');
  }
  const [, lanes, width, order, arithmetic] = native.isa();
  const build = `the ${isa} build`;
  checkSizes(native.sizes?.() ?? [], build);
  const exactMemory = process.env.MINKE_EXACT_MEMORY === '1';
  const handle = native.open(threads, exactMemory ? 1 : 0, (id, code, command, where, value, limit) =>
    completed(id, { code, command, where, value, limit } as Parameters<Completed>[1]),
  );
  if (handle === undefined)
    throw new DeviceError(
      'open',
      `no memory for ${threads} threads`,
      'raise the limits of this shell (ulimit -v, ulimit -u), or choose fewer with MINKE_THREADS',
    );
  return {
    name: 'native',
    isa,
    threads,
    lanes,
    panelLayout: { width, order },
    arithmetic,
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
