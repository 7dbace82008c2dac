// ARCHITECTURE.md, CONTRIBUTING.md, and the glossary agree with the tree: the table of layers is the one that
// architecture.test.ts enforces, files exist, and functions are defined in the files beside them. npm test -- documents
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { packageRoot } from '../src/kernels/root.ts';

const root = packageRoot();
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const architecture = read('ARCHITECTURE.md');

/** The names in backticks. */
const named = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
const tableRows = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '));

function section(title: string): string {
  const [, text] = architecture.split(`\n## ${title}\n`);
  assert.ok(text, `ARCHITECTURE.md has a section ${title}`);
  return text.split('\n## ')[0];
}

/** Whether a file defines it: `method`, `Class.method`, a function, a constant, a class. */
function defines(path: string, name: string): boolean {
  const text = read(path);
  return name
    .split('.')
    .every((part, i) =>
      i === 0
        ? new RegExp(`^(export )?(abstract )?(async )?(function\\*?|class|const|struct) ${part}\\b`, 'm').test(text)
        : new RegExp(`^  (async )?${part}(<.*>)?\\(`, 'm').test(text),
    );
}

const everyFile = ['src', 'web', 'test', 'scripts', 'recipes', 'bench']
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }) as string[])
  .map((path) => basename(path));

describe('ARCHITECTURE.md', () => {
  test('its layers are the ones that are enforced', () => {
    const rules = read('test/architecture.test.ts');
    const [, table] = /const layers[^{]*= \{(.*?)^\};/ms.exec(rules) as RegExpExecArray;
    const enforced = new Map(
      [...table.matchAll(/^ {2}(\w+): \[(.*)\],$/gm)].map(([, module, list]) => [
        module,
        [...list.matchAll(/'([^']+)'/g)].map(([, name]) => name),
      ]),
    );
    const documented = new Map<string, string[]>();
    const [layers] = architecture.split('\n## ');
    for (const [, modules, allowed] of tableRows(layers))
      for (const module of named(modules)) if (enforced.has(module)) documented.set(module, named(allowed));
    for (const [module, list] of enforced)
      assert.deepEqual([...(documented.get(module) ?? ['is missing'])].sort(), [...list].sort(), module);
  });

  for (const title of ['A training step, file by file', 'A generated token, file by file'])
    test(`${title}: each function is defined in the file beside it`, () => {
      const steps = tableRows(section(title)).slice(1);
      assert.ok(steps.length >= 15);
      for (const [step, functions, files] of steps as [string, string, string][]) {
        for (const path of named(files)) assert.ok(existsSync(join(root, path)), `${path}: ${step}`);
        for (const name of named(functions))
          assert.ok(
            named(files).some((path) => defines(path, name)),
            `${name} is not defined in ${files}: ${step}`,
          );
      }
    });
});

for (const document of ['ARCHITECTURE.md', 'CONTRIBUTING.md'])
  describe(document, () => {
    const text = read(document).replaceAll(/^ *```.*?^ *```$/gms, '');
    /** Files that the recipes of CONTRIBUTING.md make. */
    const made = ['clamp', 'digit-sum', 'version', 'memorize'].map((name) => new RegExp(`(^|/)${name}[.\\w-]*$`));

    test('names files that exist', () => {
      const files = named(text).filter((name) => /^[\w./-]+\.(ts|tsx|cc|h|mjs|py|md)$/.test(name));
      assert.ok(files.length > 10);
      for (const path of files) {
        if (made.some((pattern) => pattern.test(path)) && document === 'CONTRIBUTING.md') continue;
        const isThere = path.includes('/')
          ? ['', 'src', 'src/model'].some((folder) => existsSync(join(root, folder, path)))
          : everyFile.includes(path);
        assert.ok(isThere || /^(\.\/)?my-task/.test(path), path);
      }
    });

    test('names scripts that exist', () => {
      const { scripts } = JSON.parse(read('package.json'));
      for (const [, name] of read(document).matchAll(/npm run ([\w:]+)/g)) assert.ok(scripts[name], name);
    });
  });

describe('docs/glossary.md', () => {
  const [terms] = read('docs/glossary.md').split('\n## Banned');
  const rows = tableRows(terms).slice(1);

  test('terms are in alphabetical order', () => {
    const names = rows.map(([term]) => term.toLowerCase());
    assert.ok(names.length > 100);
    assert.deepEqual(
      names,
      [...names].sort((a, b) => a.localeCompare(b, 'en')),
    );
  });

  test('every term lives where it says', () => {
    for (const [term, , where] of rows)
      for (const name of named(where))
        assert.ok(
          ['src', '.'].some((folder) => existsSync(join(root, folder, name))),
          `${term}: ${name}`,
        );
  });
});
