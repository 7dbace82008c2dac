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
  const [o, lse] = [bench.alloc(4 * T * H * Dv), bench.alloc(4 * T * H)];
  const operands = [q, k, v, start, start, position, o, lse] as number[];
  const strides = [Dk, Dk, Dv, Dv].flatMap((width) => [H * width, width]);
  const number = device.kernel('attention_f32');
  return {
    amount: T * T * (Dk + Dv) * H,
    encode: () => device.encode(number, ...operands, 1, T, T, T, H, H, Dk, Dv, ...strides, 1, Dk ** -0.5),
  };
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
