// The verbs of minke and their options; what each does is a file of its own, what the help shows of each stands in examples.ts.
import { Command } from 'commander';
import { ablate } from './ablate.ts';
import { chatCommand } from './chat.ts';
import { convert } from './convert.ts';
import { distilCommand } from './distil.ts';
import { doctor } from './doctor.ts';
import { withEngineFlags } from './engine-flags.ts';
import { evalCommand } from './eval.ts';
import { exampleOfEach, examplesOf } from './examples.ts';
import { inspect } from './inspect.ts';
import { pretrainCommand } from './pretrain.ts';
import { report } from './report.ts';
import { rlCommand } from './rl.ts';
import { serveCommand } from './serve.ts';
import { withServerFlags } from './server-flags.ts';
import { speedrunCommand } from './speedrun.ts';
import { watchCommand } from './watch.ts';

function use(program: Command): void {
  program.commandsGroup('Use a model:');
  withEngineFlags(program.command('chat').description('talk to a model in the terminal'))
    .argument('<model>', 'a checkpoint folder or a .gguf file')
    .option('--prompt <text>', 'one question, then end')
    .option('--system <text>', 'what the model is told first')
    .option('--temperature <t>', '0 for the most probable token', '0.6')
    .option('--top-p <p>', 'only the most probable tokens that sum to this', '0.95')
    .option('--seed <n>', 'the same answer again')
    .option('--max-tokens <n>', 'of an answer')
    .action(chatCommand);

  withServerFlags(
    withEngineFlags(
      program.command('serve').description("answer in the browser, and behind DeepSeek's and OpenAI's API"),
    ),
  )
    .argument('<model>', 'a checkpoint folder or a .gguf file')
    .option('--name <name>', 'of the model in the API; that of the folder without')
    .option('--parallel <n>', 'sequences that run at once', '64')
    .option('--runs <folder>', 'training runs that the page shows and starts', 'runs')
    .option('--no-runs', 'no training runs')
    .option('--at-once <n>', 'runs that may be live together', '1')
    .action(serveCommand);

  program
    .command('convert')
    .description('write a checkpoint in another file or number format')
    .argument('<from>', 'a checkpoint folder or a .gguf file')
    .argument('<to>', 'a folder, or a .gguf file, that does not exist yet')
    .requiredOption(
      '--dtype <format>',
      'f32, f16, bf16; fp8 (blocks as DeepSeek releases them); q8_0, q4_0 (GGUF only); int8, int4 (--ready only)',
    )
    .option('--ready', 'weights packed for this device, as the engine has them in memory: chat and serve map them')
    .option('--mtp', 'keep MTP modules in a GGUF file, which llama.cpp then refuses')
    .action(convert);
}

function training(program: Command): void {
  program.commandsGroup('Train one:');
  program
    .command('pretrain')
    .description('train a model from text, by the DeepSeek-V3 recipe')
    .argument('[recipe]', 'a preset, a recipe of recipes/, or a file that exports one')
    .option('--data <files...>', 'text, JSONL or Parquet files')
    .option('--run <folder>', 'where the run is kept; runs/<recipe>-<time> without')
    .option('--set <path=value...>', 'replace a choice, as in schedule.learningRate=3e-4')
    .option('--resume', 'go on with the run of --run')
    .action(pretrainCommand);

  program
    .command('rl')
    .description('let a base model learn a task by trial and reward alone (R1-Zero, GRPO)')
    .argument('[recipe]', 'a recipe of recipes/, or a file that exports one')
    .option('--model <folder>', 'the checkpoint that it begins from')
    .option('--task <tasks...>', 'countdown, arithmetic, sequence, or a file that exports a task; name:4 sets its dial')
    .option('--run <folder>', 'where the run is kept; runs/rl-<time> without')
    .option('--set <path=value...>', 'replace a choice, as in learningRate=1e-4')
    .option('--resume', 'go on with the run of --run')
    .action(rlCommand);

  program
    .command('distil')
    .description("fine-tune a student on a teacher's answers that a task's grader finds right")
    .argument('[recipe]', 'a recipe of recipes/, or a file that exports one')
    .option('--student <folder>', 'the checkpoint that learns')
    .option('--teacher <model>', "a checkpoint's folder, or the address of an OpenAI-compatible API")
    .option('--task <tasks...>', 'countdown, arithmetic, sequence, or a file that exports a task; name:4 sets its dial')
    .option('--traces <n>', 'right answers that are kept')
    .option('--run <folder>', 'where the run is kept; runs/distil-<time> without')
    .option('--set <path=value...>', 'replace a choice, as in epochs=2')
    .option('--resume', 'go on with the run of --run')
    .action(distilCommand);

  program
    .command('speedrun')
    .description('from nothing to a model that thinks: base, R1-Zero, a distilled student, evaluation, report.html')
    .argument('[folder]', 'where its runs are kept; stages that are done are not done again', 'runs/speedrun')
    .option('--results <folder>', 'add it to a page of results')
    .option('--seed <n>', "of every stage, in place of the recipe's", Number)
    .action(speedrunCommand);
}

