// The memory that counts: of the machine, or less where a control group limits it. npm test -- kernels/memory
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { describeMemory } from './memory.ts';

const root = mkdtempSync(join(tmpdir(), 'minke-memory-'));
after(() => rmSync(root, { recursive: true }));
let trees = 0;

/** Writes a tree of system files and reads it. */
function read(files: Readonly<Record<string, string>>) {
  const folder = join(root, `${trees++}`);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return describeMemory({ proc: join(folder, 'proc'), groups: join(folder, 'groups') });
}

const MiB = 2 ** 20;
const meminfo = { 'proc/meminfo': 'MemTotal:  9 kB\nMemFree: 8 kB\nMemAvailable:   204800 kB\n' };

test('without a limit it is what the system calls available', () => {
  assert.deepEqual(read(meminfo), { totalBytes: totalmem(), freeBytes: 200 * MiB });
  const unlimited = { 'proc/self/cgroup': '0::/a\n', 'groups/a/memory.max': 'max\n', 'groups/a/memory.current': '5\n' };
  assert.deepEqual(read({ ...meminfo, ...unlimited }), { totalBytes: totalmem(), freeBytes: 200 * MiB });
});

test('a control group limits it, and the files that it caches are free', () => {
  const group = (limit: number, used: number) => ({
    'proc/self/cgroup': '0::/a/b\n',
    'groups/a/memory.max': `${limit * MiB}\n`,
    'groups/a/memory.current': `${used * MiB}\n`,
    'groups/a/memory.stat': `anon ${9 * MiB}\nactive_file ${2 * MiB}\ninactive_file ${10 * MiB}\n`,
    'groups/a/b/memory.max': 'max\n',
  });
  assert.deepEqual(read({ ...meminfo, ...group(100, 60) }), { totalBytes: 100 * MiB, freeBytes: 52 * MiB });
  assert.deepEqual(read({ ...meminfo, ...group(100, 130) }), { totalBytes: 100 * MiB, freeBytes: 0 });
  assert.deepEqual(read({ ...meminfo, ...group(500, 60) }), { totalBytes: 500 * MiB, freeBytes: 200 * MiB });
});

test('so does one of version 1, also where a container sees itself as the root', () => {
  const files = {
    'memory.limit_in_bytes': `${64 * MiB}\n`,
    'memory.usage_in_bytes': `${50 * MiB}\n`,
    'memory.stat': `total_inactive_file ${10 * MiB}\ntotal_active_file 0\n`,
  };
  const at = (folder: string) =>
    Object.fromEntries(Object.entries(files).map(([name, text]) => [`groups/memory/${folder}${name}`, text]));
  const lines = { 'proc/self/cgroup': '5:cpu,cpuacct:/x\n4:memory:/docker/abc\n' };
  for (const folder of ['docker/abc/', ''])
    assert.deepEqual(read({ ...meminfo, ...lines, ...at(folder) }), { totalBytes: 64 * MiB, freeBytes: 24 * MiB });
});
