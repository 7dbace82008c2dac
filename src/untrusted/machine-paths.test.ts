// Paths of the machine are cut to their last parts; routes, URLs and relative paths stay. npm test -- machine-paths
import assert from 'node:assert/strict';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hidePaths } from './index.ts';

const cases: readonly (readonly [text: string, hidden: string])[] = [
  [`[${join(tmpdir(), 'a', 'config.json')}] is missing; check it`, '[a/config.json] is missing; check it'],
  [`ENOENT: no such file, open '${join(process.cwd(), 'runs/x.json')}'`, "ENOENT: no such file, open 'runs/x.json'"],
  [`cannot read ${join(homedir(), 'My Models', 'x')}`, 'cannot read My Models/x'],
  [`in ${process.cwd()}.`, `in ${process.cwd().split('/').at(-1)}.`],
  ['/usr/lib/x/y.so: wrong ELF class', 'y.so: wrong ELF class'],
  ['file:///usr/lib/a.js:3', 'a.js:3'],
  ['C:\\Users\\ann\\model\\config.json is bad', 'config.json is bad'],
  ['no route POST /v1/chat/completion, see /openapi.json', 'no route POST /v1/chat/completion, see /openapi.json'],
  ['https://api.deepseek.com/usr/lib failed', 'https://api.deepseek.com/usr/lib failed'],
  ['runs/mine/recipe.json: expected 1/2 or 3 / 4', 'runs/mine/recipe.json: expected 1/2 or 3 / 4'],
];

for (const [text, hidden] of cases) test(text, () => assert.equal(hidePaths(text), hidden));