function measuring(program: Command): void {
  program.commandsGroup('Measure:');
  withEngineFlags(program.command('eval').description('how often a model solves held-out problems of a task'))
    .argument('<model>', 'a checkpoint folder, a .gguf file, or the address of an OpenAI-compatible API')
    .requiredOption(
      '--task <tasks...>',
      'countdown, arithmetic, sequence, or a file that exports a task; name:4 sets its dial',
    )
    .option('--problems <n>', 'held-out problems', '200')
    .option('--samples <k>', 'answers to each: pass@1 is their mean, cons@k their majority', '4')
    .option('--temperature <t>', '', '0.6')
    .option('--top-p <p>', '', '0.95')
    .option('--max-tokens <n>', 'of an answer', '256')
    .option('--template <name>', 'short or full, as the model was trained', 'short')
    .option('--seed <n>', 'of problems and answers', '1337')
    .option('--model <name>', 'of the model in the API; its key is OPENAI_API_KEY')
    .option('--json', 'one JSON object a line')
    .action(evalCommand);

  program
    .command('ablate')
    .description('measure one idea: the same recipe with and without it, a table and a plot')
    .argument('<recipe>', 'an ablation of recipes/, or a file that exports one')
    .requiredOption('--data <files...>', 'text, JSONL or Parquet files')
    .option('--runs <folder>', 'where the runs are kept; complete ones are used again', 'runs')
    .option('--results <folder>', 'where table and plot go, as docs/results; beside the runs without')
    .action(ablate);

  program
    .command('report')
    .description('what a run came to: its curve, its validation loss, its time and cost')
    .argument('<run>', "a run's folder")
    .option('--name <name>', 'of the result; the name of the folder without')
    .option('--results <folder>', 'writes table and plot there, as docs/results')
    .action(report);
}

function looking(program: Command): void {
  program.commandsGroup('Look:');
  program.command('doctor').description('what runs the math here, how fast, what is slow and why').action(doctor);

  program
    .command('inspect')
    .description('parameters, work and memory of a preset, config.json or checkpoint')
    .argument('<model>', 'a preset, a config.json, a checkpoint folder, a .safetensors or .gguf file')
    .option('--context <tokens>', 'tokens of a sequence', '4096')
    .option('--tensors', 'list the tensors of a checkpoint')
    .action(inspect);

  withServerFlags(program.command('watch').description('training runs in the browser: past, live, and new ones'))
    .argument('[runs]', 'the folder they are kept in', 'runs')
    .option('--at-once <n>', 'runs that may be live together', '1')
    .action(watchCommand);
}

/** The program, ready to parse. */
export function createProgram(): Command {
  const program = new Command('minke')
    .description('The DeepSeek-V3/R1 recipe as one TypeScript program: train, reason, distil, serve.')
    .usage('<verb> [options]')
    .showHelpAfterError('minke help tells the verbs, minke help <verb> its options.')
    .addHelpText('after', () => `\nExamples:\n${exampleOfEach()}\n\nminke help <verb> tells the options of a verb.`);
  use(program);
  training(program);
  measuring(program);
  looking(program);
  program.commandsGroup('Help:').helpCommand('help [verb]', 'the options of a verb, with examples');
  for (const command of program.commands)
    command.addHelpText('after', () => `\nExamples:\n${examplesOf(command.name())}`);
  return program;
}
