// Which instruction set computes on this machine: the choice, the rates it was made from, and where they are kept.
//
// Contract: a machine always chooses the same, because the choice decides bits. What was measured is kept beside the
// builds (machine.json) under a description of the CPU, and is measured again only for another CPU; the rule that makes
// a choice of it is in cpp/cpu.h. scripts/build-native.mjs writes the file first.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Addon, loadAddon, loadAny, nativeFolder } from './addon.ts';
import type { Arithmetic } from './arithmetic.ts';
import { type Computation, findSame, knownIsas, nativeArithmetic } from './instruction-sets.ts';

/** GFLOP/s of bf16 products in registers on one thread; 0 for a form that the machine lacks. */
export interface Bf16Rates {
  readonly tiles: number;
  readonly pairs: number;
  readonly steps: number;
}

export interface Cpu {
  /** Maker, model and instruction sets: what the measurements belong to. */
  readonly cpu: string;
  readonly rates: Bf16Rates;
  /** The instruction sets that this machine runs, best first, whether they were built or not; `tiles` is the last. */
  readonly isas: readonly string[];
  /** Why AMX is left unused, where the CPU has it; or null. */
  readonly tileProblem: string | null;
}

/** What is kept beside the builds. Fields of others stay as they are. */
type MachineFile = Readonly<Record<string, unknown>> & { readonly cpu: string };

const machineFile = (): string => join(nativeFolder(), 'machine.json');

/** Reads what was measured on this CPU; null where nothing was, or where the file is damaged. */
export function readMachineFile(cpu: string): MachineFile | null {
  try {
    const file = JSON.parse(readFileSync(machineFile(), 'utf8')) as MachineFile | null;
    return file?.cpu === cpu ? file : null;
  } catch {
    return null;
  }
}

/** Adds measurements to the file. Where the folder cannot be written, the next process measures again. */
export function writeMachineFile(cpu: string, measured: Readonly<Record<string, unknown>>): void {
  const aside = `${machineFile()}.${process.pid}`;
  try {
    writeFileSync(aside, `${JSON.stringify({ ...readMachineFile(cpu), cpu, ...measured }, null, 2)}\n`);
    renameSync(aside, machineFile());
  } catch {
    // A folder of somebody else: what was measured holds for this process.
  }
}

function readRates(cpu: string): Bf16Rates | null {
  const { tiles, pairs, steps } = (readMachineFile(cpu)?.rates ?? {}) as Partial<Bf16Rates>;
  const isRate = (rate: unknown): rate is number => typeof rate === 'number' && rate >= 0;
  return isRate(tiles) && isRate(pairs) && isRate(steps) ? { tiles, pairs, steps } : null;
}

function measureRates(addon: Addon, cpu: string): Bf16Rates {
  const [tiles, pairs, steps] = addon.measureBf16();
  writeMachineFile(cpu, { rates: { tiles, pairs, steps } });
  return { tiles, pairs, steps };
}

let found: Cpu | null = null;

/** What computes on this machine and why; null while no build is there to ask. */
export function examineCpu(): Cpu | null {
  const addon = found === null ? loadAny() : undefined;
  if (!addon) return found;
  const [cpu, tileProblem = null] = addon.describeCpu();
  const rates = readRates(cpu) ?? measureRates(addon, cpu);
  found = { cpu, rates, isas: addon.cpuIsas(rates.tiles, rates.pairs, rates.steps), tileProblem };
  return found;
}

/** The instruction sets that this machine runs, best first, or null while no build is there to ask. */
export function cpuIsas(): readonly string[] | null {
  return examineCpu()?.isas ?? null;
}

/** Instruction sets that were built and that this machine runs, best first. */
export function nativeIsas(): string[] {
  return (cpuIsas() ?? []).filter((isa) => loadAddon(isa).addon !== undefined);
}

/** The instruction sets with an arithmetic, best first; those of this machine, once it is known. */
export function isasWith(arithmetic: Arithmetic): string[] {
  return (cpuIsas() ?? knownIsas).filter((isa) => nativeArithmetic(isa) === arithmetic);
}

/** The first of `nativeIsas()`, without loading the others; undefined where there is none. */
export function bestNativeIsa(): string | undefined {
  return (cpuIsas() ?? []).find((isa) => isa !== 'tiles' && loadAddon(isa).addon !== undefined);
}

/** The compiler that built the native kernels, or null. */
export function nativeCompiler(): string | null {
  return loadAny()?.compiler() ?? null;
}

/** How a device with the bits of another one is opened here: `MINKE_ARITHMETIC=tiles`; null where it cannot be. */
export function howToCompute(computation: Computation): string | null {
  if (computation.device === 'wasm') return `MINKE_ISA=${computation.isa}`;
  if (computation.device !== 'native') return `MINKE_DEVICE=${computation.device}`;
  const isas = cpuIsas() ?? [];
  const isa = findSame(isas, computation);
  if (isa === undefined) return null;
  const isFirst = isas.find((each) => nativeArithmetic(each) === computation.arithmetic) === isa;
  return isFirst ? `MINKE_ARITHMETIC=${computation.arithmetic}` : `MINKE_ISA=${isa}`;
}
