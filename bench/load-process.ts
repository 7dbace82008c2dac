// One process that opens a model and asks it for one token: node load-process.js FOLDER. Prints milliseconds as JSON.
import { openModel } from '../src/engine/index.ts';

/** Since openModel was called; `second` is the time of a second, other prompt. */
export interface Loaded {
  readonly opened: number;
  readonly first: number;
  readonly second: number;
}

const prompt = (from: number) => Array.from({ length: 8 }, (_, i) => 1000 + from + 7919 * i);

const start = performance.now();
const model = await openModel(process.argv[2]);
const opened = performance.now() - start;
for await (const _ of model.generate(prompt(0), { maxTokens: 1, temperature: 0, ignoreEos: true }));
const first = performance.now() - start;
for await (const _ of model.generate(prompt(1), { maxTokens: 1, temperature: 0, ignoreEos: true }));
const second = performance.now() - start - first;
await model.close();
const loaded: Loaded = { opened, first, second };
console.log(JSON.stringify(loaded));
