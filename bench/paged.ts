// Decoding over a paged latent cache (C = 512, R = 64): one query a sequence, absorbed MLA.
//
// With 8 heads in bytes of cache a second against plain reading: every turn reads other blocks of a pool that exceeds
// the caches, as the layers of a model do; 15 FLOPs a byte, so that two Zen 4 cores at their bf16 rate would end at
// 28 GB/s. With 128 heads it is arithmetic, against one bf16 GEMM of 2048.
import {
  dtypeCode,
  fromBf16,
  type PoolFormat,
  pagedAttentionWorkspaceBytes,
  poolFormat,
  recordBytes,
  type Work,
} from '../src/kernels/index.ts';
import { gemmWork } from './gemm.ts';
import type { Bench } from './harness.ts';

const C = 512;
const width = C + 64;
const poolBlocks = 4096;

interface Decode {
  readonly format: PoolFormat;
  readonly sequences: number;
  readonly tokens: number;
  readonly heads: number;
  readonly queries?: number;
  readonly unit: 'bytes' | 'flops';
}

/** FP8 records whose every byte is the same: codes of 1, small scales and values. Random bytes would hold NaNs. */
function records(bench: Bench, bytes: number): number {
  const buffer = bench.alloc(poolBlocks * 64 * bytes);
  bench.device.run('fill_bf16', { out: buffer, n: (poolBlocks * 64 * bytes) / 2, value: fromBf16(0x3838) });
  return buffer;
}

function decodeWork(bench: Bench, { format, sequences: B, tokens, heads: H, queries = 1, unit }: Decode): Work {
  const { device } = bench;
  const layout = { width, codes: format === 'fp8' ? C : 0, tile: 128, format: poolFormat[format] };
  const bytes = recordBytes(layout);
  const pool = format === 'fp8' ? records(bench, bytes) : bench.random('bf16', (poolBlocks * 64 * bytes) / 2);
  const each = tokens / 64;
  const turns = Math.max(1, Math.floor(poolBlocks / (B * each)));
  const tables = Array.from({ length: turns }, (_, turn) =>
    bench.put(Int32Array.from({ length: B * each }, (_, i) => (turn * B * each + i * 5) % poolBlocks)),
  );
  const T = B * queries;
  const workspace = pagedAttentionWorkspaceBytes(T, H, C, each);
  const sizes = { B, T, max_queries: queries, max_blocks: each, Hq: H, Hkv: 1, Dk: width, Dv: C };
  const places = { k_offset: 0, k_head: width, v_offset: 0, v_head: C, window: 0, scale: width ** -0.5 };
  const args = {
    q: bench.random('f32', T * H * width),
    q_type: dtypeCode.f32,
    pool,
    lengths: bench.put(new Int32Array(B).fill(tokens)),
    query_start: bench.put(Int32Array.from({ length: B + 1 }, (_, b) => b * queries)),
    partial: workspace <= 2 ** 26 ? bench.alloc(workspace) : null,
    out: bench.alloc(4 * T * H * C),
    ...sizes,
    ...places,
    ...layout,
    blocks: poolBlocks,
  };
  let turn = 0;
  return {
    amount: unit === 'bytes' ? B * tokens * bytes : 2 * T * H * tokens * (width + C),
    encode: () => device.run('paged_attention', { ...args, tables: tables[turn++ % turns] }),
  };
}

export async function paged(bench: Bench): Promise<void> {
  const gemm = () => ({ name: 'bf16 GEMM 2048', work: gemmWork(bench, 'bf16', 2048, 2048, 2048) });
  const reading = () => ({ name: 'plain reading', work: bench.yardsticks.read(bench.device.threads) });
  const of = (format: PoolFormat, heads: number) =>
    [1, 16, 64].flatMap((sequences) => [512, 4096].map((tokens) => ({ format, sequences, tokens, heads })));
  for (const shape of [
    ...of('bf16', 8),
    { format: 'bf16', sequences: 1, tokens: 4096, heads: 8, queries: 4 },
    ...of('fp8', 8),
    ...of('bf16', 128),
    ...of('fp8', 128),
  ] as const) {
    const unit = shape.heads === 8 ? 'bytes' : 'flops';
    const { format, sequences, tokens, heads, queries = 1 } = { queries: 1, ...shape };
    await bench.compare({
      name: `${format}, ${sequences} x ${tokens} tokens, ${heads} heads${queries > 1 ? `, ${queries} queries` : ''}`,
      unit: unit === 'bytes' ? 'GB/s' : 'GFLOP/s',
      work: decodeWork(bench, { ...shape, unit }),
      yardstick: unit === 'bytes' ? reading() : gemm(),
      ...(unit === 'flops' && { required: { atLeast: 0.5 } }),
    });
    bench.free();
  }
}
