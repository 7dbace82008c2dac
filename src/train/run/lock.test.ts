// npm test -- held
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { lockHolder, withRunLock } from './lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-held-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const file = (run: string) => join(folder, run, 'process.json');
function lockedBy(run: string, holder: object): string {
  mkdirSync(join(folder, run), { recursive: true });
  writeFileSync(file(run), JSON.stringify(holder));
  return join(folder, run);
}

describe('a held run folder', () => {
  test('names this process while it works, and nobody afterwards', async () => {
    const run = join(folder, 'own');
    const seen = await withRunLock(run, async () => {
      writeFileSync(join(run, 'events.jsonl'), '');
      return lockHolder(run);
    });
    assert.equal(seen, process.pid);
    assert.equal(lockHolder(run), null);
    assert.equal(existsSync(file('own')), false);
  });

  test('a second one is refused, and the first keeps it', async () => {
    const run = join(folder, 'twice');
    await withRunLock(run, async () => {
      await assert.rejects(
        withRunLock(run, async () => undefined),
        { message: `[${run}] process ${process.pid} works in this folder; wait for it, or stop it first` },
      );
      assert.equal(lockHolder(run), process.pid);
    });
  });

  test('work that wrote nothing leaves no folder', async () => {
    const run = join(folder, 'refused');
    await assert.rejects(
      withRunLock(run, () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(existsSync(run), false);
  });

  test('a killed process holds nothing', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)']);
    await once(child, 'spawn');
    const run = lockedBy('killed', { pid: child.pid, began: null });
    assert.equal(lockHolder(run), child.pid);
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(lockHolder(run), null);
    assert.equal(await withRunLock(run, async () => lockHolder(run)), process.pid);
  });

  test('nor does another process that got its number, nor half a file', { skip: process.platform !== 'linux' }, () => {
    assert.equal(lockHolder(lockedBy('other', { pid: process.pid, began: '1' })), null);
    writeFileSync(file('other'), '{"pid":');
    assert.equal(lockHolder(join(folder, 'other')), null);
  });
});
