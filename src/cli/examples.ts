// The examples of the help: command lines, which test/help.test.ts parses, and what they do.
import type { Example, RunKind } from '../train/index.ts';

type Examples = Readonly<Record<string, readonly [Example, ...Example[]]>>;

const usage: Examples = {
  chat: [
    { line: 'chat my-model', about: 'chat; thinking is dimmed' },
    { line: "chat my-model --prompt 'What is 17 * 23?' --temperature 0", about: 'one prompt, one answer' },
    { line: 'chat my-model.gguf --tokenizer my-model --dtype int4', about: 'a GGUF file with 4-bit weights' },
  ],
  serve: [
    { line: 'serve my-model', about: 'web app and API at http://127.0.0.1:8000' },
    { line: 'serve org/name-GGUF:Q4_K_M', about: 'a model of the hub, downloaded the first time' },
    {
      line: 'serve my-model --dtype int8 --cache-dtype fp8 --context 8192',
      about: 'less memory',
    },
    { line: 'serve my-model --task ./my-task.ts', about: 'the app offers problems of your own task, with verdicts' },
    { line: 'serve my-model --host 0.0.0.0 --key secret --no-runs', about: 'open to the network, with an API key' },
  ],
  convert: [
    { line: 'convert my-model my-model.gguf --dtype q8_0', about: 'for llama.cpp' },
    { line: 'convert my-model my-model.gguf --dtype q4_k_m --importance text.txt', about: 'best on such texts' },
    { line: 'convert my-model my-model-fp8 --dtype fp8', about: 'FP8 blocks, as DeepSeek releases them' },
    { line: 'convert runs/mine my-model --best --dtype bf16', about: 'the checkpoint of a run with the best score' },
    { line: 'convert my-model my-model-ready --ready --dtype int4', about: 'opens at once in chat and serve' },
  ],
  pull: [{ line: 'pull org/name', about: 'a model of the hub, or its newest version' }],
  list: [{ line: 'list', about: 'the models that were downloaded' }],
  remove: [{ line: 'remove org/name-GGUF:Q4_K_M', about: 'one file of several' }],
};

const others: Examples = {
  examples: [
    {
      line: 'examples ./my-task.ts --teacher https://example.org/v1 --model big --count 500 --price 0.28/0.42',
      about: 'worked examples for a base, written by a teacher',
    },
  ],
  new: [{ line: 'new task my-task', about: 'a task of your own, with worked examples and a test' }],
  speedrun: [
    { line: 'speedrun', about: 'from random weights to a model that thinks, with a report' },
    { line: 'speedrun runs/second --seed 2', about: 'again, with another random seed' },
    { line: 'speedrun --task ./my-task.ts', about: 'the same on a task of your own' },
  ],
  r1: [
    { line: 'r1', about: 'R1-Zero, cold start, RL, rejection sampling, RL for all, students' },
    { line: 'r1 --run runs/r1-2 --seed 2', about: 'again, with another random seed; a stopped one continues' },
    {
      line: 'r1 ./my-pipeline.ts --accept cold-start',
      about: 'stages of your own, one of which need not pass its gate',
    },
  ],
  eval: [
    { line: 'eval my-model --task countdown', about: 'pass@1 and cons@k on held-out problems' },
    { line: 'eval my-model countdown-eval', about: 'what the speedrun asks' },
    { line: 'eval my-model --task countdown:3 countdown:4', about: 'two levels of difficulty' },
    { line: 'eval my-model --task ./my-task.js --problems 100 --samples 16 --json', about: 'results as JSON' },
    { line: 'eval http://127.0.0.1:8000/v1 --model my-model --task arithmetic', about: 'any OpenAI-compatible API' },
  ],
  ablate: [{ line: 'ablate balance --data input.txt', about: 'a recipe with and without one idea' }],
  report: [
    { line: 'report runs/mine', about: 'curves, validation loss, time and cost of a run' },
    { line: 'report runs/mine --results docs/results', about: 'write table and plot to a folder' },
  ],
  cost: [
    { line: 'cost my-model', about: 'what it cost, with all that it goes back to' },
    { line: 'cost runs/mine --price 0.02/0.05/0.1 --json', about: 'at another price of an hour, as JSON' },
    { line: 'cost my-model --runs runs --save --card', about: 'keep failed runs in its lineage, the bill in its card' },
  ],
  doctor: [{ line: 'doctor', about: 'what computes here, and how fast' }],
  conformance: [{ line: 'conformance --base-url http://127.0.0.1:8000', about: 'what holds of a server' }],
  verify: [{ line: 'verify my-model', about: 'whether its files belong together' }],
  inspect: [
    { line: 'inspect deepseek-v3', about: 'parameters, compute and memory' },
    { line: 'inspect my-model --tensors', about: 'the tensors of a checkpoint' },
  ],
  plan: [
    { line: 'plan claim deepseek-v3', about: 'the 5.6 million, opened: its parts, and what they leave out' },
    {
      line: 'plan train moonlight-16b-a3b --tokens 1T --target days=30 --price 3',
      about: 'how many devices, divided how, for what band of money',
    },
    { line: 'plan serve deepseek-v3 --device h200 --weights fp8 --api deepseek-r1', about: 'speed, price, break-even' },
    { line: 'plan rl deepseek-v3 --device h800 --devices 512 --steps 10400 --at-once 8192', about: 'R1-Zero' },
    { line: 'plan market', about: 'the tables of prices, with dates and sources' },
  ],
  probe: [{ line: 'probe machine.json', about: 'then: minke plan train tiny --market machine.json ...' }],
  watch: [
    { line: 'watch', about: 'training runs in the browser' },
    { line: 'watch --allow-task ./my-task.js', about: 'the page may start runs on your own task, which is a program' },
  ],
};

/** Returns examples by command, in the order of the help. `minke --help` shows the first of each. */
export function listExamples(kinds: readonly RunKind[]): Examples {
  return { ...usage, ...Object.fromEntries(kinds.map((kind) => [kind.name, kind.examples])), ...others };
}

/** The purpose of a longer line is on the next line, so that the list fits most terminals. */
const maxWidth = 46;

function formatExamples(chosen: readonly Example[]): string {
  const width = Math.min(maxWidth, Math.max(...chosen.map(({ line }) => line.length)));
  return chosen
    .map(({ line, about }) => {
      const gap = line.length > width ? `\n${' '.repeat(width + 8)}` : ' '.repeat(width - line.length);
      return `  minke ${line}${gap}  ${about}`;
    })
    .join('\n');
}

export function commandExamples(command: string, kinds: readonly RunKind[]): string {
  return formatExamples(listExamples(kinds)[command] ?? []);
}

export function overviewExamples(kinds: readonly RunKind[]): string {
  return formatExamples(Object.values(listExamples(kinds)).map(([first]) => first));
}
