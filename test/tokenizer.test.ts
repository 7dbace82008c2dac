// What Hugging Face's tokenizers in Rust encodes and trains, from test/fixtures/tokenizer.json, which
// scripts/parity/tokenizer.py makes. npm test -- test/tokenizer
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../src/kernels/root.ts';
import { Tokenizer, trainTokenizer } from '../src/tokenizer/index.ts';
import { readV3 } from '../src/tokenizer/test-texts.ts';

interface Trained {
  readonly name: string;
  readonly vocabSize: number;
  readonly texts: readonly string[];
  readonly merges: readonly string[];
}

const fixture: { readonly trained: readonly Trained[]; readonly encoded: readonly [text: string, ids: number[]][] } =
  JSON.parse(readFileSync(join(packageRoot(), 'test', 'fixtures', 'tokenizer.json'), 'utf8'));

test("the ids of DeepSeek-V3's vocabulary", () => {
  const v3 = new Tokenizer(readV3('tokenizer.json'));
  for (const [text, ids] of fixture.encoded) assert.deepEqual([...v3.encode(text)], ids, JSON.stringify(text));
});

for (const { name, vocabSize, texts, merges } of fixture.trained)
  test(`the merges of a vocabulary trained on ${name}`, () => {
    const { model } = trainTokenizer(texts, { vocabSize, preTokenizer: 'gpt-2' });
    assert.deepEqual((model as { merges: string[] }).merges, merges);
  });
