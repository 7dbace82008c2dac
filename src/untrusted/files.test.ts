// Files that are not what they claim. npm test -- untrusted
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { FileError, nestingDepth, openRegularFile, parseJson, readJsonFile, readTextFile } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-files-'));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
writeFileSync(at('text'), 'é1');
writeFileSync(at('huge'), '');
truncateSync(at('huge'), 2 ** 33);
mkdirSync(at('folder'));
symlinkSync(at('text'), at('link'));
const hasPipes = process.platform !== 'win32';
if (hasPipes) execFileSync('mkfifo', [at('pipe')]);

const small = { maxBytes: 100 };
const refusals: readonly (readonly [file: string, message: RegExp])[] = [
  ['folder', /^is a folder, not a file; remove it$/],
  ['huge', /^has 8192\.0 MiB, more than the 0\.0 MiB that are read; check that it is the right file$/],
  ['link', /^is a link, not a file; replace it by the file that it points to$/],
  ['pipe', /^is a pipe, not a file; remove it$/],
];

describe('a file', () => {
  test('is read whole, or is missing', async () => {
    assert.equal(readTextFile(at('text'), small), 'é1');
    assert.equal(readTextFile(at('link'), { ...small, followsLinks: true }), 'é1');
    assert.equal(readTextFile(at('none'), small), null);
    assert.equal(readTextFile(at('text/below'), small), null);
    assert.equal(readJsonFile(at('none'), small), undefined);
    assert.equal(await openRegularFile(at('none')), null);
    const file = await openRegularFile(at('text'));
    assert.equal((await file?.stat())?.size, 3);
    await file?.close();
  });

  for (const [name, message] of refusals)
    test(`${name}: refused in words`, { skip: !hasPipes && name === 'pipe' }, async () => {
      const is = (error: unknown) => error instanceof FileError && message.test(error.message);
      assert.throws(() => readTextFile(at(name), small), is);
      if (name !== 'huge') await assert.rejects(openRegularFile(at(name)), is);
    });
});

describe('JSON', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

  test('is counted in levels, whatever its texts hold', () => {
    assert.equal(nestingDepth('{"a[[[":"\\"[[[",  "b":[{"c":[]}]}'), 4);
    assert.equal(nestingDepth('3'), 0);
  });

  test('of 64 levels and 50,000 values is parsed; of more is refused, as is what is not JSON', () => {
    assert.deepEqual(parseJson('{"a":[1]}'), { a: [1] });
    assert.ok(Array.isArray(parseJson(nested(64))));
    assert.throws(() => parseJson(nested(65)), { message: 'is nested deeper than 64 levels; flatten it' });
    assert.throws(() => parseJson(nested(1e6)), /deeper than 64/);
    const list = (count: number) => `[${Array(count).fill('","').join()}]`;
    assert.equal((parseJson(list(50_000)) as unknown[]).length, 50_000);
    assert.throws(() => parseJson(list(50_001)), { message: /^holds more than 50000 values; / });
    assert.throws(() => parseJson('{'), /^FileError: is not JSON \(.*\); correct it$/);
  });
});
