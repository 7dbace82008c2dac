// minke new task NAME: writes a task that works as it stands, and its test, for its author to change.
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundledFacts, readsTypeScript } from '../tasks/index.ts';
import { UsageError } from './exit-codes.ts';
import { type Language, taskTest, taskText } from './task-scaffold.ts';

/** Returns the path of the new task without its extension. Throws UsageError where it cannot be made there. */
function choosePath(name: string, extension: string): string {
  const path = name.replace(/\.[jt]s$/, '');
  const word = basename(path);
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(word))
    throw new UsageError('new task', `"${word}" is not a name`, 'use small letters, digits, and hyphens: my-task');
  if (bundledFacts.has(word)) throw new UsageError('new task', `${word} is a bundled task`, 'choose another name');
  if (!existsSync(dirname(resolve(path))))
    throw new UsageError('new task', `there is no folder ${dirname(path)}`, 'make it, or choose another one');
  for (const file of [`${path}.${extension}`, `${path}.test.${extension}`])
    if (existsSync(file)) throw new UsageError('new task', `${file} exists already`, 'choose another name');
  return path;
}

/** Whether a file of a folder can import minke. */
function canImport(folder: string): boolean {
  try {
    createRequire(pathToFileURL(resolve(folder, 'x.js'))).resolve('minke/package.json');
    return true;
  } catch {
    return false;
  }
}

/** Writes NAME.ts and NAME.test.ts; .js where this Node does not read TypeScript. */
export function newCommand(_: 'task', name: string): void {
  const extension: Language = readsTypeScript() ? 'ts' : 'js';
  const path = choosePath(name, extension);
  const [file, test] = [`${path}.${extension}`, `${path}.test.${extension}`];
  const word = basename(path);
  writeFileSync(file, taskText(word, extension), { flag: 'wx' });
  writeFileSync(test, taskTest(word, extension), { flag: 'wx' });
  const inFolder = file.startsWith('/') || file.startsWith('.') ? file : `./${file}`;
  console.log(`wrote ${file} and ${test}`);
  if (!canImport(dirname(path))) console.log('npm install minke        # so that the test finds it');
  console.log(`node --test ${test}`);
  console.log(`npx minke speedrun --task ${inFolder}`);
}
