// npm test -- hide-paths
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hidePaths } from './hide-paths.ts';

const root = process.platform === 'win32' ? 'C:\\srv\\runs' : '/srv/runs';

test('paths of the machine are shortened, and nothing else is', { skip: process.platform === 'win32' }, () => {
  const cases: readonly (readonly [message: string, shown: string])[] = [
    ['[/srv/runs/mine/events.jsonl] is a pipe; remove it', '[mine/events.jsonl] is a pipe; remove it'],
    ['[/home/ada/base] has no config.json; name a folder', '[base] has no config.json; name a folder'],
    ["ENOENT: no such file, open '/etc/passwd'", "ENOENT: no such file, open 'passwd'"],
    ['"/srv/runs" and /srv/runs-other/x, (/a/b/)', '"runs" and x, (b)'],
    ['at https://example.org/v1/models: 404', 'at https://example.org/v1/models: 404'],
    ['1 / 2 of a/b, ./c and ../d stay', '1 / 2 of a/b, ./c and ../d stay'],
    ['file:///home/ada/task.js failed', 'task.js failed'],
  ];
  for (const [message, shown] of cases) assert.equal(hidePaths(message, root), shown);
});
