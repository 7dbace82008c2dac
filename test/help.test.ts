// The help is correct: each example parses, each command has one, and a typo gets a suggestion.
// npm test -- help
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { listExamples } from '../src/cli/examples.ts';
import { createProgram } from '../src/cli/program.ts';
import * as training from '../src/cli/training.ts';
import { parseCommandLine, splitWords } from './command-lines.ts';

const program = createProgram(training);
const examples = listExamples(training.runKinds);
const names = program.commands.map((command) => command.name());

/** A command's help as it is printed. */
function renderHelp(command: (typeof program.commands)[number]): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

describe('minke --help', () => {
  test('every command has examples, and no other has', () => {
    assert.deepEqual(Object.keys(examples).sort(), [...names].sort());
  });

  for (const [name, lines] of Object.entries(examples))
    test(`${name}: its examples parse, begin with it and stand at the end of its help`, async () => {
      for (const { line } of lines) assert.equal((await parseCommandLine(splitWords(line))).command, name, line);
      const help = renderHelp(program.commands.find((command) => command.name() === name) as typeof program);
      const end = help.slice(help.indexOf('\nExamples:'));
      for (const { line, about } of lines) assert.ok(end.includes(`minke ${line}`) && end.includes(about), line);
    });

  test('the overview has every command in a group, and an example of each', () => {
    const help = renderHelp(program);
    const groups = ['Use a model:', 'Train a model:', 'Measure:', 'Inspect:'];
    const starts = groups.map((group) => help.indexOf(`\n${group}`));
    assert.ok(starts.every((start, i) => start > (starts[i - 1] ?? 0)));
    const grouped = help.slice(starts[0], help.indexOf('\nHelp:'));
    for (const name of names) {
      assert.match(grouped, new RegExp(`^  ${name}\\b`, 'm'));
      assert.ok(help.includes(`minke ${examples[name]?.[0].line}`), name);
    }
  });

  test('an unknown command or option gets a suggestion', async () => {
    await assert.rejects(parseCommandLine(['serv', 'my-model']), /unknown command 'serv'\s+\(Did you mean serve\?\)/);
    await assert.rejects(parseCommandLine(['distl']), /Did you mean distill?\?/);
    await assert.rejects(parseCommandLine(['serve', 'my-model', '--prot', '8000']), /Did you mean --port\?/);
    await assert.rejects(parseCommandLine(['convert', 'a', 'b']), /required option '--dtype <format>' not specified/);
  });
});
