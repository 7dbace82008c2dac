// What makes this machine slower than it could be: pure functions from the measurements of doctor to sentences.
import type { Machine } from '../kernels/index.ts';
import { formatPercent } from '../math/index.ts';

/** The rates of one thread and of all threads of the device, in operations per second. */
interface ThreadRates {
  readonly one: number;
  readonly all: number;
}

/** What doctor measured. */
export interface DeviceReport {
  readonly machine: Machine;
  readonly device: string;
  readonly isa: string;
  /** The native instruction sets of this machine, best first; empty without a native build. */
  readonly nativeIsas: readonly string[];
  /** All that this machine runs, best first, built or not. */
  readonly cpuIsas: readonly string[];
  /** Why AMX is left unused, where the CPU has it. */
  readonly tileProblem: string | null;
  readonly compiler: string | null;
  /** Why there is no native build, where one was tried. */
  readonly nativeFailure: string | null;
  readonly threads: number;
  readonly f32: ThreadRates;
  readonly bf16: ThreadRates;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export function findings(report: DeviceReport): string[] {
  return [...deviceFindings(report), ...isaFindings(report), ...threadFindings(report)];
}

function deviceFindings({ device, nativeIsas, compiler, nativeFailure, environment }: DeviceReport): string[] {
  if (device === 'native') return [];
  if (device === 'reference')
    return ['MINKE_DEVICE=reference runs the definitions in plain TypeScript: hundreds of times slower than native'];
  if (environment.MINKE_DEVICE === 'wasm' && nativeIsas.length > 0)
    return ['MINKE_DEVICE=wasm leaves the native build unused: unset it'];
  const limits =
    'WebAssembly has 128-bit vectors and no bf16 or FP8 instructions: ' +
    'about a quarter of AVX-512 in f32, a tenth in bf16';
  if (compiler === null)
    return [
      `no native kernels (${nativeFailure ?? 'they were never built'}): ${limits}. ` +
        'Once a C++ compiler works here (g++ or clang), minke doctor compiles them',
    ];
  return [`the native build has no kernels for this CPU: ${limits}`];
}

/** What forces another instruction set than the best. */
function findChooser({ MINKE_ISA, MINKE_ARITHMETIC }: DeviceReport['environment']): string {
  if (MINKE_ISA !== undefined) return 'MINKE_ISA';
  return MINKE_ARITHMETIC === undefined ? 'a missing build' : 'MINKE_ARITHMETIC';
}

function isaFindings({ device, isa, cpuIsas, tileProblem, bf16, f32, environment }: DeviceReport): string[] {
  const found: string[] = [];
  const best = cpuIsas[0];
  if (tileProblem !== null) found.push(`the CPU has AMX and it is not used: ${tileProblem}`);
  if (device === 'native' && best !== undefined && isa !== best)
    found.push(`${findChooser(environment)} selects ${isa}; this machine runs ${best}`);
  else if (isa === 'avx2')
    found.push('no AVX-512: vectors are half as wide, and weights are decoded without byte tables');
  if (isa === 'simd128')
    found.push(
      'no relaxed SIMD in this Node: no fused multiply-add in WebAssembly, so about half the rate; ' +
        'use a newer Node',
    );
  if (isa !== 'amx' && bf16.one < 1.5 * f32.one)
    found.push(
      `bf16 and FP8 multiply at ${(bf16.one / f32.one).toFixed(1)} x the speed of f32 in ${isa}: ` +
        'AVX512-BF16 of AMD has 2 x, AMX of Intel servers 15 x',
    );
  return found;
}

function threadFindings({ machine, threads, f32, environment }: DeviceReport): string[] {
  const found: string[] = [];
  const { cores, coreQuota, load } = machine;
  if (threads < cores)
    found.push(
      `${threads} of ${cores} cores are used` +
        `${environment.MINKE_THREADS ? ' (MINKE_THREADS)' : ': threads need SharedArrayBuffer'}`,
    );
  if (threads > cores) found.push(`${threads} threads share ${cores} cores (MINKE_THREADS): they wait for each other`);
  if (coreQuota < threads) found.push(`the container grants ${coreQuota} cores of time to ${threads} threads`);
  const scaling = f32.all / f32.one / Math.min(threads, cores);
  if (threads > 1 && scaling < 0.8) {
    const why =
      load > 0.5
        ? `other processes take cores (load average ${load.toFixed(1)})`
        : 'cores that share one arithmetic unit (SMT), a lower clock when all work, or a busy neighbor';
    found.push(`${threads} threads reach ${formatPercent(scaling)} of ${threads} x one thread: ${why}`);
  } else if (load > cores) found.push(`load average ${load.toFixed(1)} on ${cores} cores: other work is running`);
  return found;
}
