// Weights of serving in panels: int8 and int4 beside plain reading (one row) and beside bf16 panels (many rows), and few
// tokens over many experts. Bytes are those of the weights that are used.
import { codeOf, gemmWorkspaceBytes, groupPanelBytes, panelBytes, type Work } from '../src/kernels/index.ts';
import type { Bench } from './harness.ts';

const formats = ['bf16', 'int8', 'int4'] as const;
type Format = (typeof formats)[number];

function bytesOf(bench: Bench, format: Format, n: number, k: number, groups = 1): number {
  const { panelWidth } = bench.device;
  if (format === 'bf16') return panelBytes('bf16', n, k, panelWidth, groups);
  return groupPanelBytes(format, n, k, panelWidth, groups);
}

/** f16 scales may be anything here, but not NaN: codes of random bytes are read as scales too. */
function panelsOf(bench: Bench, format: Format, n: number, k: number, groups = 1): number {
  return bench.random('bf16', bytesOf(bench, format, n, k, groups) / 2);
}

function denseWork(bench: Bench, format: Format, m: number, n: number, k: number): Work {
  const { device } = bench;
  const panels = panelsOf(bench, format, n, k);
  const [x, c] = [bench.random('f32', m * k), bench.alloc(4 * m * n)];
  const workspace = bench.alloc(gemmWorkspaceBytes(m, k));
  const number = device.kernel(`gemm_panel_${format}`);
  const amount = m === 1 ? bytesOf(bench, format, n, k) : 2 * m * n * k;
  return { amount, encode: () => device.encode(number, x, panels, c, workspace, m, n, k, k, n, codeOf.f32, 0, 0) };
}

const experts = 64;
const topK = 8;

/** Tokens over experts, each chooses topK, one after the other around the circle. */
function expertWork(bench: Bench, format: Format, tokens: number, n: number, k: number): Work {
  const { device } = bench;
  const m = tokens * topK;
  const counts = new Int32Array(experts);
  for (let row = 0; row < m; row++) counts[(row * 7) % experts]++;
  const offsets = new Int32Array(experts + 1);
  for (let e = 0; e < experts; e++) offsets[e + 1] = offsets[e] + counts[e];
  const used = counts.filter((count) => count > 0).length;
  const panels = panelsOf(bench, format, n, k, experts);
  const [x, c, ranges] = [bench.random('f32', m * k), bench.alloc(4 * m * n), bench.put(offsets)];
  const workspace = bench.alloc(gemmWorkspaceBytes(m, k, experts));
  const number = device.kernel(`grouped_gemm_panel_${format}`);
  const amount = used * bytesOf(bench, format, n, k);
  const words = [m, n, k, experts, codeOf.f32, 0, 0];
  return { amount, encode: () => device.encode(number, x, panels, ranges, c, workspace, ...words) };
}

export async function packed(bench: Bench): Promise<void> {
  const reading = () => ({ name: 'plain reading', work: bench.yardsticks.read(bench.device.threads) });
  for (const format of ['int8', 'int4'] as const) {
    const n = format === 'int8' ? 32768 : 65536; // 250 MB
    await bench.compare({
      name: `${format}, one row, ${n} x 7168`,
      unit: 'GB/s',
      work: denseWork(bench, format, 1, n, 7168),
      yardstick: reading(),
      required: { atLeast: 0.85 },
    });
    bench.free();
  }
  for (const format of ['int8', 'int4'] as const) {
    await bench.compare({
      name: `${format}, 512 rows, 2048 x 2048`,
      unit: 'GFLOP/s',
      work: denseWork(bench, format, 512, 2048, 2048),
      yardstick: { name: 'bf16 panels', work: denseWork(bench, 'bf16', 512, 2048, 2048) },
      required: { atLeast: 1.35 },
    });
    bench.free();
  }
  for (const tokens of [1, 16, 64])
    for (const format of formats) {
      await bench.compare({
        name: `${format}, ${tokens} tokens x ${topK} of ${experts} experts, 1408 x 2048`,
        unit: 'GB/s',
        work: expertWork(bench, format, tokens, 1408, 2048),
        yardstick: reading(),
      });
      bench.free();
    }
}
