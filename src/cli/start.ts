// Runs a command line. Whatever fails, in the command or in a callback of it, ends in a sentence and an exit code
// (exit-codes.ts). MINKE_DEBUG=1 shows the stack of an error.
import { type Command, CommanderError } from 'commander';
import { failed, misused, UsageError } from './exit-codes.ts';
import { describeFailure } from './failures.ts';
import { loadModule } from './load-module.ts';
import { createProgram } from './program.ts';

/** Ends the process, whatever it has open. */
function endWith(error: unknown): never {
  console.error(describeFailure(error));
  if (process.env.MINKE_DEBUG === '1') console.error(error);
  process.exit(error instanceof UsageError ? misused : failed);
}

/**
 * Whether Node's HTTP client found no memory for its parser, a WebAssembly module that it starts as soon as a Request
 * is made. A server parses with another one; whoever fetches gets an error of its own.
 */
function isClientParser(error: unknown): boolean {
  return error instanceof RangeError && error.message.startsWith('WebAssembly') && /lazyllhttp/.test(error.stack ?? '');
}

/** Ends the process in words for what no command awaits. */
function catchTheRest(): void {
  process.on('uncaughtException', endWith);
  process.on('unhandledRejection', (error) => {
    if (!isClientParser(error)) endWith(error);
  });
  // A reader such as head that has enough closes its end: no failure of ours, and nobody is there to be told.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    error.code === 'EPIPE' ? process.exit(0) : endWith(error),
  );
  process.stderr.on('error', () => process.exit(failed));
}

/** Builds the program: with the kinds of runs where the verb may be one of theirs, or where all verbs are listed. */
async function buildProgram([verb]: readonly string[]): Promise<Command> {
  const program = createProgram();
  if (verb === '--version' || program.commands.some((command) => command.name() === verb)) return program;
  return createProgram(await loadModule<typeof import('./training.ts')>('training'));
}

/** Runs the words after `minke`. */
export async function start(words: readonly string[]): Promise<void> {
  catchTheRest();
  try {
    process.cwd(); // Node would try for ever to make a folder in one that is gone.
    const program = await buildProgram(words);
    for (const command of [program, ...program.commands]) command.exitOverride();
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : misused;
    else endWith(error);
  }
}
