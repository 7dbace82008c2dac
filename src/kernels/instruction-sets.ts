// The instruction sets of native builds, and what decides the bits of each: the arithmetic of its products, and its
// lanes, because reductions are trees over the lanes of a vector. Builds that are equal in both give equal bits:
// `tiles` computes in software, on any machine with AVX-512, what `amx` does.
import { type Arithmetic, arithmetics } from './arithmetic.ts';
import { DeviceError } from './errors.ts';

interface InstructionSet {
  readonly arithmetic: Arithmetic;
  /** f32 lanes of a vector. */
  readonly lanes: number;
}

const instructionSets: Readonly<Record<string, Readonly<Record<string, InstructionSet>>>> = {
  x64: {
    amx: { arithmetic: 'tiles', lanes: 16 },
    avx512bf16: { arithmetic: 'pairs', lanes: 16 },
    avx512: { arithmetic: 'steps', lanes: 16 },
    avx2: { arithmetic: 'steps', lanes: 8 },
    tiles: { arithmetic: 'tiles', lanes: 16 },
  },
  arm64: { neon: { arithmetic: 'steps', lanes: 4 } },
};

const ownSets = instructionSets[process.arch] ?? {};

/** The instruction sets that native kernels exist for on this kind of machine, the richest first, `tiles` last. */
export const knownIsas: readonly string[] = Object.keys(ownSets);

/** The arithmetic of a native build; undefined where there is no such build. */
export function nativeArithmetic(isa: string): Arithmetic | undefined {
  return ownSets[isa]?.arithmetic;
}

/** What decides the bits of a device's results, as lineage records it. */
export interface Computation {
  /** native, wasm or reference. */
  readonly device: string;
  /** The instruction set. */
  readonly isa: string;
  /** How bf16 and FP8 products round; `exact` on a reference device. */
  readonly arithmetic: string;
  readonly lanes: number;
}

/** Whether two devices give the same bits. WebAssembly fuses multiply and add where it likes, so only its own do. */
export function isSameComputation(a: Computation, b: Computation): boolean {
  const isEqual = a.arithmetic === b.arithmetic && a.lanes === b.lanes && a.device === b.device;
  return isEqual && (a.isa === b.isa || a.device === 'native');
}

/** Returns the first of some native builds with the bits of a computation. */
export function findSame(isas: readonly string[], computation: Computation): string | undefined {
  return isas.find((isa) => {
    const set = ownSets[isa];
    return set !== undefined && isSameComputation({ device: 'native', isa, ...set }, computation);
  });
}

/** Reads MINKE_ARITHMETIC. Throws DeviceError for anything but an arithmetic. */
export function requestedArithmetic(): Arithmetic | undefined {
  const name = process.env.MINKE_ARITHMETIC;
  if (name === undefined) return undefined;
  if ((arithmetics as readonly string[]).includes(name)) return name as Arithmetic;
  throw new DeviceError(
    'open',
    `MINKE_ARITHMETIC=${name} is none of ${arithmetics.join(', ')}`,
    'correct or unset it; minke doctor shows what this machine computes with',
  );
}
