// What the help shows of each verb: command lines that parse (cli.test.ts), and what they are for.

interface Example {
  /** What follows `minke`. */
  readonly line: string;
  readonly about: string;
}

/** By verb, in the order of the help; the first stands in `minke --help`. */
export const examples: Readonly<Record<string, readonly [Example, ...Example[]]>> = {
  chat: [
    { line: 'chat my-model', about: 'talk to it; thinking is dimmed' },
    { line: "chat my-model --prompt 'What is 17 * 23?' --temperature 0", about: 'one question, one answer' },
    { line: 'chat my-model.gguf --tokenizer my-model --dtype int4', about: 'a GGUF file, in a quarter of the memory' },
  ],
  serve: [
    { line: 'serve my-model', about: 'the app and the API at http://127.0.0.1:8000' },
    {
      line: 'serve my-model --dtype int8 --cache-dtype fp8 --context 8192',
      about: 'less memory, a context of its own',
    },
    { line: 'serve my-model --host 0.0.0.0 --key secret --no-runs', about: 'for others, who need a key' },
  ],
  convert: [
    { line: 'convert my-model my-model.gguf --dtype q8_0', about: 'for llama.cpp' },
    { line: 'convert my-model my-model-fp8 --dtype fp8', about: 'blocks of 128 x 128, as DeepSeek releases them' },
    { line: 'convert my-model my-model-ready --ready --dtype int4', about: 'mapped by chat and serve, open at once' },
  ],
  pretrain: [
    { line: 'pretrain tiny-shakespeare --data input.txt', about: 'a small model from a text, in seconds' },
    {
      line: 'pretrain tiny --data a.jsonl b.parquet --run runs/mine --set steps=5000 precision=fp8',
      about: 'a preset on files of your own',
    },
    { line: 'pretrain --resume --run runs/mine', about: 'go on after Ctrl-C or a crash, to the same weights' },
  ],
  rl: [
    { line: 'rl countdown-zero --model my-base', about: 'a base learns to reason by reward alone' },
    { line: 'rl --model my-base --task ./my-task.js --run runs/mine', about: 'a task of your own' },
    { line: 'rl countdown-zero --model my-base --task countdown:4 --set learningRate=1e-4', about: 'harder, slower' },
    { line: 'rl --resume --run runs/mine', about: 'go on with a run' },
  ],
  distil: [
    {
      line: 'distil --student my-small --teacher my-reasoner --task countdown:3 --traces 5000',
      about: "a student learns from a teacher's right answers",
    },
    {
      line: 'distil --student my-small --teacher http://127.0.0.1:8000/v1 --task arithmetic',
      about: 'a teacher behind an API; its key is MINKE_TEACHER_KEY',
    },
  ],
  speedrun: [
    { line: 'speedrun', about: 'from nothing to a model that thinks, and a report' },
    { line: 'speedrun runs/second --seed 2', about: 'once more, with other chance' },
  ],
  eval: [
    { line: 'eval my-model --task countdown', about: 'pass@1 and cons@k on held-out problems' },
    { line: 'eval my-model --task countdown:3 countdown:4', about: 'two levels' },
    { line: 'eval my-model --task ./my-task.js --problems 100 --samples 16 --json', about: 'for a program to read' },
    { line: 'eval http://127.0.0.1:8000/v1 --model my-model --task arithmetic', about: 'any OpenAI-compatible API' },
  ],
  ablate: [{ line: 'ablate balance --data input.txt', about: 'one idea, with and without' }],
  report: [
    { line: 'report runs/mine', about: 'curve, validation loss, time and cost of a run' },
    { line: 'report runs/mine --results docs/results', about: 'writes table and plot' },
  ],
  doctor: [{ line: 'doctor', about: 'what runs the math here, and how fast' }],
  inspect: [
    { line: 'inspect deepseek-v3', about: 'parameters, work and memory' },
    { line: 'inspect my-model --tensors', about: 'what a checkpoint holds' },
  ],
  watch: [{ line: 'watch', about: 'runs in the browser: past, live, and new ones' }],
};

/** Longer lines have their purpose below, so that the list is not wider than most terminals. */
const longestBeside = 46;

function listed(chosen: readonly Example[]): string {
  const width = Math.min(longestBeside, Math.max(...chosen.map(({ line }) => line.length)));
  return chosen
    .map(({ line, about }) => {
      const gap = line.length > width ? `\n${' '.repeat(width + 8)}` : ' '.repeat(width - line.length);
      return `  minke ${line}${gap}  ${about}`;
    })
    .join('\n');
}

export function examplesOf(verb: string): string {
  return listed(examples[verb] ?? []);
}

export function exampleOfEach(): string {
  return listed(Object.values(examples).map(([first]) => first));
}
