// llama.cpp itself: a GGUF that minke writes gives the same greedy tokens there. Runs where MINKE_NODE_LLAMA_CPP names
// a folder that has node-llama-cpp in node_modules. npm test -- llama-cpp
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Device, openDevice } from '../../kernels/index.ts';
import {
  adamwHyper,
  adamwStep,
  asyncScope,
  fromArray,
  gradientNorm,
  keep,
  scope,
  Tape,
  type Tensor,
  useDevice,
  zeros,
} from '../../tensor/index.ts';
import { packDocuments, packSequences } from '../batch.ts';
import { type ModelConfig, readConfig, withoutModules, writeConfig } from '../config.ts';
import { createModel } from '../model.ts';
import { listParameters } from '../parameters.ts';
import { servingPrecision } from '../precision.ts';
import { initialWeights } from '../weights.ts';
import { weightValues } from './export.ts';
import { ggufMetadata } from './gguf-config.ts';
import { ggufTensors, openGgufModel } from './gguf-model.ts';
import { writeGguf } from './gguf-writer.ts';
import { importWeights } from './import.ts';
import { bytesOnly, configs } from './test-gguf-models.ts';

let device: Device;
let folder: string;

before(() => {
  device = openDevice();
  useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-llama-cpp-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

/** A text in which every token says which one follows. */
const trainingText = (length: number, from: number) => {
  const ids = [from];
  while (ids.length < length) ids.push(((ids.at(-1) as number) * 5 + 7) % 256);
  return ids;
};

/** Weights after a few steps on the trainingText: random ones would leave ties that any rounding decides. */
async function taught(config: ModelConfig): Promise<Map<string, Tensor>> {
  const weights = initialWeights(readConfig({ ...writeConfig(config), initializer_range: 0.05 }), 7);
  const learnt = listParameters(config).flatMap(({ name, kind }) =>
    kind === 'correction' ? [] : [weights.get(name) as Tensor],
  );
  const states = learnt.map((weight) => ({ weight, m: keep(zeros(weight.shape)), v: keep(zeros(weight.shape)) }));
  const model = createModel(config, weights);
  const hyper = keep(zeros([8]));
  for (let step = 1; step <= 60; step++)
    scope(() => {
      hyper.write(adamwHyper({ learningRate: 0.01, step }));
      const tape = new Tape(learnt);
      const documents = [0, 1, 2, 3].map((from) => trainingText(64, from * 64 + step));
      const gradients = tape.backward(tape.run(() => model.loss(packDocuments(documents)).main));
      const { coefficient } = gradientNorm(gradients, 1, hyper);
      adamwStep(
        states.map((state, i) => ({ ...state, gradient: gradients[i], hyper })),
        coefficient,
      );
    });
  return weights;
}

/** Greedy continuation by minke, a forward pass over everything for each token, as far as the winners lead clearly. */
async function continued(config: ModelConfig, weights: Map<string, Tensor>, prompt: readonly number[], steps: number) {
  const model = createModel(config, weights);
  const ids = [...prompt];
  for (let i = 0; i < steps; i++) {
    const logits = await asyncScope(async (inside) =>
      inside(() => {
        const { out } = model.forward(packSequences([ids]), { policy: servingPrecision });
        return model.logits(out, fromArray(Int32Array.of(ids.length - 1), [1]), servingPrecision);
      }).toArray(),
    );
    const [first, second] = [...logits].sort((a, b) => b - a) as [number, number];
    if (first - second < 0.1) break;
    ids.push(logits.indexOf(first));
  }
  return ids.slice(prompt.length);
}

const llamaFolder = process.env.MINKE_NODE_LLAMA_CPP;
const skip = llamaFolder ? false : 'set MINKE_NODE_LLAMA_CPP to a folder with node-llama-cpp in node_modules';

describe('llama.cpp reads what minke writes', { skip }, () => {
  // Without q_lora_rank llama.cpp knows only models of 26 or 27 layers, so V2-Lite and Moonlight are not tried here.
  for (const name of [
    'v3',
    'v3-yarn-groups',
    'llama',
    'qwen2',
    'qwen3',
    'qwen3-moe',
    'smollm3',
    'phi3',
    'phi3-long',
    'gemma3',
    'glm4-moe',
  ])
    test(`${name} in BF16: the same greedy tokens, up to 64`, async () => {
      const config = withoutModules(configs[name]);
      const path = join(folder, `greedy-${name}.gguf`);
      const tensors = ggufTensors(config, weightValues(config, await taught(config)), 'BF16');
      const pre = { type: 'string', value: 'gpt-2' } as const;
      await writeGguf(path, ggufMetadata(config, { ...bytesOnly, 'tokenizer.ggml.pre': pre }), tensors);
      const { source } = await openGgufModel(path);
      const { weights } = await importWeights(config, source, { dtype: 'f32' });
      await source.close();
      const prompt = trainingText(6, 11);
      const ids = await continued(config, weights, prompt, 64);
      assert.ok(ids.length >= 16, `only ${ids.length} tokens lead clearly`);
      const require = createRequire(join(resolve(llamaFolder as string), 'package.json'));
      const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);
      const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: 1 });
      const model = await llama.loadModel({ modelPath: path });
      const context = await model.createContext({
        contextSize: 128,
        threads: 1,
        flashAttention: false,
        experimentalKvCacheKeyType: 'F32',
        experimentalKvCacheValueType: 'F32', // F16 is its default
      });
      const theirs: number[] = [];
      for await (const token of context.getSequence().evaluate(prompt, { temperature: 0 })) {
        theirs.push(token);
        if (theirs.length === ids.length) break;
      }
      await llama.dispose();
      assert.deepEqual(theirs, ids);
    });
});
