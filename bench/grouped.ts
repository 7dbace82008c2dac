// Grouped GEMM over tokens sorted by expert, against one dense GEMM of the same FLOPs: 64 experts, top-6, random
// routing (every expert's share is its own). Shapes: gate projections of a small model and of DeepSeek-V2-Lite.
import { Random } from '../src/kernels/cases/case.ts';
import { codeOf, type Work } from '../src/kernels/index.ts';
import { gemmWorkspaceBytes } from '../src/kernels/reference/gemm.ts';
import { gemmWork, type Precision } from './gemm.ts';
import type { Bench } from './harness.ts';

const experts = 64;
const topK = 6;

/** offsets[experts + 1] of tokens that choose topK different experts each. */
function routed(tokens: number): Int32Array {
  const random = new Random(tokens);
  const counts = new Int32Array(experts);
  for (let t = 0; t < tokens; t++) {
    const chosen = new Set<number>();
    while (chosen.size < topK) chosen.add(random.below(experts));
    for (const expert of chosen) counts[expert]++;
  }
  const offsets = new Int32Array(experts + 1);
  for (let e = 0; e < experts; e++) offsets[e + 1] = offsets[e] + counts[e];
  return offsets;
}

function groupedWork(bench: Bench, precision: Precision, tokens: number, n: number, k: number): Work {
  const { device } = bench;
  const number = device.kernel(`grouped_gemm_nt_${precision}`);
  const stored = precision === 'f32' ? 'f32' : 'bf16';
  const type = codeOf[stored];
  const m = tokens * topK;
  const a = bench.random(stored, m * k);
  const c = bench.alloc(4 * m * n);
  const workspace = bench.alloc(gemmWorkspaceBytes(m, k, experts));
  const offsets = bench.put(routed(tokens));
  const amount = 2 * m * n * k;
  if (precision === 'fp8') {
    const b = bench.random('e4m3', experts * n * k);
    const scales = bench.random('f32', experts * Math.ceil(n / 128) * Math.ceil(k / 128));
    const encode = () => device.encode(number, a, b, scales, offsets, c, workspace, m, n, k, experts, type, 0, 0);
    return { amount, encode };
  }
  const b = bench.random(stored, experts * n * k);
  return {
    amount,
    encode: () => device.encode(number, a, b, offsets, c, workspace, m, n, k, experts, type, type, 0, 0),
  };
}

export async function grouped(bench: Bench): Promise<void> {
  const shapes = [
    { label: '512 to 256', k: 512, n: 256 },
    { label: '2048 to 1408', k: 2048, n: 1408 },
  ];
  for (const { label, n, k } of shapes) {
    for (const tokens of [512, 4096]) {
      for (const precision of ['f32', 'bf16', 'fp8'] as const) {
        const work = groupedWork(bench, precision, tokens, n, k);
        const dense = gemmWork(bench, precision, tokens * topK, n, k);
        await bench.compare({
          name: `${precision} ${tokens} tokens, ${label}`,
          unit: 'GFLOP/s',
          work,
          yardstick: { name: 'one dense GEMM', work: dense },
          required: { atLeast: 0.8 },
        });
        bench.free();
      }
    }
  }
}
