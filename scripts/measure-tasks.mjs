// Writes MODEL/tasks.json, from which the server knows what to offer of the bundled tasks: pass@1 of every level on
// held-out problems in held-out phrasings, and for each given level one held-out problem that the model solves with
// each of 64 seeds. Prints the levels as the model's card shows them.
//
//   node scripts/measure-tasks.mjs models/minke countdown:3 sums:2 products:3     takes six minutes
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openModel } from '../dist/src/engine/index.js';
import { bundledTasks, openTask } from '../dist/src/tasks/index.js';
import { countSolved } from '../dist/test/solve-example.js';

const [folder, ...exampleLevels] = process.argv.slice(2);
/** The defaults of `minke chat`. */
const sampling = { temperature: 0.6, topP: 0.95 };
const seeds = Array.from({ length: 64 }, (_, i) => 1000 + i);
const maxProblems = 100;

const levelNames = [...bundledTasks.values()].flatMap(({ name, difficulty: { from, to } }) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${name}:${from + i}`),
);
const options = ['--problems', '50', '--samples', '4', '--max-tokens', '384', '--phrasing', 'varied', '--json'];
/** Evaluates levels in a process of their own. */
async function evaluate(names) {
  const words = ['dist/src/cli/main.js', 'eval', folder, '--task', ...names, ...options];
  const { stdout } = await promisify(execFile)('node', words, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}
const half = levelNames.length >> 1;
const levels = (await Promise.all([levelNames.slice(0, half), levelNames.slice(half)].map(evaluate))).flat();

async function findExample(model, level) {
  const [name, digits] = level.split(':');
  const difficulty = Number(digits);
  const task = await openTask(name);
  for (let index = 0; index < maxProblems; index++) {
    const [problem] = await task.problems([{ seed: 1, index, difficulty, split: 'held-out' }]);
    const example = { task: name, difficulty, problem };
    if ((await countSolved(model, example, sampling, seeds.slice(0, 16))) < 16) continue;
    if ((await countSolved(model, example, sampling, seeds)) === seeds.length) return example;
  }
  console.log(`none of ${maxProblems} problems of ${level} is always solved: choose another level`);
  return null;
}

const model = await openModel(folder);
const examples = [];
for (const level of exampleLevels) {
  const example = await findExample(model, level);
  if (example !== null) examples.push(example);
}
await model.close();
const rows = (values) => values.map((value) => `    ${JSON.stringify(value)}`).join(',\n');
const json = `{\n  "levels": [\n${rows(levels)}\n  ],\n  "examples": [\n${rows(examples)}\n  ]\n}\n`;
writeFileSync(join(folder, 'tasks.json'), json);
for (const { task, difficulty, passAt1, format } of levels) {
  const percent = (share) => (100 * share).toFixed(1);
  const accuracy = `pass@1 ${percent(passAt1.mean)} % ± ${percent(passAt1.margin)}`;
  console.log(`${task} ${difficulty}: ${accuracy}, well-formed ${percent(format)} %`);
}
for (const { problem } of examples) console.log(`- \`${problem.prompt}\``);
