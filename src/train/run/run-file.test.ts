// Files of a run's folder that others wrote. npm test -- run-file
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { z } from 'zod';
import { cutPartialLine } from './event-log.ts';
import { expectOwnFiles, maxLineBytes, quickList, readRunJson, readRunLines } from './run-file.ts';

const root = mkdtempSync(join(tmpdir(), 'minke-run-file-'));
after(() => rmSync(root, { recursive: true }));
const at = (...names: string[]) => join(root, ...names);
const isWindows = process.platform === 'win32';

function file(name: string, text: string): string {
  writeFileSync(at(name), text);
  return at(name);
}

describe('the lines of a file', () => {
  const lines = (path: string) => [...readRunLines(path)];
  const long = 'x'.repeat(maxLineBytes);

  test('are read whole, however they lie in the pieces that are read', () => {
    assert.deepEqual(lines(at('none')), []);
    const all = ['é'.repeat(300_000), '', long, 'ü', 'z'.repeat(maxLineBytes - 1)];
    assert.deepEqual(lines(file('whole', `${all.join('\n')}\n`)), all);
    assert.deepEqual(lines(file('half', 'a\nb')), ['a']);
  });

  test('have an end, and their file a size, or are refused', () => {
    const endless = file('endless', '');
    truncateSync(endless, 2 ** 24);
    assert.throws(() => lines(endless), {
      message: `[${endless}] has a line of more than 1048576 bytes; remove the line`,
    });
    assert.throws(() => lines(file('long', `${long}x\n`)), /has a line of more than/);
    truncateSync(endless, 2 ** 30);
    assert.throws(() => lines(endless), /has more than 512 MiB; check that it is the right file/);
  });

  test('a cut last line is removed, and nothing of a file that has no end', () => {
    const path = file('cut', `a\n${'b'.repeat(1000)}`);
    cutPartialLine(path);
    assert.equal(readFileSync(path, 'utf8'), 'a\n');
    cutPartialLine(file('only', 'b'));
    assert.equal(readFileSync(at('only'), 'utf8'), '');
    const endless = file('endless-cut', `a\n${long}xx`);
    assert.throws(() => cutPartialLine(endless), /ends with a line of more than 1048576 bytes; remove the line/);
    assert.equal(readFileSync(endless).length, maxLineBytes + 4);
  });
});

describe('the folder of a run', () => {
  test('holds files and folders of its own, or is not written to', { skip: isWindows }, () => {
    mkdirSync(at('own/checkpoints/step-1'), { recursive: true });
    writeFileSync(at('own/checkpoints/step-1/config.json'), '{}');
    expectOwnFiles(at('own'));
    expectOwnFiles(at('not-there'));
    symlinkSync(at('own'), at('way'));
    expectOwnFiles(at('way'));
    for (const name of ['events.jsonl', 'checkpoints/step-2', 'checkpoints/step-1/model.safetensors']) {
      symlinkSync(at('none'), at('own', name));
      assert.throws(() => expectOwnFiles(at('own')), /is a link, and a run writes only into its own folder/);
      rmSync(at('own', name));
    }
    execFileSync('mkfifo', [at('own/traces.jsonl')]);
    assert.throws(() => expectOwnFiles(at('own')), /traces.jsonl\] is neither a file nor a folder; remove it/);
    assert.throws(() => expectOwnFiles(file('plain', '')), /plain\] is not a folder; name the folder of a run/);
  });
});

test('a JSON file is named where it is none', () => {
  const path = file('wrong.json', '{');
  assert.throws(() => readRunJson(path), new RegExp(`^TrainError: \\[${path}\\] is not JSON`));
  assert.equal(readRunJson(at('none')), undefined);
});

test('a list is refused at its first wrong item', () => {
  const list = quickList(z.object({ name: z.string() }));
  assert.deepEqual(list.parse([{ name: 'a' }, { name: 'b' }]), [{ name: 'a' }, { name: 'b' }]);
  const { error } = list.safeParse([{ name: 'a' }, 1, 2, 3]);
  assert.deepEqual(
    error?.issues.map(({ path, message }) => [path, message]),
    [[[1], 'Invalid input: expected object, received number']],
  );
});
