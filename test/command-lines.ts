// Command lines of texts, split as a shell would and parsed by the program without running anything.
import { createProgram } from '../src/cli/program.ts';

/** The words of a line; single quotes keep words together, what follows # is for people. */
export function wordsOf(line: string): string[] {
  return [...line.replace(/\s#\s.*$/, '').matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, plain]) => quoted ?? plain ?? '',
  );
}

/** What was parsed of the words after `minke`. Throws where the program refuses them. */
export async function parsed(words: readonly string[]): Promise<{ verb: string; options: Record<string, unknown> }> {
  const program = createProgram();
  let found: { verb: string; options: Record<string, unknown> } | undefined;
  for (const command of [program, ...program.commands])
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  for (const command of program.commands)
    command.action(() => {
      found = { verb: command.name(), options: command.opts() };
    });
  await program.parseAsync(words, { from: 'user' });
  if (found === undefined) throw new Error(`${words.join(' ')} names no verb`);
  return found;
}
