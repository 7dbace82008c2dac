// One row times packed weights larger than the caches, in bytes of weights a second, against plain reading.
import { codeOf, gemmWorkspaceBytes, type Work } from '../src/kernels/index.ts';
import { panelBytes } from '../src/kernels/reference/gemm.ts';
import type { Bench } from './harness.ts';

const stored = { f32: 'f32', bf16: 'bf16', fp8: 'e4m3' } as const;
const outputs = { f32: 8192, bf16: 16384, fp8: 32768 } as const; // 235 MB each: no cache holds them
const k = 7168;

function gemvWork(bench: Bench, precision: keyof typeof stored): Work {
  const { device } = bench;
  const dtype = stored[precision];
  const n = outputs[precision];
  const amount = panelBytes(dtype, n, k, device.panelWidth);
  const panels = bench.random(dtype, n * k);
  const scales = precision === 'fp8' ? [bench.random('f32', (n / 128) * (k / 128))] : [];
  const [x, c] = [bench.random('f32', k), bench.alloc(4 * n)];
  const workspace = bench.alloc(gemmWorkspaceBytes(1, k));
  const number = device.kernel(`gemm_panel_${precision}`);
  const encode = () => device.encode(number, x, panels, ...scales, c, workspace, 1, n, k, k, n, codeOf.f32, 0, 0);
  return { amount, encode };
}

export async function gemv(bench: Bench): Promise<void> {
  for (const precision of ['f32', 'bf16', 'fp8'] as const) {
    await bench.compare({
      name: `${precision} ${outputs[precision]} x ${k}`,
      unit: 'GB/s',
      work: gemvWork(bench, precision),
      yardstick: { name: 'plain reading', work: bench.yardsticks.read(bench.device.threads) },
      required: { atLeast: 0.85 },
    });
    bench.free();
  }
}
