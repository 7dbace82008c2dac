// The kernels that move rows, in bytes that must move a second, against plain reading. Operands exceed the caches.
//
// A write counts once; that a store first reads its line is the machine's, so a ratio near 0.6 is the limit of kernels
// that write as much as they read.
import { type CallArguments, dtypeBytes, dtypeCode, type KernelName, type Work } from '../src/kernels/index.ts';
import type { Bench } from './harness.ts';

const rows = 8192;
const cols = 2048;
const n = rows * cols;
const { f32, bf16 } = dtypeCode;

function ids(bench: Bench, limit: number): number {
  return bench.put(Int32Array.from({ length: rows }, (_, i) => (i * 7919) % limit));
}

/** Encodes kernel `name` with these arguments; `bytes` move for each element of [rows, cols]. */
function work<Name extends KernelName>(bench: Bench, bytes: number, name: Name, args: CallArguments<Name>): Work {
  return { amount: bytes * n, encode: () => bench.device.run(name, args) };
}

function normWork(b: Bench, dtype: 'f32' | 'bf16'): Work {
  const bytes = dtypeBytes[dtype];
  const places = { x: b.random(dtype, n), gain: b.random('f32', cols), out: b.alloc(bytes * n) };
  const sizes = {
    rows,
    cols,
    x_ld: cols,
    out_ld: cols,
    eps: 1e-6,
    x_type: dtypeCode[dtype],
    out_type: dtypeCode[dtype],
  };
  return work(b, 2 * bytes, 'rms_norm', { ...places, inv_rms: b.alloc(4 * rows), ...sizes });
}

function swigluWork(b: Bench): Work {
  const places = { gate: b.random('bf16', n), up: b.random('bf16', n), out: b.alloc(2 * n) };
  return work(b, 6, 'swiglu', { ...places, rows, cols, in_ld: cols, out_ld: cols, in_type: bf16, out_type: bf16 });
}

function tilesWork(b: Bench): Work {
  const places = { x: b.random('bf16', n), codes: b.alloc(n), scales: b.alloc(n / 32) };
  return work(b, 3, 'quantize_tiles_e4m3', { ...places, x_type: bf16, rows, cols, power_of_two: 0 });
}

function blocksWork(b: Bench): Work {
  const places = { x: b.random('f32', n), codes: b.alloc(n), scales: b.alloc(n / 4096) };
  return work(b, 5, 'quantize_blocks_e4m3', { ...places, x_type: f32, N: rows, K: cols, power_of_two: 0 });
}

function embeddingWork(b: Bench): Work {
  const places = { ids: ids(b, rows), table: b.random('f32', n), out: b.alloc(4 * n) };
  return work(b, 8, 'embedding', { ...places, tokens: rows, vocab: rows, cols, table_type: f32, out_type: f32 });
}

function permuteWork(b: Bench): Work {
  const places = { x: b.random('bf16', n), token_index: ids(b, rows), out: b.alloc(2 * n) };
  return work(b, 4, 'permute_rows', { ...places, rows, tokens: rows, row_bytes: 2 * cols });
}

function lossWork(b: Bench): Work {
  const [logprob, lse, entropy] = [0, 1, 2].map(() => b.alloc(4 * rows));
  const places = { logits: b.random('f32', n), targets: ids(b, cols), logprob, lse, entropy };
  return work(b, 4, 'cross_entropy_f32', { ...places, rows, V: cols, ignore: -1 });
}

function adamwWork(b: Bench): Work {
  const [weight, grad] = [b.random('f32', n), b.random('f32', n)];
  const [m, v] = [b.alloc(4 * n), b.alloc(4 * n)];
  const hyper = b.put(Float32Array.of(1e-3, 0.9, 0.95, 1e-8, 0.1, 0.1, 0.05, 1));
  const row = { weight: [weight], grad: [grad], m: [m], v: [v], half: [null], hyper: [hyper], n: [n] };
  return work(b, 28, 'adamw', { clip: null, moment_type: f32, ...row });
}

const kernels: Record<string, (bench: Bench) => Work> = {
  'copy f32': (b) => work(b, 8, 'copy_bytes', { from: b.random('f32', n), to: b.alloc(4 * n), n: 4 * n }),
  'add f32': (b) => work(b, 12, 'add_f32', { a: b.random('f32', n), b: b.random('f32', n), out: b.alloc(4 * n), n }),
  'cast f32 to bf16': (b) => work(b, 6, 'cast_f32_bf16', { x: b.random('f32', n), out: b.alloc(2 * n), n }),
  'RMSNorm f32': (b) => normWork(b, 'f32'),
  'RMSNorm bf16': (b) => normWork(b, 'bf16'),
  'SwiGLU bf16': swigluWork,
  'quantize 1x128 from bf16': tilesWork,
  'quantize 128x128 from f32': blocksWork,
  'embedding f32': embeddingWork,
  'permute rows bf16': permuteWork,
  'cross-entropy f32': lossWork,
  'AdamW, f32 moments': adamwWork,
};

export async function rowKernels(bench: Bench): Promise<void> {
  for (const [name, make] of Object.entries(kernels)) {
    const yardstick = { name: 'plain reading', work: bench.yardsticks.read(bench.device.threads) };
    await bench.compare({ name, unit: 'GB/s', work: make(bench), yardstick });
    bench.free();
  }
}
