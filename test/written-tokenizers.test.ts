// llama.cpp cuts texts as minke does with a SentencePiece tokenizer that minke wrote. Runs where MINKE_NODE_LLAMA_CPP
// names a folder that has node-llama-cpp in node_modules. npm test -- written-tokenizers
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { openDevice } from '../src/kernels/index.ts';
import { ggufMetadata, ggufTensors, openGgufModel, weightValues, writeGguf } from '../src/model/checkpoint/index.ts';
import { initialWeights, readConfig } from '../src/model/index.ts';
import { useDevice } from '../src/tensor/index.ts';
import { ggufTokenizerKeys, loadGgufTokenizer } from '../src/tokenizer/index.ts';

const llamaFolder = process.env.MINKE_NODE_LLAMA_CPP;
const skip = llamaFolder ? false : 'set MINKE_NODE_LLAMA_CPP to a folder with node-llama-cpp in node_modules';

/** A vocabulary as SentencePiece has it: bytes, letters, and every beginning of some words, the short ones first. */
function makeVocabulary() {
  const words = ['the', 'there', 'then', 'moon', 'mood', 'is', 'island', 'round', 'around', 'and', 'android', 'a'];
  const starts = words.flatMap((word) => [...`▁${word}`].map((_, i) => `▁${word}`.slice(0, i + 2)));
  const inside = ['an', 'and', 'th', 'the', 'ou', 'oun', 'ound', 'oo', 'on', 'nd'];
  const letters = [...'abcdefghijklmnopqrstuvwxyz▁,.'];
  const normal = [...new Set([...starts, ...inside].sort((x, y) => x.length - y.length)), ...letters].filter(
    (token, i, all) => all.indexOf(token) === i,
  );
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...normal];
  const types = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1));
  return { tokens, types, scores: tokens.map((_, id) => (id < 259 ? 0 : 258 - id)) };
}

test('SentencePiece that minke writes: llama.cpp cuts alike', { skip }, async () => {
  const { tokens, types, scores } = makeVocabulary();
  const keys = new Map<string, unknown>([
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', Int32Array.from(types)],
    ['tokenizer.ggml.scores', Float32Array.from(scores)],
  ]);
  const loaded = loadGgufTokenizer(keys, 'made');
  const sizes = { hidden_size: 64, intermediate_size: 96, num_hidden_layers: 1, num_attention_heads: 4 };
  const config = readConfig({ ...sizes, model_type: 'llama', vocab_size: tokens.length, max_position_embeddings: 256 });
  const folder = mkdtempSync(join(tmpdir(), 'minke-tokenizer-'));
  const path = join(folder, 'model.gguf');
  const device = openDevice();
  useDevice(device);
  try {
    const tensors = ggufTensors(config, weightValues(config, initialWeights(config, 1)), 'F32');
    await writeGguf(path, ggufMetadata(config, ggufTokenizerKeys(loaded, tokens.length)), tensors);
    const { metadata, source } = await openGgufModel(path);
    await source.close();
    const { tokenizer } = loadGgufTokenizer(metadata, path);
    const require = createRequire(join(resolve(llamaFolder as string), 'package.json'));
    const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);
    const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: 1 });
    const model = await llama.loadModel({ modelPath: path });
    const texts = [
      'the moon is round',
      'there and then, an island.',
      'aroundandroid  the\nmoood',
      'naïve 你好 👍🏽 thethe',
    ];
    for (const text of texts) assert.deepEqual([...tokenizer.encode(text)], [...model.tokenize(text)], text);
    await llama.dispose();
  } finally {
    rmSync(folder, { recursive: true });
    await device.close();
  }
});
