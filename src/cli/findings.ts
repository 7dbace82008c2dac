// What makes this machine slower than it could be, in words. Pure: from what doctor saw to sentences.
import type { Machine } from '../kernels/index.ts';

/** Rates in operations or bytes a second; `all` uses every thread of the device. */
export interface Seen {
  readonly machine: Machine;
  readonly device: string;
  readonly isa: string;
  /** Native instruction sets of this machine, best first; empty without a native build. */
  readonly nativeIsas: readonly string[];
  readonly compiler: string | null;
  readonly threads: number;
  readonly f32: { readonly one: number; readonly all: number };
  readonly bf16: { readonly one: number; readonly all: number };
  readonly forced: Readonly<Record<string, string | undefined>>;
}

export function findings(seen: Seen): string[] {
  return [...deviceFindings(seen), ...isaFindings(seen), ...threadFindings(seen)];
}

function deviceFindings({ device, nativeIsas, compiler, forced }: Seen): string[] {
  if (device === 'native') return [];
  if (device === 'reference')
    return ['MINKE_DEVICE=reference runs plain TypeScript, the definition: hundreds of times slower than native'];
  if (forced.MINKE_DEVICE === 'wasm' && nativeIsas.length > 0)
    return ['MINKE_DEVICE=wasm leaves the native build unused: unset it'];
  const reach =
    'WebAssembly has 128-bit vectors and no bf16 or FP8 instructions: about a quarter of AVX-512 in f32, a tenth in bf16';
  if (compiler === null)
    return [
      `no native kernels, because no C++ compiler was found: ${reach}. Install g++ or clang, then: npm run build`,
    ];
  return [`the native build has no kernels for this CPU: ${reach}`];
}

function isaFindings({ device, isa, nativeIsas, bf16, f32 }: Seen): string[] {
  const found: string[] = [];
  const best = nativeIsas[0];
  if (device === 'native' && best !== undefined && isa !== best)
    found.push(`MINKE_ISA=${isa} was asked for; this machine has ${best}`);
  else if (isa === 'avx2')
    found.push('no AVX-512: vectors are half as wide, and weights are decoded without byte tables');
  if (isa === 'simd128')
    found.push(
      'no relaxed SIMD in this Node: no fused multiply-add in WebAssembly, so about half the rate; use a newer Node',
    );
  if (bf16.one < 1.5 * f32.one)
    found.push(
      `no bf16 dot products in ${isa}: bf16 and FP8 multiply at ${(bf16.one / f32.one).toFixed(1)} x the speed of f32, where AVX512-BF16 has 2 x`,
    );
  return found;
}

function threadFindings({ machine, threads, f32, forced }: Seen): string[] {
  const found: string[] = [];
  const { cores, coreQuota, load } = machine;
  if (threads < cores)
    found.push(
      `${threads} of ${cores} cores are used${forced.MINKE_THREADS ? ' (MINKE_THREADS)' : ': threads need SharedArrayBuffer'}`,
    );
  if (threads > cores)
    found.push(`${threads} threads share ${cores} cores (MINKE_THREADS): they will wait for each other`);
  if (coreQuota < threads) found.push(`the container grants ${coreQuota} cores of time to ${threads} threads`);
  const scaling = f32.all / f32.one / Math.min(threads, cores);
  if (threads > 1 && scaling < 0.8) {
    const why =
      load > 0.5
        ? `other processes take cores (load average ${load.toFixed(1)})`
        : 'cores that share one arithmetic unit (SMT), a lower clock when all work, or a busy neighbour';
    found.push(`${threads} threads reach ${(100 * scaling).toFixed(0)} % of ${threads} x one thread: ${why}`);
  } else if (load > cores) found.push(`load average ${load.toFixed(1)} on ${cores} cores: other work is running`);
  return found;
}
