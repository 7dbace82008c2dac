// Asks a model 224 prompts as people type them, four seeds each, and prints the share of acceptable replies by kind.
//
//   node scripts/measure-prompts.mjs models/minke      add --failures to see what was not acceptable
import { openModel } from '../dist/src/engine/index.js';
import { ask, isAcceptable, naturalPrompts } from '../dist/test/natural-prompts.js';

const [folder, flag] = process.argv.slice(2);
const sampling = { temperature: 0.6, topP: 0.95, maxTokens: 400 };
const model = await openModel(folder, { cacheBytes: 2 ** 26 });
const jobs = naturalPrompts.flatMap((prompt) => [0, 1, 2, 3].map((seed) => ({ prompt, seed })));
const replies = await Promise.all(jobs.map(({ prompt, seed }) => ask(model, prompt, { ...sampling, seed })));
await model.close();
const judged = jobs.map(({ prompt }, i) => ({ prompt, reply: replies[i], ok: isAcceptable(replies[i], prompt.want) }));
const share = (list) => `${((100 * list.filter(({ ok }) => ok).length) / list.length).toFixed(1)} %`;
if (flag === '--failures')
  for (const { prompt, reply, ok } of judged)
    if (!ok)
      console.log(`${prompt.messages.map(({ content }) => content).join(' | ')} => ${reply.trim().slice(0, 90)}`);
for (const kind of ['number', 'text', 'countdown', 'words', 'refusal']) {
  const own = judged.filter(({ prompt }) => prompt.want.kind === kind);
  console.log(`${kind}: ${share(own)} of ${own.length / 4} prompts`);
}
console.log(`acceptable: ${share(judged)} of ${naturalPrompts.length} prompts`);
