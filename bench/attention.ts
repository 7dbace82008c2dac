// Causal attention forward at 2048 positions, useful FLOPs only, against one f32 GEMM of 2048.
import type { Work } from '../src/kernels/index.ts';
import { gemmWork } from './gemm.ts';
import type { Bench } from './harness.ts';

const T = 2048;
const H = 8;

function attentionWork(bench: Bench, Dk: number, Dv: number): Work {
  const { device } = bench;
  const [q, k, v] = [Dk, Dk, Dv].map((width) => bench.random('f32', T * H * width));
  const [start, position] = [bench.put(Int32Array.of(0, T)), bench.put(Int32Array.of(0))];
  const starts = { query_start: start, key_start: start, first_position: position };
  const sizes = { B: 1, max_queries: T, T, S: T, Hq: H, Hkv: H, Dk, Dv, causal: 1, window: 0, scale: Dk ** -0.5 };
  const keys = { q_row: H * Dk, q_head: Dk, k_row: H * Dk, k_head: Dk };
  const values = { v_row: H * Dv, v_head: Dv, o_row: H * Dv, o_head: Dv };
  const outputs = { o: bench.alloc(4 * T * H * Dv), lse: bench.alloc(4 * T * H) };
  const args = { q, k, v, ...starts, ...sizes, ...keys, ...values, ...outputs };
  return { amount: T * T * (Dk + Dv) * H, encode: () => device.run('attention_f32', args) };
}

export async function attention(bench: Bench): Promise<void> {
  for (const [Dk, Dv] of [
    [128, 128],
    [192, 128],
  ] as const) {
    await bench.compare({
      name: `f32 forward, ${H} heads of ${Dk} and ${Dv}`,
      unit: 'GFLOP/s',
      work: attentionWork(bench, Dk, Dv),
      yardstick: { name: 'f32 GEMM 2048', work: gemmWork(bench, 'f32', 2048, 2048, 2048) },
      required: { atLeast: 0.5 },
    });
    bench.free();
  }
}
