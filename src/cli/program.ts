// The commands of minke and their options. Each command is a file of its own, which is loaded when it runs; examples.ts
// has the examples of the help.
import { Argument, Command, Option } from 'commander';
import { packageVersion } from '../kernels/root.ts';
import type { ProfileName } from '../server/index.ts';
import { bundledFacts } from '../tasks/families/index.ts';
import { phrasingNames } from '../tasks/phrasing.ts';
import { templateNames } from '../tasks/template.ts';
import type { RunKind } from '../train/index.ts';
import { withDownloadFlag } from './download-flag.ts';
import {
  parseInteger,
  parseIntegers,
  parseNumber,
  parsePositive,
  parseText,
  withEngineFlags,
  withSamplingFlags,
} from './engine-flags.ts';
import { commandExamples, overviewExamples } from './examples.ts';
import { evalExitCodesHelp, exitCodesHelp } from './exit-codes.ts';
import { loadModule } from './load-module.ts';
import { parseAmount, planNames } from './plan-options.ts';
import { withRunsFlags } from './runs-flags.ts';
import { withServerFlags } from './server-flags.ts';

const checkpoint = 'a checkpoint folder, a .gguf file, or a name on the hub: org/name, org/name-GGUF:Q4_K_M';
const acceptAbout = 'go on after these stages even where their gates are not passed';
const ownTask = 'a file that exports one with steps, or a bundled one';
const tasks = `${[...bundledFacts.keys()].join(', ')}, or a file that exports a task; name:4 sets the difficulty`;

/** Returns the action of a command, whose file is loaded when it runs. */
function later<Module>(file: string, pick: (module: Module) => (...words: never[]) => unknown) {
  return async (...words: unknown[]): Promise<void> => {
    const command = pick(await loadModule<Module>(file));
    await command(...(words as never[]));
  };
}

function use(program: Command): void {
  program.commandsGroup('Use a model:');
  withSamplingFlags(withEngineFlags(program.command('chat').description('chat with a model in the terminal')))
    .argument('<model>', checkpoint)
    .option('--prompt <text>', 'answer one prompt and exit', parseText)
    .option('--system <text>', 'system prompt')
    .option('--seed <n>', 'random seed (default: a new one)', parseInteger)
    .option('--max-tokens <n>', 'max tokens to generate (default: up to the context)', parsePositive)
    .action(later<typeof import('./chat.ts')>('chat', (chat) => chat.chatCommand));

  const serve = program
    .command('serve')
    .description('serve a model: a web app, and an API like those of DeepSeek and OpenAI');
  withRunsFlags(withServerFlags(withEngineFlags(serve)))
    .argument('<model>', checkpoint)
    .option('--name <name>', 'model name in the API (default: the name of the folder)', parseText)
    .option('--alias <names...>', 'other names by which clients may ask for the model, such as gpt-4o')
    .option('--parallel <n>', 'max sequences that run at once', parsePositive, 64)
    .option('--runs <folder>', 'training runs that the app shows and starts', 'runs')
    .option('--task <files...>', 'tasks of your own that the app offers, and whose answers it grades')
    .option('--strict', 'refuse requests with fields that nobody knows, such as a misspelled one')
    .addOption(
      new Option('--profile <api>', 'where APIs differ: thinking shown, thinking sent back, usage in streams')
        .choices(['deepseek', 'deepseek-v3.1', 'deepseek-r1', 'openai'] satisfies ProfileName[])
        .default('deepseek'),
    )
    .option('--no-runs', 'serve without training runs')
    .action(later<typeof import('./serve.ts')>('serve', (serve) => serve.serveCommand));

  withDownloadFlag(program.command('convert').description('convert a checkpoint to another file or number format'))
    .argument('<from>', checkpoint)
    .argument('<to>', 'a new folder or .gguf file')
    .requiredOption(
      '--dtype <format>',
      'f32, f16, bf16; fp8 (128 x 128 blocks, as DeepSeek releases them); q8_0, q6_k, q5_k_m, q5_k_s, ' +
        'q4_k_m, q4_k_s, q4_0 (GGUF only); ' +
        'int8, int4 (--ready only)',
    )
    .option('--ready', 'pack weights for this device, so that chat and serve map them into memory')
    .option('--best', '<from> is the folder of a run: convert its checkpoint with the best held-out score')
    .option('--importance <file>', 'a text of the use to come, or an imatrix .gguf: where q4_k_m and kin must be exact')
    .option('--mtp', 'keep MTP modules in a GGUF file; llama.cpp does not load such files')
    .action(later<typeof import('./convert.ts')>('convert', (convert) => convert.convert));
}

