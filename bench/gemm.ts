// Matrix products: dense, grouped by expert, and by packed weights, each against what limits it.
//
// Dense f32 runs against the micro-kernel's own rate in cache, bf16 against f32, FP8 (which quantizes its activations)
// against bf16. A matrix unit leaves the decoding and promotion of FP8 behind, so less is asked of FP8 there. bf16 with
// packed weights must reach 0.4 of what registers alone multiply, which is measured when a CPU is first examined.
// Grouped products run against one dense product of the same FLOPs. Packed weights run against plain reading where few
// rows stream them (235 MB and more: no cache holds them), and against bf16 panels with many rows.
import { dtypeCode, examineCpu, gemmWorkspaceBytes, panelBytes, tilesIn, type Work } from '../src/kernels/index.ts';
import { Random } from '../src/math/index.ts';
import type { Bench } from './harness.ts';

export type Precision = 'f32' | 'bf16' | 'fp8';

interface Sizes {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

const scaleCount = ({ n, k }: Sizes, groups = 1) => groups * tilesIn(n) * tilesIn(k);

/** C[m, n] = A[m, k] B[n, k]: operands stored in the precision's own format, the result f32. */
export function gemmWork(bench: Bench, precision: Precision, m: number, n: number, k: number): Work {
  const { device } = bench;
  const stored = precision === 'f32' ? 'f32' : 'bf16';
  const operands = { a: bench.random(stored, m * k), c: bench.alloc(4 * m * n) };
  const workspace = bench.alloc(gemmWorkspaceBytes(m, k));
  const sizes = { m, n, k, lda: k, ldb: k, ldc: n, a_type: dtypeCode[stored], c_type: dtypeCode.f32, accumulate: 0 };
  const given = { ...operands, workspace, ...sizes };
  const amount = 2 * m * n * k;
  if (precision === 'fp8') {
    const args = { ...given, b: bench.random('e4m3', n * k), b_scales: bench.random('f32', scaleCount({ m, n, k })) };
    return { amount, encode: () => device.run('gemm_nt_fp8', args) };
  }
  const args = { ...given, b: bench.random(stored, n * k), b_type: dtypeCode[stored] };
  return { amount, encode: () => device.run(`gemm_nt_${precision}`, args) };
}

export async function gemm(bench: Bench): Promise<void> {
  const hasMatrixUnit = bench.device.isa === 'amx';
  for (const size of [512, 1024, 2048]) {
    const [f32, bf16, fp8] = (['f32', 'bf16', 'fp8'] as const).map((p) => gemmWork(bench, p, size, size, size));
    const peak = bench.yardsticks.arithmetic('probe_fma_f32', bench.device.threads);
    for (const [name, work, yardstick, atLeast] of [
      ['f32', f32, { name: 'micro-kernel in L1', work: peak }, 0.9],
      ['bf16', bf16, { name: `f32 ${size}`, work: f32 }, 1.8],
      ['FP8', fp8, { name: `bf16 ${size}`, work: bf16 }, hasMatrixUnit ? 0.6 : 0.85],
    ] as const)
      await bench.compare({ name: `${name} ${size}`, unit: 'GFLOP/s', work, yardstick, required: { atLeast } });
    bench.free();
  }
  const { tiles, pairs, steps } = examineCpu()?.rates ?? { tiles: 0, pairs: 0, steps: 0 };
  await bench.compare({
    name: 'bf16 1024, weights packed',
    unit: 'GFLOP/s',
    work: panelWork(bench, 'bf16', { m: 1024, n: 1024, k: 1024 }),
    required: { atLeast: Math.round(0.4 * Math.max(tiles, pairs, steps) * bench.device.threads) },
  });
  bench.free();
}

const experts = 64;

/** [experts + 1] starts of the rows of each expert. */
function offsetsFor(counts: Int32Array): Int32Array {
  const offsets = new Int32Array(experts + 1);
  for (let e = 0; e < experts; e++) offsets[e + 1] = offsets[e] + counts[e];
  return offsets;
}

/** Rows of each expert when each token chooses `topK` different ones at random. */
function randomCounts(tokens: number, topK: number): Int32Array {
  const random = new Random(tokens);
  const counts = new Int32Array(experts);
  for (let t = 0; t < tokens; t++) {
    const chosen = new Set<number>();
    while (chosen.size < topK) chosen.add(random.below(experts));
    for (const expert of chosen) counts[expert]++;
  }
  return counts;
}

function groupedWork(bench: Bench, precision: Precision, { m, n, k }: Sizes, counts: Int32Array): Work {
  const { device } = bench;
  const stored = precision === 'f32' ? 'f32' : 'bf16';
  const operands = {
    a: bench.random(stored, m * k),
    c: bench.alloc(4 * m * n),
    offsets: bench.put(offsetsFor(counts)),
  };
  const workspace = bench.alloc(gemmWorkspaceBytes(m, k, experts));
  const sizes = { m, n, k, groups: experts, a_type: dtypeCode[stored], c_type: dtypeCode.f32, accumulate: 0 };
  const given = { ...operands, workspace, ...sizes };
  const amount = 2 * m * n * k;
  if (precision === 'fp8') {
    const b_scales = bench.random('f32', scaleCount({ m, n, k }, experts));
    const args = { ...given, b: bench.random('e4m3', experts * n * k), b_scales };
    return { amount, encode: () => device.run('grouped_gemm_nt_fp8', args) };
  }
  const args = { ...given, b: bench.random(stored, experts * n * k), b_type: dtypeCode[stored] };
  return { amount, encode: () => device.run(`grouped_gemm_nt_${precision}`, args) };
}

/** 64 experts, top-6, random routing. Gate projections of a small model and of DeepSeek-V2-Lite. */
export async function grouped(bench: Bench): Promise<void> {
  const topK = 6;
  for (const { label, n, k } of [
    { label: '512 to 256', k: 512, n: 256 },
    { label: '2048 to 1408', k: 2048, n: 1408 },
  ])
    for (const tokens of [512, 4096])
      for (const precision of ['f32', 'bf16', 'fp8'] as const) {
        const m = tokens * topK;
        await bench.compare({
          name: `${precision} ${tokens} tokens, ${label}`,
          unit: 'GFLOP/s',
          work: groupedWork(bench, precision, { m, n, k }, randomCounts(tokens, topK)),
          yardstick: { name: 'one dense GEMM', work: gemmWork(bench, precision, m, n, k) },
          required: { atLeast: 0.8 },
        });
        bench.free();
      }
}

type PackedFormat = Precision | 'int8' | 'int4';

function packedBytes(bench: Bench, format: PackedFormat, n: number, k: number, groups = 1): number {
  return panelBytes(format === 'fp8' ? 'e4m3' : format, n, k, bench.device.panelWidth, groups);
}

/** Random panels. f16 scales of groups may be anything but NaN, so those formats get random bf16 numbers. */
function randomPanels(bench: Bench, format: PackedFormat, n: number, k: number, groups = 1): number {
  const bytes = packedBytes(bench, format, n, k, groups);
  if (format === 'fp8') return bench.random('e4m3', bytes);
  return format === 'f32' ? bench.random('f32', bytes / 4) : bench.random('bf16', bytes / 2);
}

/** Rows times packed weights; `amount` counts FLOPs. */
export function panelWork(bench: Bench, format: PackedFormat, { m, n, k }: Sizes): Work {
  const { device } = bench;
  const operands = {
    a: bench.random('f32', m * k),
    panels: randomPanels(bench, format, n, k),
    c: bench.alloc(4 * m * n),
  };
  const workspace = bench.alloc(gemmWorkspaceBytes(m, k));
  const sizes = { m, n, k, lda: k, ldc: n, a_type: dtypeCode.f32, c_type: dtypeCode.f32, accumulate: 0 };
  const given = { ...operands, workspace, ...sizes };
  const amount = 2 * m * n * k;
  if (format === 'fp8') {
    const args = { ...given, b_scales: bench.random('f32', scaleCount({ m, n, k })) };
    return { amount, encode: () => device.run('gemm_panel_fp8', args) };
  }
  return { amount, encode: () => device.run(`gemm_panel_${format}`, given) };
}

async function compareOneRow(bench: Bench, format: PackedFormat, n: number, name: string): Promise<void> {
  const k = 7168;
  const { encode } = panelWork(bench, format, { m: 1, n, k });
  await bench.compare({
    name,
    unit: 'GB/s',
    work: { encode, amount: packedBytes(bench, format, n, k) },
    yardstick: { name: 'plain reading', work: bench.yardsticks.read(bench.device.threads) },
    required: { atLeast: 0.85 },
  });
  bench.free();
}

/** One row, and a few in bf16, times packed weights, in bytes of weights a second. */
export async function gemv(bench: Bench): Promise<void> {
  for (const [format, n] of [
    ['f32', 8192],
    ['bf16', 16384],
    ['fp8', 32768],
  ] as const)
    await compareOneRow(bench, format, n, `${format} ${n} x 7168`);
  for (const m of [2, 4, 8, 16]) {
    await bench.compare({
      name: `bf16, ${m} rows, 16384 x 7168`,
      unit: 'GB/s',
      work: { ...panelWork(bench, 'bf16', { m, n: 16384, k: 7168 }), amount: packedBytes(bench, 'bf16', 16384, 7168) },
      yardstick: { name: 'plain reading', work: bench.yardsticks.read(bench.device.threads) },
    });
    bench.free();
  }
}

/** Few tokens over many experts in turn, each choosing `topK`; in bytes of the weights that are used. */
function expertWork(bench: Bench, format: 'bf16' | 'int8' | 'int4', m: number, n: number, k: number): Work {
  const { device } = bench;
  const counts = new Int32Array(experts);
  for (let row = 0; row < m; row++) counts[(row * 7) % experts]++;
  const panels = randomPanels(bench, format, n, k, experts);
  const operands = { a: bench.random('f32', m * k), panels, offsets: bench.put(offsetsFor(counts)) };
  const workspace = bench.alloc(gemmWorkspaceBytes(m, k, experts));
  const sizes = { m, n, k, groups: experts, a_type: dtypeCode.f32, c_type: dtypeCode.f32, accumulate: 0 };
  const args = { ...operands, c: bench.alloc(4 * m * n), workspace, ...sizes };
  const used = counts.filter((count) => count > 0).length;
  const amount = used * packedBytes(bench, format, n, k);
  return { amount, encode: () => device.run(`grouped_gemm_panel_${format}`, args) };
}

/** Weights of serving: int8 and int4 beside plain reading and bf16 panels, and few tokens over many experts. */
export async function packed(bench: Bench): Promise<void> {
  for (const [format, n] of [
    ['int8', 32768],
    ['int4', 65536],
  ] as const)
    await compareOneRow(bench, format, n, `${format}, one row, ${n} x 7168`);
  const sizes = { m: 512, n: 2048, k: 2048 };
  for (const format of ['int8', 'int4'] as const) {
    await bench.compare({
      name: `${format}, 512 rows, 2048 x 2048`,
      unit: 'GFLOP/s',
      work: panelWork(bench, format, sizes),
      yardstick: { name: 'bf16 panels', work: panelWork(bench, 'bf16', sizes) },
      required: { atLeast: 1.35 },
    });
    bench.free();
  }
  const topK = 8;
  for (const tokens of [1, 16, 64])
    for (const format of ['bf16', 'int8', 'int4'] as const) {
      await bench.compare({
        name: `${format}, ${tokens} tokens x ${topK} of ${experts} experts, 1408 x 2048`,
        unit: 'GB/s',
        work: expertWork(bench, format, tokens * topK, 1408, 2048),
        yardstick: { name: 'plain reading', work: bench.yardsticks.read(bench.device.threads) },
      });
      bench.free();
    }
}
