// Yardsticks, defined: kernels whose results are simple and whose speed is the machine's. See cpp/probe.cc.
//
// The arithmetic probes run `rounds` times over a tile of 12 x 32 sums, each of which grows by exactly 1 a round;
// probe_read sums 32-bit words modulo 2^32. `threads` is the number of tasks, each with an output of its own.
import { kernel } from '../kernel.ts';

/** Multiply-adds count twice. */
export const probeFlopsPerRound = { probe_fma_f32: 2 * 128 * 12 * 32, probe_dot_bf16: 4 * 128 * 12 * 32 } as const;

const pageWords = 1024;

function define(out: Float32Array, rounds: number, threads: number): void {
  out.fill(rounds, 0, 2 * threads); // least and greatest sum of each thread's tile
}

export const probe = {
  probe_fma_f32: kernel('out:f32! rounds:int threads:int', define),

  probe_dot_bf16: kernel('out:f32! rounds:int threads:int', define),

  probe_read: kernel('data:i32 sums:i32! words:int threads:int', (data, sums, words, threads) => {
    const share = Math.ceil(Math.ceil(words / pageWords) / threads) * pageWords;
    for (let thread = 0; thread < threads; thread++) {
      sums[thread] = data
        .subarray(0, words)
        .subarray(thread * share, (thread + 1) * share)
        .reduce((a, b) => (a + b) | 0, 0);
    }
  }),
};
