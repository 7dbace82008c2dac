// Command lines of texts, split as a shell would and parsed by the program without running anything.
import { createProgram } from '../src/cli/program.ts';
import * as training from '../src/cli/training.ts';

/** Splits a command line into words. Single quotes join words; text after # is a comment. */
export function splitWords(line: string): string[] {
  return [...line.replace(/\s#\s.*$/, '').matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? '',
  );
}

/** Parses the words after `minke`. Throws where the program refuses them. */
export async function parseCommandLine(
  words: readonly string[],
): Promise<{ command: string; options: Record<string, unknown> }> {
  const program = createProgram(training);
  let found: { command: string; options: Record<string, unknown> } | undefined;
  for (const command of [program, ...program.commands])
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  for (const command of program.commands)
    command.action(() => {
      found = { command: command.name(), options: command.opts() };
    });
  await program.parseAsync(words, { from: 'user' });
  if (found === undefined) throw new Error(`${words.join(' ')} names no command`);
  return found;
}
