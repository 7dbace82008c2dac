// Files as device memory: read as they stand, never written, gone in stream order, refused when short.
// npm test -- mapping
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { nativeIsas, openDevice } from './index.ts';

const numbers = Int32Array.from({ length: 300_000 }, (_, i) => i * 7);
const isPosix = process.platform === 'linux' || process.platform === 'darwin';

let folder: string;
let path: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'minke-mapping-'));
  path = join(folder, 'numbers');
  writeFileSync(path, new Uint8Array(numbers.buffer));
});
after(() => rmSync(folder, { recursive: true }));

/** Calls with the file open, which may be closed before its pages are read. */
function withFile<T>(body: (fd: number) => T): T {
  const fd = openSync(path, 'r');
  try {
    return body(fd);
  } finally {
    closeSync(fd);
  }
}

/** Maps the file, cuts it and reads what was there, on this thread or by a kernel. */
const cutWhileMapped = `
  import { openSync, truncateSync } from 'node:fs';
  const [, index, path, how] = process.argv;
  const { openDevice } = await import(index);
  const device = openDevice({ device: 'native' });
  const bytes = 1200000;
  const file = device.map(openSync(path, 'r'), bytes).cut(0, bytes);
  const copy = device.alloc(bytes);
  truncateSync(path, 4096);
  if (how === 'kernel') {
    device.run('copy_bytes', { from: file, to: copy, n: bytes });
    await device.flush();
  } else await device.read(file, new Uint8Array(bytes));
  console.log('read');
`;

describe('a mapped file', { skip: nativeIsas().length === 0 || !isPosix }, () => {
  test('is read as it stands, any part of it, without taking memory', async () => {
    const device = openDevice({ device: 'native' });
    const before = device.memory.reserved;
    const mapping = withFile((fd) => device.map(fd, numbers.byteLength));
    assert.ok(mapping);
    const [whole, part] = [mapping.cut(0, numbers.byteLength), mapping.cut(4000, 40)];
    assert.equal(device.memory.reserved, before);
    mapping.close();
    whole.free();
    assert.deepEqual(await device.read(part, new Int32Array(10)), numbers.subarray(1000, 1010));
    assert.equal(device.liveBytes, 0);
    part.free();
    await device.close();
  });

  test('what is written there stays in the process', async () => {
    const device = openDevice({ device: 'native' });
    const mapping = withFile((fd) => device.map(fd, numbers.byteLength));
    const buffer = mapping?.cut(0, 8) as NonNullable<ReturnType<NonNullable<typeof mapping>['cut']>>;
    device.run('zero_bytes', { to: buffer, n: 8 });
    device.write(buffer, Int32Array.of(5), 4);
    assert.deepEqual(await device.read(buffer, new Int32Array(2)), Int32Array.of(0, 5));
    assert.deepEqual(readFileSync(path), Buffer.from(numbers.buffer));
    await device.close();
  });

  test('freed while commands that read it are queued: they still see it', async () => {
    const device = openDevice({ device: 'native' });
    for (let round = 0; round < 20; round++) {
      const mapping = withFile((fd) => device.map(fd, numbers.byteLength));
      const from = mapping?.cut(0, numbers.byteLength) as NonNullable<ReturnType<NonNullable<typeof mapping>['cut']>>;
      mapping?.close();
      const to = device.alloc(numbers.byteLength);
      for (let i = 0; i < 20; i++) device.run('copy_bytes', { from, to, n: numbers.byteLength });
      if (round % 2) void device.flush();
      from.free();
      assert.deepEqual(await device.read(to, new Int32Array(numbers.length)), numbers);
      to.free();
    }
    await device.close();
  });

  test('left open when the device closes: no harm, and closing afterwards neither', async () => {
    const device = openDevice({ device: 'native' });
    const mapping = withFile((fd) => device.map(fd, numbers.byteLength));
    const buffer = mapping?.cut(0, 4);
    await device.close();
    buffer?.free();
    mapping?.close();
  });

  for (const how of ['kernel', 'thread'])
    test(`cut while it is mapped and then read by a ${how}: the process ends, and says which file it was`, () => {
      const cut = join(folder, `cut-${how}`);
      writeFileSync(cut, new Uint8Array(numbers.buffer));
      const index = new URL('./index.js', import.meta.url).href;
      const args = ['--input-type=module', '-e', cutWhileMapped, index, cut, how];
      const { signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      assert.deepEqual([signal, stdout], ['SIGBUS', '']);
      assert.match(stderr, new RegExp(`minke: the file /.*/cut-${how} was cut while it was mapped`));
    });

  test('a file that became shorter is refused, and what is no file is not mapped', async () => {
    const device = openDevice({ device: 'native' });
    const short = join(folder, 'short');
    writeFileSync(short, new Uint8Array(8192));
    const fd = openSync(short, 'r');
    truncateSync(short, 4096);
    assert.throws(
      () => device.map(fd, 8192),
      /\[map\] expected a file of at least 8192 bytes, it has become shorter; leave it alone while it is opened/,
    );
    closeSync(fd);
    const folderFd = openSync(folder, 'r');
    assert.equal(device.map(folderFd, 4096), null);
    closeSync(folderFd);
    await device.close();
  });
});

test('devices without file mapping say so', async () => {
  const device = openDevice({ device: 'reference' });
  assert.equal(
    withFile((fd) => device.map(fd, numbers.byteLength)),
    null,
  );
  await device.close();
});