function withModels(program: Command): void {
  program
    .command('pull')
    .description('download a model from the hub, or its newest version')
    .argument('<model>', 'its name: org/name, org/name@revision, org/name-GGUF:Q4_K_M')
    .action(later<typeof import('./models.ts')>('models', (models) => models.pull));
  program
    .command('list')
    .description('list the models that were downloaded, by minke or by Python programs')
    .action(later<typeof import('./models.ts')>('models', (models) => models.list));
  program
    .command('remove')
    .description('remove a downloaded model')
    .argument('<model>', 'its name, as minke list shows it')
    .option('--yes', 'remove it without asking')
    .action(later<typeof import('./models.ts')>('models', (models) => models.remove));
}

/** The kinds of runs and what adds their verbs, which training.ts has: most verbs start without loading them. */
export interface TrainingCommands {
  readonly runKinds: readonly RunKind[];
  addRunCommands(program: Command, kinds: readonly RunKind[]): void;
}

const none: TrainingCommands = { runKinds: [], addRunCommands: () => undefined };

function addTraining(program: Command, { runKinds, addRunCommands }: TrainingCommands): void {
  program.commandsGroup('Train a model:');
  addRunCommands(program, runKinds);

  program
    .command('new')
    .description('write a task of your own to begin with, and its test')
    .addArgument(new Argument('<what>', 'what to write').choices(['task']))
    .argument('<name>', 'its name, as in my-task; also the name of its file')
    .action(later<typeof import('./new.ts')>('new', (module) => module.newCommand));

  program
    .command('examples')
    .description('collect worked examples of a task from a teacher, for a base to read, and print the bill')
    .argument('<task>', 'a file that exports a task, or a bundled one; name:4 sets the difficulty')
    .requiredOption(
      '--teacher <model>',
      "an OpenAI-compatible API's address, whose key is MINKE_TEACHER_KEY, or a folder",
    )
    .option('--model <name>', 'model name at the API', 'default')
    .option('--to <folder>', 'where they are kept; the same command continues', 'examples')
    .option('--count <n>', 'examples to keep: correct and well-formed ones', parsePositive, 500)
    .option('--samples <k>', 'answers to each problem', parsePositive, 2)
    .option('--max-tokens <n>', 'max tokens of an answer', parsePositive, 512)
    .addOption(new Option('--template <name>', 'full says what is expected').choices(templateNames).default('full'))
    .option('--min-acceptance <share>', 'the collection ends below this share of accepted answers', parseNumber, 0.1)
    .option('--price <read/written>', 'dollars for a million tokens, as in 0.28/0.42')
    .action(later<typeof import('./collect-examples.ts')>('collect-examples', (module) => module.examplesCommand));

  program
    .command('speedrun')
    .description('run the whole recipe: base, R1-Zero, a distilled student, evaluation, report.html')
    .argument('[folder]', 'folder of its runs; finished stages are not repeated (default: runs/speedrun, runs/<task>)')
    .option('--task <task>', `one task instead of Countdown: ${ownTask}; name:4 sets the difficulty`)
    .option('--set <path=value...>', 'replace fields of stages, as in base.steps=3000 zero.steps=80')
    .option('--results <folder>', 'add the result to a page of results')
    .addOption(
      new Option('--seed <n>', 'random seed of every stage (default: as in the recipe)')
        .argParser(parseInteger)
        .conflicts('seeds'),
    )
    .option('--seeds <n,n,...>', 'the whole of it with each of these seeds, and a table of them', parseIntegers)
    .option('--accept <stages...>', acceptAbout)
    .addHelpText('after', exitCodesHelp)
    .action(later<typeof import('./speedrun.ts')>('speedrun', (speedrun) => speedrun.speedrunCommand));

  program
    .command('r1')
    .description('run the stages of R1, each behind the gate of the one before: report.md with table, curves, samples')
    .argument('[recipe]', 'a pipeline of recipes/, or a file that exports one', 'r1')
    .option('--run <folder>', 'folder of its stages; finished stages are not repeated', 'runs/r1')
    .option('--seed <n>', 'random seed of every stage (default: as in the recipe)', parseInteger)
    .option('--accept <stages...>', acceptAbout)
    .option('--results <folder>', 'add the result to a page of results')
    .addHelpText('after', exitCodesHelp)
    .action(later<typeof import('./r1.ts')>('r1', (r1) => r1.r1Command));
}

