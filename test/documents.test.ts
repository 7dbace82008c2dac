// ARCHITECTURE.md and CONTRIBUTING.md speak of what is there: the table of floors is that of architecture.test.ts, files
// exist, functions are defined in the file that stands beside them. npm test -- documents
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { packageRoot } from '../src/kernels/root.ts';

const root = packageRoot();
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const architecture = read('ARCHITECTURE.md');

const named = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
const rowsOf = (text: string): string[][] =>
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
  test('its floors are those that are enforced', () => {
    const rules = read('test/architecture.test.ts');
    const [, table] = /const floors[^{]*= \{(.*?)^\};/ms.exec(rules) as RegExpExecArray;
    const enforced = new Map(
      [...table.matchAll(/^ {2}(\w+): \[(.*)\],$/gm)].map(([, room, list]) => [
        room,
        [...list.matchAll(/'([^']+)'/g)].map(([, name]) => name),
      ]),
    );
    const told = new Map<string, string[]>();
    const [floors] = architecture.split('\n## ');
    for (const [, rooms, may] of rowsOf(floors))
      for (const room of named(rooms)) if (enforced.has(room)) told.set(room, named(may));
    for (const [room, list] of enforced) {
      if (!existsSync(join(root, 'src', room))) continue;
      assert.deepEqual([...(told.get(room) ?? ['is missing'])].sort(), [...list].sort(), room);
    }
  });

  for (const title of ['Life of a training step', 'Life of a token'])
    test(`${title}: each function is defined in the file beside it`, () => {
      const stops = rowsOf(section(title)).slice(1);
      assert.ok(stops.length >= 15);
      for (const [stop, functions, files] of stops as [string, string, string][]) {
        for (const path of named(files)) assert.ok(existsSync(join(root, path)), `${path}: ${stop}`);
        for (const name of named(functions))
          assert.ok(
            named(files).some((path) => defines(path, name)),
            `${name} is not defined in ${files}: ${stop}`,
          );
      }
    });
});

for (const document of ['ARCHITECTURE.md', 'CONTRIBUTING.md'])
  describe(document, () => {
    const text = read(document).replaceAll(/^ *```.*?^ *```$/gms, '');
    const absent = ['clamp', 'digit-sum', 'version'].map((name) => new RegExp(`/${name}[.\\w-]*$`)); // of the recipes

    test('names files that exist', () => {
      const files = named(text).filter((name) => /^[\w./-]+\.(ts|tsx|cc|h|mjs|py|md)$/.test(name));
      assert.ok(files.length > 10);
      for (const path of files) {
        if (absent.some((pattern) => pattern.test(path)) && document === 'CONTRIBUTING.md') continue;
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
