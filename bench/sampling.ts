// From logits to tokens: milliseconds of a draw for the batches that serving meets, beside reading the logits once.
//
// Logits are those of a model that is sure of little: normal with a deviation of 2.5, so that top-p of 0.95 at
// temperature 0.6 keeps some hundreds of tokens. A ratio of 1 would be one pass over memory.
import { maxListed, samplingWorkspaceBytes } from '../src/kernels/index.ts';
import { Random } from '../src/math/index.ts';
import type { Bench } from './harness.ts';

type Setting = readonly [temperature: number, topK: number, topP: number, minP: number, draw: number];

const settings: Readonly<Record<string, Setting>> = {
  greedy: [0, 0, 1, 0, 0],
  'temperature 1': [1, 0, 1, 0, 0.5],
  'temperature 0.6, top-p 0.95': [0.6, 0, 0.95, 0, 0.5],
  'temperature 0.6, top-k 40, top-p 0.95': [0.6, 40, 0.95, 0, 0.5],
};

const shapes = [
  [1, 129_280],
  [8, 129_280],
  [64, 32_000],
] as const;

export async function sampling(bench: Bench): Promise<void> {
  const { device } = bench;
  for (const [R, V] of shapes) {
    const logits = bench.put(new Random(1).normals(R * V, 2.5));
    const workspace = bench.alloc(samplingWorkspaceBytes(R, V));
    const ids = bench.alloc(4 * R * maxListed);
    const logprobs = bench.alloc(4 * R * maxListed);
    const none = bench.put(new Float32Array(1));
    const edits = {
      starts: bench.put(new Int32Array(R + 1)),
      ids: bench.put(new Int32Array(1)),
      factors: none,
      offsets: none,
      banned: null,
      maskRows: null,
      masks: null,
    };
    const given = { logits, workspace: samplingWorkspaceBytes(R, V) > 0 ? workspace : null, logprobs, R, V };
    const compare = async (name: string, encode: () => void) => {
      const work = { amount: 4 * R * V, encode };
      const yardstick = { name: 'plain reading', work: bench.yardsticks.read(device.threads) };
      await bench.compare({ name: `[${R}, ${V}] ${name}`, unit: 'GB/s', work, yardstick });
    };
    for (const [name, setting] of Object.entries(settings)) {
      const rows = bench.put(Float32Array.from(Array.from({ length: R }, () => setting).flat()));
      await compare(name, () =>
        device.run('sample_tokens', { ...given, ...edits, settings: rows, tokens: ids, M: 1, N: 0, K: 0 }),
      );
    }
    await compare('top 20', () => device.run('top_logprobs', { ...given, ids, count: maxListed }));
    bench.free();
  }
}