function measuring(program: Command): void {
  program.commandsGroup('Measure:');
  withSamplingFlags(
    withEngineFlags(program.command('eval').description('evaluate a model on held-out problems of a task')),
  )
    .argument('<model>', `${checkpoint}, or the address of an OpenAI-compatible API`)
    .argument('[recipe]', 'an evaluation of recipes/, or a file that exports one, instead of --task and its options')
    .option('--task <tasks...>', tasks)
    .option('--problems <n>', 'held-out problems', parsePositive, 200)
    .option('--samples <k>', 'answers to each problem: pass@1 is their mean, cons@k their majority', parsePositive, 4)
    .option('--max-tokens <n>', 'max tokens to generate', parsePositive, 256)
    .addOption(
      new Option('--template <name>', 'template that the model was trained with')
        .choices(templateNames)
        .default('short'),
    )
    .addOption(
      new Option('--phrasing <name>', 'varied: problems in phrasings that no training sees')
        .choices(phrasingNames)
        .default('canonical'),
    )
    .option('--seed <n>', 'random seed of problems and answers', parseInteger, 1337)
    .option('--model <name>', 'model name at the API; the API key is read from OPENAI_API_KEY')
    .option('--json', 'print one JSON object per task')
    .addHelpText('after', evalExitCodesHelp)
    .action(later<typeof import('./eval.ts')>('eval', ({ evalCommand }) => evalCommand));

  program
    .command('ablate')
    .description('compare variants of a recipe: a table and a plot')
    .argument('<recipe>', 'an ablation of recipes/ablations, or a file that exports one')
    .option('--data <files...>', 'text, JSONL or Parquet files; an ablation of pipelines makes its own')
    .option('--runs <folder>', 'folder of its runs; finished runs are used again', 'runs')
    .option('--results <folder>', 'write table and plot there (default: beside the runs)')
    .addHelpText('after', exitCodesHelp)
    .action(later<typeof import('./ablate.ts')>('ablate', (ablate) => ablate.ablate));

  program
    .command('report')
    .description('report on a run: curves, validation loss, time and cost')
    .argument('<run>', 'folder of a run')
    .option('--name <name>', 'name of the result (default: the name of the folder)')
    .option('--results <folder>', 'write table and plot there')
    .action(later<typeof import('./report.ts')>('report', (report) => report.report));

  program
    .command('cost')
    .description('show what a model cost to make: its run, with ancestors, teachers and failed runs')
    .argument('<model>', 'folder of a run, a checkpoint, or a converted model')
    .option('--runs <folder>', "runs beside it, some of which may have failed for its sake (default: its run's folder)")
    .option('--charge <runs...>', 'runs that it pays for whatever they were for')
    .option('--save', 'keep what was found in --runs and --charge in its lineage.json')
    .option('--card', 'write the bill into its README.md')
    .option('--price <price>', 'price of an hour of the machine: 0.05, or low/middle/high')
    .option('--currency <name>', 'currency of --price')
    .option('--json', 'print one JSON object')
    .action(later<typeof import('./cost.ts')>('cost', (cost) => cost.costCommand));
}

function planning(program: Command): void {
  program
    .command('plan')
    .description('plan what a model costs to train, serve, or teach; open a published claim of cost')
    .addArgument(new Argument('<what>', 'what to plan').choices(planNames))
    .argument('[model]', 'a preset, a config.json, or a checkpoint; of a claim, its name')
    .option('--tokens <n>', 'train: tokens, as in 14.8T', parseAmount)
    .option('--context <n>', 'train: tokens of a sequence', parsePositive)
    .option('--target <key=value>', 'train: days=30 finds the devices, money=1000000 the tokens')
    .option('--parallel <layout>', 'train: pp=16,tp=1,ep=64,schedule=dualpipe (default: the one that waits least)')
    .option('--utilization <share>', 'train: of the BF16 peak (default: that of published runs)', parseNumber)
    .addOption(new Option('--recompute <what>', 'train: in backward').choices(['none', 'selective', 'full']))
    .option('--batch <n>', 'train: sequences of a step; serve: sequences at once', parsePositive)
    .option('--device <name>', 'a device of the hardware table (default: h100)')
    .option('--devices <n>', 'how many (default: a node)', parsePositive)
    .option('--price <usd>', 'an hour of one device (default: the band of the price table)', parseNumber)
    .option('--date <date>', 'prices as they were known then')
    .option('--input <n>', 'serve, rl, distill: tokens of a prompt', parsePositive)
    .option('--output <n>', 'serve, rl, distill: tokens of an answer', parsePositive)
    .option('--hits <share>', 'serve: of the prompt that is in the cache', parseNumber)
    .option('--acceptance <share>', "serve: of MTP's drafts that are right", parseNumber)
    .addOption(new Option('--weights <format>', 'serve').choices(['f32', 'bf16', 'fp8']))
    .addOption(new Option('--cache <format>', 'serve').choices(['bf16', 'fp8']))
    .option('--api <model>', 'serve: break-even against this row of the price table')
    .addOption(new Option('--period <name>', 'serve: of the API').choices(['all', 'peak', 'off-peak']))
    .option('--steps <n>', 'rl: steps', parsePositive)
    .option('--questions <n>', 'rl: questions of a step', parsePositive)
    .option('--group <n>', 'rl: answers to a question', parsePositive)
    .option('--at-once <n>', 'rl: answers that are generated at once', parsePositive)
    .option('--without-reference', 'rl: no reference model reads the answers')
    .option('--teacher <model>', 'distill: what writes the examples (default: the model itself)')
    .option('--examples <n>', 'distill: examples that are kept', parseAmount)
    .option('--keep <share>', 'distill: of answers that pass the grader', parseNumber)
    .option('--epochs <n>', 'distill: passes over the examples', parsePositive)
    .addOption(new Option('--prices <when>', 'claim: those of its day, or of the table').choices(['launch', 'today']))
    .option('--assume <name=value...>', 'claim: replace an assumption, as in people=50:150:300')
    .option('--compare <models...>', 'other models beside it')
    .option('--market <file>', 'rows over the tables of hardware and prices; minke plan market --json has the form')
    .option('--json', 'every figure with its formula, inputs, and source')
    .option('--explain', 'where every figure comes from')
    .action(later<typeof import('./plan.ts')>('plan', (plan) => plan.planCommand));
}

