// The f32 GEMM on WebAssembly, beside the native one: what a browser, or a machine without a compiler, gets.
import { openDevice, wasmIsas } from '../src/kernels/index.ts';
import { gemmWork } from './gemm.ts';
import type { Bench } from './harness.ts';

export async function wasm(bench: Bench): Promise<void> {
  for (const isa of wasmIsas()) {
    for (const threads of new Set([1, bench.device.threads])) {
      const device = openDevice({ device: 'wasm', isa, threads, memoryBytes: 2 ** 28 });
      const there = bench.on(device);
      try {
        for (const size of [512, 1024]) {
          const work = gemmWork(there, 'f32', size, size, size);
          await warm(there, work);
          const required = isa === 'relaxed-simd' ? { atLeast: 50 * threads } : undefined;
          await there.compare({ name: `f32 ${size}`, unit: 'GFLOP/s', work, ...(required && { required }) });
          there.free();
        }
      } finally {
        there.free();
        await device.close();
      }
    }
  }
}

/** V8 compiles once quickly and again well, while the code runs. */
async function warm({ device }: Bench, { encode }: { encode: () => void }): Promise<void> {
  for (const start = performance.now(); performance.now() - start < 1000; ) {
    encode();
    await device.flush();
  }
}
