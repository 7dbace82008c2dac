// Measures rates of kernels, for `minke doctor` and the benchmarks.
//
// A sample is the time of encoding and running one list that holds the command `repeats` times, divided by `repeats`;
// repeats are chosen so that a sample lasts some 30 ms, which hides the round trip and shows a busy neighbor.
import { performance } from 'node:perf_hooks';
import { median } from '../math/index.ts';
import type { Device } from './device.ts';
import { probeFlopsPerRound } from './reference/probe.ts';

/** Work to time: encodes its commands, and counts its floating-point operations or bytes. */
export interface Work {
  readonly encode: () => void;
  readonly amount: number;
}

/** Amount per second. */
export interface Rate {
  readonly median: number;
  readonly best: number;
}

const sampleMs = 30;

/** Returns the seconds of one run of the work, from one list of `repeats` runs. */
export async function sample(device: Device, work: Work, repeats: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < repeats; i++) work.encode();
  await device.flush();
  return (performance.now() - start) / 1000 / repeats;
}

/** Warms up, and returns how many runs make a sample of about `milliseconds`. */
export async function calibrate(device: Device, work: Work, milliseconds = sampleMs): Promise<number> {
  await sample(device, work, 1);
  let repeats = 1;
  for (;;) {
    const seconds = await sample(device, work, repeats);
    const needed = milliseconds / 1000 / seconds;
    if (needed <= 2 * repeats || repeats >= 1e6) return Math.max(1, Math.round(needed));
    repeats = Math.min(Math.ceil(needed), 100 * repeats);
  }
}

export function toRate(work: { readonly amount: number }, seconds: readonly number[]): Rate {
  return { median: work.amount / median(seconds), best: work.amount / Math.min(...seconds) };
}

/** Rates of several works, sampled in turn so that a disturbance hits all of them. */
export async function measure(device: Device, works: readonly Work[], rounds = 5): Promise<Rate[]> {
  const repeats: number[] = [];
  for (const work of works) repeats.push(await calibrate(device, work));
  const seconds: number[][] = works.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, work] of works.entries()) seconds[i]?.push(await sample(device, work, repeats[i]));
  }
  return works.map((work, i) => toRate(work, seconds[i]));
}

/** The machine's limits: the work of `kernels/cpp/probe.cc` on one thread or several. */
export interface Yardsticks {
  arithmetic(kernel: 'probe_fma_f32' | 'probe_dot_bf16', threads: number): Work;
  read(threads: number): Work;
  free(): void;
}

/** `readBytes` should be several times the largest cache. */
export function openYardsticks(device: Device, readBytes = 192 * 2 ** 20): Yardsticks {
  const rounds = 50;
  const out = device.alloc(8 * Math.max(8, device.threads), 'yardstick');
  let data: ReturnType<Device['alloc']> | undefined;
  const opened = () => {
    if (data) return data;
    data = device.alloc(readBytes, 'yardstick');
    // Untouched pages all map to one page of zeros, which would be read from cache.
    const part = new Int32Array(2 ** 20);
    for (let at = 0; at < readBytes; at += part.byteLength)
      device.write(data, part.subarray(0, (readBytes - at) / 4), at);
    return data;
  };
  return {
    arithmetic: (kernel, threads) => ({
      encode: () => device.run(kernel, { out, rounds, threads }),
      amount: probeFlopsPerRound[kernel] * rounds * threads,
    }),
    read: (threads) => {
      const { address } = opened();
      return {
        encode: () => device.run('probe_read', { data: address, sums: out, words: readBytes / 4, threads }),
        amount: readBytes,
      };
    },
    free: () => {
      out.free();
      data?.free();
    },
  };
}
