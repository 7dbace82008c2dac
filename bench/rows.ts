// The kernels that move rows, in bytes that must move a second, against plain reading. Operands exceed the caches.
//
// A write counts once; that a store first reads its line is the machine's, so a ratio near 0.6 is the limit of kernels
// that write as much as they read.
import { codeOf, type Work } from '../src/kernels/index.ts';
import type { Bench } from './harness.ts';

const rows = 8192;
const cols = 2048;
const n = rows * cols;
const { f32, bf16 } = codeOf;

type Make = (bench: Bench) => Work;

/** Encodes kernel `name` with these words; `bytes` an element of [rows, cols]. */
function work(bench: Bench, name: Parameters<Bench['device']['kernel']>[0], bytes: number, words: number[]): Work {
  const number = bench.device.kernel(name);
  return { amount: bytes * n, encode: () => bench.device.encode(number, ...words) };
}

function ids(bench: Bench, limit: number): number {
  return bench.put(Int32Array.from({ length: rows }, (_, i) => (i * 7919) % limit));
}

const kernels: Record<string, Make> = {
  'copy f32': (b) => work(b, 'copy_bytes', 8, [b.random('f32', n), b.alloc(4 * n), 4 * n]),
  'add f32': (b) => work(b, 'add_f32', 12, [b.random('f32', n), b.random('f32', n), b.alloc(4 * n), n]),
  'cast f32 to bf16': (b) => work(b, 'cast_f32_bf16', 6, [b.random('f32', n), b.alloc(2 * n), n]),
  'RMSNorm f32': (b) =>
    work(
      b,
      'rms_norm',
      8,
      [b.random('f32', n), b.random('f32', cols), b.alloc(4 * n), b.alloc(4 * rows)].concat([
        rows,
        cols,
        cols,
        cols,
        1e-6,
        f32,
        f32,
      ]),
    ),
  'RMSNorm bf16': (b) =>
    work(
      b,
      'rms_norm',
      4,
      [b.random('bf16', n), b.random('f32', cols), b.alloc(2 * n), b.alloc(4 * rows)].concat([
        rows,
        cols,
        cols,
        cols,
        1e-6,
        bf16,
        bf16,
      ]),
    ),
  'SwiGLU bf16': (b) =>
    work(b, 'swiglu', 6, [
      b.random('bf16', n),
      b.random('bf16', n),
      b.alloc(2 * n),
      rows,
      cols,
      cols,
      cols,
      bf16,
      bf16,
    ]),
  'quantise 1x128 from bf16': (b) =>
    work(b, 'quantise_tiles_e4m3', 3, [b.random('bf16', n), b.alloc(n), b.alloc(n / 32), bf16, rows, cols, 0]),
  'quantise 128x128 from f32': (b) =>
    work(b, 'quantise_blocks_e4m3', 5, [b.random('f32', n), b.alloc(n), b.alloc(n / 4096), f32, rows, cols, 0]),
  'embedding f32': (b) =>
    work(b, 'embedding', 8, [ids(b, rows), b.random('f32', n), b.alloc(4 * n), rows, rows, cols, f32, f32]),
  'permute rows bf16': (b) =>
    work(b, 'permute_rows', 4, [b.random('bf16', n), ids(b, rows), b.alloc(2 * n), rows, rows, 2 * cols]),
  'cross-entropy f32': (b) =>
    work(
      b,
      'cross_entropy_f32',
      4,
      [b.random('f32', n), ids(b, cols), b.alloc(4 * rows), b.alloc(4 * rows)].concat([
        b.alloc(4 * rows),
        rows,
        cols,
        -1,
      ]),
    ),
  'AdamW, f32 moments': (b) =>
    work(
      b,
      'adamw',
      28,
      [b.random('f32', n), b.random('f32', n), b.alloc(4 * n), b.alloc(4 * n), 0].concat([
        b.put(Float32Array.of(1e-3, 0.9, 0.95, 1e-8, 0.1, 0.1, 0.05, 1)),
        0,
        f32,
        n,
      ]),
    ),
};

export async function rowKernels(bench: Bench): Promise<void> {
  for (const [name, make] of Object.entries(kernels)) {
    const yardstick = { name: 'plain reading', work: bench.yardsticks.read(bench.device.threads) };
    await bench.compare({ name, unit: 'GB/s', work: make(bench), yardstick });
    bench.free();
  }
}
