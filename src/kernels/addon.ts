// Loads native builds: one shared object for each instruction set, which native-build.ts makes, each with the binding
// of cpp/napi.cc.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Arithmetic } from './arithmetic.ts';
import type { Data } from './dtype.ts';
import { knownIsas } from './instruction-sets.ts';
import type { PanelOrder } from './panel-layout.ts';
import { packageRoot } from './root.ts';

export interface Addon {
  open(threads: number, exact: number, completed: (...fault: number[]) => void): unknown;
  close(device: unknown): void;
  isa(): [name: string, lanes: number, panelWidth: number, panelOrder: PanelOrder, arithmetic: Arithmetic];
  /** What decides the choice of an instruction set, and why AMX is left unused. */
  describeCpu(): [cpu: string, tileProblem?: string];
  /** Measures for a millisecond or two. */
  measureBf16(): [tiles: number, pairs: number, steps: number];
  /** The instruction sets that this machine runs, best first by these rates. */
  cpuIsas(tiles: number, pairs: number, steps: number): string[];
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
  /** Runs a command list while nothing else is under way, and waits; returns its seconds of CPU time. */
  runNow(device: unknown, address: number, words: number): number;
  tune(device: unknown, streamed: number, ahead: number, panels: number): void;
  compiler(): string;
}

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
export function loadAddon(isa: string): Loaded {
  const known = loaded.get(isa);
  if (known) return known;
  const path = join(nativeFolder(), `${isa}.node`);
  if (!existsSync(path)) return {};
  const found = loadFile(path);
  if (found.addon ?? found.problem) loaded.set(isa, found);
  return found;
}

function loadFile(path: string): Loaded {
  const module = { exports: {} };
  try {
    process.dlopen(module, path);
  } catch (error) {
    return { problem: `${path} cannot be loaded: ${(error as Error).message}` };
  }
  const addon = module.exports as Addon;
  return 'tune' in addon ? { addon } : {}; // one of an earlier version is built again
}

/** Loads the first build that can be: any of them knows the CPU. */
export function loadAny(): Addon | undefined {
  for (const isa of knownIsas) {
    const { addon } = loadAddon(isa);
    if (addon) return addon;
  }
  return undefined;
}

/** Why builds that exist cannot be used; empty where all can. */
export function nativeProblems(): string[] {
  return knownIsas.map((isa) => loadAddon(isa).problem).filter((problem) => problem !== undefined);
}
