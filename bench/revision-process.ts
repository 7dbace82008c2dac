// Times prompts and decoding of one built checkout: node revision-process.js CHECKOUT MODEL. Prints seconds as JSON.
//
// Only the library's stable calls are used, so that the same process measures an older revision.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { openModel } from '../src/engine/index.ts';
import { median } from '../src/math/index.ts';

const promptTokens = 384;
const decodedTokens = 64;
const samples = 20;
/** Samples in which steps are recorded and code is compiled. */
const warmSamples = 20;

export interface RevisionTimes {
  /** Seconds for each token of a prompt, and for each token after the first: medians of the samples. */
  readonly prefill: number;
  readonly decode: number;
}

const [checkout, folder] = process.argv.slice(2);
const engine = (await import(pathToFileURL(join(checkout, 'dist/src/engine/index.js')).href)) as {
  openModel: typeof openModel;
};
const model = await engine.openModel(folder);

async function time(length: number, maxTokens: number, salt: number) {
  const prompt = Array.from({ length }, (_, i) => 3 + ((salt * 131 + i * 31) % (model.vocabSize - 3)));
  for await (const event of model.generate(prompt, { maxTokens, temperature: 0, ignoreEos: true }))
    if (event.type === 'end') return event;
  throw new Error('the generation had no end');
}

const prefill: number[] = [];
const decode: number[] = [];
for (let sample = 0; sample < warmSamples + samples; sample++) {
  const long = await time(promptTokens, 1, 2 * sample);
  const short = await time(8, decodedTokens, 2 * sample + 1);
  if (sample < warmSamples) continue;
  prefill.push(long.firstTokenMs / 1000 / promptTokens);
  decode.push((short.totalMs - short.firstTokenMs) / 1000 / (decodedTokens - 1));
}
await model.close();
const times: RevisionTimes = { prefill: median(prefill), decode: median(decode) };
console.log(JSON.stringify(times));
