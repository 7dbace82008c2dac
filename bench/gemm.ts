// Dense GEMM: f32 against the micro-kernel's own rate in cache, bf16 against f32, FP8 (quantising its activations)
// against bf16. Square shapes; a is [m, k], weights [n, k].
import { codeOf, type Work } from '../src/kernels/index.ts';
import { gemmWorkspaceBytes } from '../src/kernels/reference/gemm.ts';
import type { Bench } from './harness.ts';

export type Precision = 'f32' | 'bf16' | 'fp8';

/** C[m, n] = A[m, k] B[n, k]: operands stored in the precision's own format, the result f32. */
export function gemmWork(bench: Bench, precision: Precision, m: number, n: number, k: number): Work {
  const { device } = bench;
  const number = device.kernel(`gemm_nt_${precision}`);
  const stored = precision === 'f32' ? 'f32' : 'bf16';
  const type = codeOf[stored];
  const a = bench.random(stored, m * k);
  const c = bench.alloc(4 * m * n);
  const workspace = bench.alloc(gemmWorkspaceBytes(m, k));
  const amount = 2 * m * n * k;
  if (precision === 'fp8') {
    const b = bench.random('e4m3', n * k);
    const scales = bench.random('f32', Math.ceil(n / 128) * Math.ceil(k / 128));
    return { amount, encode: () => device.encode(number, a, b, scales, c, workspace, m, n, k, k, k, n, type, 0, 0) };
  }
  const b = bench.random(stored, n * k);
  return { amount, encode: () => device.encode(number, a, b, c, workspace, m, n, k, k, k, n, type, type, 0, 0) };
}

export async function gemm(bench: Bench): Promise<void> {
  const threads = bench.device.threads;
  for (const size of [512, 1024, 2048]) {
    const square = (precision: Precision) => gemmWork(bench, precision, size, size, size);
    const f32 = square('f32');
    const bf16 = square('bf16');
    const fp8 = square('fp8');
    const peak = bench.yardsticks.arithmetic('probe_fma_f32', threads);
    const unit = 'GFLOP/s';
    await bench.compare({
      name: `f32 ${size}`,
      unit,
      work: f32,
      yardstick: { name: 'micro-kernel in L1', work: peak },
      required: { atLeast: 0.9 },
    });
    await bench.compare({
      name: `bf16 ${size}`,
      unit,
      work: bf16,
      yardstick: { name: `f32 ${size}`, work: f32 },
      required: { atLeast: 1.8 },
    });
    await bench.compare({
      name: `FP8 ${size}`,
      unit,
      work: fp8,
      yardstick: { name: `bf16 ${size}`, work: bf16 },
      required: { atLeast: 0.85 },
    });
    bench.free();
  }
}
