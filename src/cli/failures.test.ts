// Sentences for what the system, the network and Node report. npm test -- cli/failures
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { DeviceError } from '../kernels/index.ts';
import { TaskError } from '../tasks/index.ts';
import { describeFailure } from './failures.ts';

/** Returns what a call throws or rejects with. */
async function catchFailure(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return assert.fail('it did not fail');
}

const listenOn = (host: string, port: number) =>
  new Promise((_, reject) => {
    createServer().once('error', reject).listen(port, host);
  });

const withCode = (code: string, fields: object = {}) => Object.assign(new Error(`${code}: raw`), { code, ...fields });

describe('a failure is a sentence', () => {
  test('errors of ours stay as they are', () => {
    assert.equal(describeFailure(new DeviceError('open', 'no device', 'choose one')), '[open] no device; choose one');
    assert.equal(describeFailure(new TaskError('x', 'no such task', 'name one')), 'x: no such task: name one');
  });

  test('files: missing, a folder, a disk that is full, no handles', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'minke-failures-'));
    const missing = join(folder, 'missing');
    assert.equal(
      describeFailure(await catchFailure(() => readFileSync(missing))),
      `[${missing}] no such file or folder; check the path`,
    );
    assert.match(describeFailure(await catchFailure(() => readFileSync(folder))), /is a folder; name a file$/);
    rmSync(folder, { recursive: true });
    assert.equal(
      describeFailure(withCode('EMFILE', { path: 'a.txt' })),
      '[a.txt] too many open files; raise the limit of this shell: ulimit -n 1024',
    );
    assert.match(describeFailure(withCode('EROFS', { path: '/x' })), /^\[\/x\] the file system is read-only; /);
  });

  test('a full device', { skip: process.platform !== 'linux' }, async () => {
    const full = openSync('/dev/full', 'w');
    const text = describeFailure(await catchFailure(() => writeSync(full, 'x')));
    closeSync(full);
    assert.equal(text, '[write] the disk is full; free some space, or choose another disk');
  });

  test('the network: nobody listens, no such host, a strange certificate, an address that is not here', async () => {
    const refused = describeFailure(await catchFailure(() => fetch('http://127.0.0.1:47')));
    assert.equal(
      refused,
      '[127.0.0.1:47] nothing listens at this address; check the address, and that the server runs',
    );
    assert.match(
      describeFailure(await catchFailure(() => fetch('http://nobody.invalid'))),
      /^\[nobody\.invalid\] (no such host|the name of the host cannot be resolved now); check/,
    );
    assert.match(describeFailure(await catchFailure(() => fetch('no address'))), /^\[no address\] is not an address; /);
    const cause = withCode('DEPTH_ZERO_SELF_SIGNED_CERT');
    assert.match(describeFailure(new TypeError('fetch failed', { cause })), /certificate is not trusted .*NODE_EXTRA/);
    assert.match(
      describeFailure(await catchFailure(() => listenOn('192.0.2.1', 0))),
      /choose another one with --host$/,
    );
    const low = withCode('EACCES', { syscall: 'listen', address: '127.0.0.1', port: 80 });
    assert.match(describeFailure(low), /^\[127\.0\.0\.1:80\] ports below 1024 need more rights; /);
  });

  test('of several attempts to connect, the first that is known', () => {
    const attempts = [withCode('ECONNREFUSED', { address: '::1', port: 9 })];
    const error = new TypeError('fetch failed', { cause: new AggregateError(attempts) });
    assert.match(describeFailure(error), /^\[::1:9\] nothing listens/);
  });

  test('memory that Node cannot get', async () => {
    const error = await catchFailure(() => new ArrayBuffer(2 ** 53 - 1));
    assert.match(describeFailure(error), /^\[memory\] no room left \(.*\); choose a smaller model/);
  });

  test('what nobody foresaw is called a bug, without its stack', async () => {
    const error = await catchFailure(() => (undefined as unknown as { x: number }).x);
    const text = describeFailure(error);
    assert.match(text, /^\[minke\] unexpected TypeError: .*; this is a bug of minke: report it with .*MINKE_DEBUG=1/);
    assert.equal(text.split('\n').length, 1);
    assert.equal(describeFailure('a text'), '[minke] failed: a text; MINKE_DEBUG=1 shows more');
  });
});
