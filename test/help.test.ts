// The help is correct: each example parses, each command has one, and a typo gets a suggestion.
// npm test -- help
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { examples } from '../src/cli/examples.ts';
import { createProgram } from '../src/cli/program.ts';
import { parsed, wordsOf } from './command-lines.ts';

const program = createProgram();
const verbs = program.commands.map((command) => command.name());

/** A command's help as it is printed. */
function helpOf(command: (typeof program.commands)[number]): string {
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
  test('every verb has examples, and no other has', () => {
    assert.deepEqual(Object.keys(examples).sort(), [...verbs].sort());
  });

  for (const [verb, lines] of Object.entries(examples))
    test(`${verb}: its examples parse, begin with it and stand at the end of its help`, async () => {
      for (const { line } of lines) assert.equal((await parsed(wordsOf(line))).verb, verb, line);
      const help = helpOf(program.commands.find((command) => command.name() === verb) as typeof program);
      const end = help.slice(help.indexOf('\nExamples:'));
      for (const { line, about } of lines) assert.ok(end.includes(`minke ${line}`) && end.includes(about), line);
    });

  test('the overview has every verb in a group, and an example of each', () => {
    const help = helpOf(program);
    const groups = ['Use a model:', 'Train a model:', 'Measure:', 'Inspect:'];
    const starts = groups.map((group) => help.indexOf(`\n${group}`));
    assert.ok(starts.every((start, i) => start > (starts[i - 1] ?? 0)));
    const grouped = help.slice(starts[0], help.indexOf('\nHelp:'));
    for (const verb of verbs) {
      assert.match(grouped, new RegExp(`^  ${verb}\\b`, 'm'));
      assert.ok(help.includes(`minke ${examples[verb]?.[0].line}`), verb);
    }
  });

  test('an unknown verb is answered by the nearest, an unknown option by its own', async () => {
    await assert.rejects(parsed(['serv', 'my-model']), /unknown command 'serv'\s+\(Did you mean serve\?\)/);
    await assert.rejects(parsed(['distl']), /Did you mean distill?\?/);
    await assert.rejects(parsed(['serve', 'my-model', '--prot', '8000']), /Did you mean --port\?/);
    await assert.rejects(parsed(['convert', 'a', 'b']), /required option '--dtype <format>' not specified/);
  });
});
