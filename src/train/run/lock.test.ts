// npm test -- run/lock
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { findLockHolder, lockFolder, requestStop, withRunLock } from './lock.ts';
import { race } from './test-lock-race.ts';

const root = mkdtempSync(join(tmpdir(), 'minke-held-'));
after(() => rmSync(root, { recursive: true, force: true }));

function folderWith(name: string, claims: readonly string[]): string {
  const run = join(root, name);
  mkdirSync(join(run, lockFolder), { recursive: true });
  for (const claim of claims) writeFileSync(join(run, lockFolder, claim), 'key');
  return run;
}

const holds = (run: string, work: (stopping: AbortSignal) => Promise<void>) => withRunLock(run, work);
const refusal = (run: string) => ({
  message: `[${run}] process ${process.pid} works in this folder; wait for it, or stop it first`,
});

describe('a held run folder', () => {
  test('names this process while it works, and nobody afterwards', async () => {
    const run = join(root, 'own');
    await holds(run, async () => {
      writeFileSync(join(run, 'events.jsonl'), '');
      assert.equal((await findLockHolder(run))?.pid, process.pid);
    });
    assert.equal(await findLockHolder(run), null);
    assert.deepEqual(readdirSync(run), ['events.jsonl']);
  });

  test('a second one is refused, and the first keeps it, also under another name', async () => {
    const [run, moved] = [join(root, 'twice'), join(root, 'moved')];
    await holds(run, async () => {
      await assert.rejects(
        holds(run, async () => undefined),
        refusal(run),
      );
      assert.equal((await findLockHolder(run))?.pid, process.pid);
      renameSync(run, moved);
      await assert.rejects(
        holds(moved, async () => undefined),
        refusal(moved),
      );
      renameSync(moved, run);
    });
  });

  test('work that wrote nothing leaves no folder', async () => {
    const run = join(root, 'refused');
    await assert.rejects(
      holds(run, () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(existsSync(run), false);
  });

  test('a killed process holds nothing', async () => {
    const run = join(root, 'killed');
    const url = JSON.stringify(new URL('./lock.js', import.meta.url).href);
    const script = `import(${url}).then(({ withRunLock }) =>
      withRunLock(process.argv[1], () => { console.log('held'); return new Promise((r) => setTimeout(r, 60000)); }))`;
    const child = spawn(process.execPath, ['-e', script, run], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    assert.equal((await findLockHolder(run))?.pid, child.pid);
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(await findLockHolder(run), null);
    assert.equal(readdirSync(join(run, lockFolder)).length, 1);
    await holds(run, async () => assert.equal(readdirSync(join(run, lockFolder)).length, 1));
    assert.equal(existsSync(run), false);
  });

  test('is asked to stop by its claim, which anyone can read, and its key, which only its user can', async () => {
    const run = join(root, 'stopped');
    assert.equal(await requestStop(run), false);
    await holds(run, async (stopping) => {
      assert.deepEqual([stopping.aborted, (await findLockHolder(run))?.isStopping], [false, false]);
      const [token] = readdirSync(join(run, lockFolder));
      const copy = folderWith('liar', [token]);
      assert.equal(await requestStop(copy), false, 'a claim of another folder');
      assert.equal(stopping.aborted, false);
      assert.deepEqual(await Promise.all([requestStop(run), requestStop(run)]), [true, true]);
      assert.deepEqual([stopping.aborted, (await findLockHolder(run))?.isStopping], [true, true]);
    });
  });
});

describe('a folder that lies', () => {
  test('about who holds it: nothing in it is believed, and it can be held', async () => {
    const run = folderWith('lies', ['0'.repeat(32), `${'f'.repeat(31)}/`.slice(0, 31), 'x'.repeat(32)]);
    writeFileSync(join(run, 'process.json'), JSON.stringify({ pid: -process.pid, began: null }));
    assert.equal(await findLockHolder(run), null);
    assert.equal(await requestStop(run), false);
    await holds(run, async () => assert.equal((await findLockHolder(run))?.pid, process.pid));
  });

  test('that was copied while a process held it is not held by it', async () => {
    const [run, copy] = [join(root, 'original'), join(root, 'copy')];
    await holds(run, async () => {
      cpSync(run, copy, { recursive: true });
      assert.equal(await findLockHolder(copy), null);
      await holds(copy, async () => undefined);
      assert.equal((await findLockHolder(run))?.pid, process.pid);
    });
  });

  test('with more claims than processes, or a file in place of the claims, is refused in words', async () => {
    const many = folderWith(
      'many',
      Array.from({ length: 1001 }, (_, i) => i.toString(16).padStart(32, '0')),
    );
    assert.equal(await findLockHolder(many), null);
    await assert.rejects(
      holds(many, async () => undefined),
      { message: `[${join(many, lockFolder)}] holds more than 1000 claims; remove this folder` },
    );
    const file = join(root, 'file');
    mkdirSync(file);
    writeFileSync(join(file, lockFolder), '');
    await assert.rejects(
      holds(file, async () => undefined),
      /file\] cannot be written \(EEXIST\); check its permissions/,
    );
  });
});

test('of processes that start at the same moment, over stale claims and fresh, one holds the folder', async () => {
  const { wins, doubled, empty, refusals } = await race(24, 3, 1);
  assert.deepEqual([doubled, empty], [0, 0]);
  assert.ok(wins >= 24);
  for (const refusal of refusals) assert.match(refusal, /^\[.*\] (another process|process \d+) works in this folder; /);
});
