// The rules of style that neither compiler nor linter knows: width, headers, comments, and names. npm test -- style
//
// docs/glossary.md says which word stands for which thing; the identifiers banned here are the ones it replaced.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { packageRoot } from '../src/kernels/root.ts';
import { identifiers } from './identifiers.ts';

const root = packageRoot();
const maxColumns = 120;
const maxHeaderLines = 10;

const files = ['src', 'web', 'test', 'bench', 'recipes', 'scripts'].flatMap((folder) =>
  (readdirSync(join(root, folder), { recursive: true }) as string[])
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
    .filter((path) => /\.(tsx?|mjs|css|cc|h|py)$/.test(path)),
);
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const scripts = files.filter((path) => /\.(tsx?|mjs)$/.test(path));

/** Names in the language of an earlier revision, and what makes a name a riddle. */
const banned = [
  // a verb or a noun, not a genitive; but words of JavaScript and JSON Schema
  /^(?!(lastI|i)ndexOf$|(value|instance|getPrototype|all|any|one|multiple)Of$)[a-z]\w*Of$/,
  /^(most|least)[A-Z]/, // max, min
  /^(told|together|held|holding|Left|putAside|askOtherwise|settled|examine[drs]?|Examined|[eE]xam|[lL]essons?)$/,
  /^(logitEdits?|LogitEdits?|DraftGovernor|draftGovernor|loudGroups|MlaForm|RunForm|StepForm)$/,
  /^[dD]istil(?!l)/,
  /([qQ]uanti|[nN]ormali|[iI]nitiali|[sS]eriali|[sS]ummari|[tT]okeni|[oO]ptimi|[rR]ecogni|[oO]rgani)s(e|ing|ation)/,
  /[cC]olour|[bB]ehaviour|[nN]eighbour|[fF]avour|[cC]entre(?![a-z])|[lL]abelled(?!by)/,
];

describe('style', () => {
  test(`no line is wider than ${maxColumns} columns`, () => {
    const wide = files.flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, i) => ([...line].length > maxColumns ? [`${path}:${i + 1}`] : [])),
    );
    assert.deepEqual(wide, []);
  });

  test(`every file begins with a comment of 1 to ${maxHeaderLines} lines that says what it holds`, () => {
    const without = files
      .filter((path) => /\.(tsx?|mjs|cc|h)$/.test(path))
      .filter((path) => {
        const lines = read(path)
          .replace(/^#!.*\n/, '')
          .split('\n');
        const header = lines.findIndex((line) => !line.startsWith('//'));
        return header < 1 || header > maxHeaderLines;
      });
    assert.deepEqual(without, []);
  });

  test('a comment is a sentence about the thing, never a fragment that begins with Of', () => {
    const fragments = files.flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, i) => (/^\s*(\/\*\*|\/\/|\*) Of [a-z]/.test(line) ? [`${path}:${i + 1}`] : [])),
    );
    assert.deepEqual(fragments, []);
  });

  test('no object literal is spread into its parent only to keep properties on one line', () => {
    const packed = scripts.filter((path) => !path.endsWith('style.test.ts') && /\.\.\.\{ /.test(read(path)));
    assert.deepEqual(packed, []);
  });

  test('names are the words of the field', () => {
    const found = scripts.flatMap((path) => {
      const names = new Set(identifiers(read(path)));
      return [...names]
        .filter((name) => banned.some((pattern) => pattern.test(name)))
        .map((name) => `${path}: ${name}`);
    });
    assert.deepEqual(found, []);
  });

  test('the rules catch what they forbid, in code and only there', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source that is read
    const source = "const a = /x'y/; // told\nconst said = `told ${ratesOf(held)} \\` told`; 'mostTokens'; /* Left */";
    assert.deepEqual(identifiers(source), ['const', 'a', 'const', 'said', 'ratesOf', 'held']);
    for (const name of ['rateOf', 'told', 'mostTokens', 'distilRecipe', 'quantiseRow', 'colourOf', 'Examined'])
      assert.ok(
        banned.some((pattern) => pattern.test(name)),
        name,
      );
    for (const name of ['indexOf', 'distill', 'color', 'quantize', 'almost', 'promise', 'precise', 'Offset'])
      assert.ok(!banned.some((pattern) => pattern.test(name)), name);
  });
});
