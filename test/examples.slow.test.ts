// The bundled model solves the examples that README, card and app show, and offers no level that it never solves.
// npm test -- test/examples
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { chooseSampling } from '../src/cli/engine-flags.ts';
import { openModel } from '../src/engine/index.ts';
import { packageRoot } from '../src/kernels/root.ts';
import { createApp, readTaskResults } from '../src/server/index.ts';
import { type TaskResults, taskList } from '../src/server/protocol-tasks.ts';
import { parseCommandLine, splitWords } from './command-lines.ts';
import { countSolved } from './solve-example.ts';

const folder = join(packageRoot(), 'models', 'minke');
const results = readTaskResults(folder) as TaskResults;
const card = readFileSync(join(folder, 'README.md'), 'utf8');
const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
const seeds = Array.from({ length: 16 }, (_, seed) => seed);

const model = await openModel(folder, { cacheBytes: 2 ** 26 });
after(() => model.close());

/** What the app shows first: the example of each task. */
async function listAppExamples() {
  const app = createApp(model, { taskResults: { [model.name]: results } });
  const response = await app.fetch(new Request('http://localhost/minke/tasks'));
  return taskList.parse(await response.json()).tasks.flatMap(({ example }) => example ?? []);
}

describe('examples of the bundled model', () => {
  const chatLines = readme.split('\n').filter((line) => /^npx minke chat models\/minke /.test(line));
  const cardPrompts = [...card.matchAll(/^- `(.+)`$/gm)].map(([, prompt]) => prompt);

  test('README and card show examples of the app', async () => {
    const prompts = (await listAppExamples()).map(({ problem }) => problem.prompt);
    assert.ok(prompts.length >= 6);
    assert.deepEqual(cardPrompts, prompts);
    assert.ok(chatLines.length > 0);
    for (const line of chatLines)
      assert.ok(prompts.includes((await parseCommandLine(splitWords(line).slice(2))).options.prompt as string), line);
  });

  test('each is solved with at least 15 of 16 seeds by the defaults of minke chat', async () => {
    const { options } = await parseCommandLine(splitWords(chatLines[0]).slice(2));
    const sampling = chooseSampling(options, model.defaults);
    for (const example of await listAppExamples()) {
      const solved = await countSolved(model, example, sampling, seeds);
      assert.ok(solved >= 15, `${example.problem.prompt} ${solved} of ${seeds.length}`);
    }
  });

  test('the card shows the measured levels', () => {
    const shown = [...card.matchAll(/^([\w-]+) (\d): pass@1 ([\d.]+) %/gm)].map((match) => match.slice(1));
    const measured = results.levels.map(({ task, difficulty, passAt1: { mean } }) => [
      task,
      `${difficulty}`,
      (100 * mean).toFixed(1),
    ]);
    assert.deepEqual(shown, measured);
  });
});