function looking(program: Command): void {
  program
    .command('probe')
    .description('measure this machine for minke plan, in about a minute')
    .argument('[file]', 'where its row of the hardware table is written', 'machine.json')
    .action(later<typeof import('./probe.ts')>('probe', (probe) => probe.probeCommand));

  program.commandsGroup('Inspect:');
  program
    .command('doctor')
    .description('show what computes here, how fast, and what slows it down')
    .action(later<typeof import('./doctor.ts')>('doctor', (doctor) => doctor.doctor));

  const inspecting = program
    .command('inspect')
    .description('show parameters, compute and memory of a preset, config.json or checkpoint');
  withDownloadFlag(inspecting)
    .argument(
      '<model>',
      'a preset, a config.json, a checkpoint folder, a .safetensors or .gguf file, a name on the hub',
    )
    .option('--context <tokens>', 'tokens of a sequence', parsePositive, 4096)
    .option('--tensors', 'list the tensors of a checkpoint')
    .option('--quality <text>', 'measure perplexity and divergence of each format of the weights on a text file')
    .action(later<typeof import('./inspect.ts')>('inspect', (inspect) => inspect.inspect));

  planning(program);

  withDownloadFlag(
    program.command('verify').description('check that weights, tokenizer and chat template belong together'),
  )
    .argument('<model>', checkpoint)
    .option('--tokenizer <folder>', "folder with tokenizer.json (default: the model's folder)")
    .action(later<typeof import('./verify.ts')>('verify', (verify) => verify.verify));

  program
    .command('conformance')
    .description('check which promises of the APIs of DeepSeek, OpenAI, Anthropic and Ollama a server keeps')
    .requiredOption('--base-url <url>', 'address of the server; its key is read from OPENAI_API_KEY')
    .option('--model <name>', 'model name at the server (default: the first that it lists)')
    .option('--timeout <seconds>', 'most time for a request', parsePositive, 120)
    .option('--json', 'print one list of JSON objects')
    .action(later<typeof import('./conformance.ts')>('conformance', (module) => module.conformanceCommand));

  const watch = program.command('watch').description('watch, start and stop training runs in the browser');
  withRunsFlags(withServerFlags(watch))
    .argument('[runs]', 'folder of the runs', 'runs')
    .action(later<typeof import('./watch.ts')>('watch', (watch) => watch.watchCommand));
}

/** Builds the program, ready to parse; without `training` it lacks the verbs of the kinds of runs. */
export function createProgram(training: TrainingCommands = none): Command {
  const { runKinds } = training;
  const program = new Command('minke')
    .description('The DeepSeek-V3/R1 recipe as one TypeScript program: train, reason, distill, serve.')
    .usage('<command> [options]')
    .version(packageVersion(), '--version', 'print the version')
    .showHelpAfterError('Run minke help for the commands, or minke help <command> for its options.')
    .addHelpText(
      'after',
      () => `\nExamples:\n${overviewExamples(runKinds)}\n\nRun minke help <command> for the options of a command.`,
    );
  use(program);
  withModels(program);
  addTraining(program, training);
  measuring(program);
  looking(program);
  program.commandsGroup('Help:').helpCommand('help [command]', 'show the options of a command, with examples');
  for (const command of program.commands)
    command.addHelpText('after', () => `\nExamples:\n${commandExamples(command.name(), runKinds)}`);
  return program;
}
