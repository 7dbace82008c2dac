// The WebAssembly device beyond the table of cases: memory, threads, completions, and its end. npm test -- wasm
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Random } from '../math/index.ts';
import { cases } from './cases/index.ts';
import { runCase } from './cases/run.ts';
import { type Buffer, Device } from './device.ts';
import { newData } from './dtype.ts';
import { OutOfMemoryError } from './errors.ts';
import { openDevice } from './open.ts';
import { openWasm } from './wasm.ts';
import { heapLimit } from './wasm-heap.ts';
import { type NodeHostOptions, nodeHost, wasmIsas } from './wasm-node.ts';

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

function open(options: NodeHostOptions & { threads?: number } = {}): Device {
  const { threads = 2, ...host } = options;
  const isa = wasmIsas()[0];
  return new Device((completed) => openWasm(nodeHost(host), isa, threads, completed), 4 * gibibyte);
}

/** Encodes out = a + b, `times` over. */
function add(device: Device, a: Buffer, b: Buffer, out: Buffer, times = 1): void {
  for (let i = 0; i < times; i++) device.run('add_f32', { a, b, out, n: out.bytes / 4 });
}

function upload(device: Device, data: Float32Array): Buffer {
  const buffer = device.alloc(data.byteLength);
  device.write(buffer, data);
  return buffer;
}

/** One row of each kernel, the largest: what both ways of memory must agree on to the bit. */
const rows = [
  ...new Map(
    cases
      .filter((row) => !row.fault)
      .map((row) => ({ row, bytes: countBytes(row) }))
      .sort((x, y) => x.bytes - y.bytes)
      .map(({ row }) => [row.kernel, row]),
  ).values(),
];

function countBytes(row: (typeof cases)[number]): number {
  return Object.values(row.args).reduce<number>((sum, arg) => sum + (ArrayBuffer.isView(arg) ? arg.byteLength : 0), 0);
}

async function agree(one: Device, other: Device): Promise<void> {
  for (const row of rows) {
    const expected = await runCase(one, row);
    const received = await runCase(other, row);
    for (const [name, { data }] of expected.written)
      if (!row.ignore?.includes(name))
        assert.deepEqual(received.written.get(name)?.data, data, `${row.kernel} "${row.name}": ${name}`);
  }
}

describe('wasm memory', () => {
  test('grows under commands that are under way, and nothing moves', async () => {
    const device = open();
    const random = new Random(1);
    const values = random.normals(mebibyte);
    const first = upload(device, values);
    const zeros = upload(device, new Float32Array(mebibyte));
    const copies: Buffer[] = [];
    for (let i = 0; i < 40; i++) {
      const copy = device.alloc(4 * mebibyte);
      add(device, first, zeros, copy);
      device.run('copy_bytes', { from: copy, to: first, n: 4 * mebibyte });
      copies.push(copy);
      if (i % 8 === 0) await device.flush();
    }
    assert.ok(device.memory.reserved > 128 * mebibyte);
    assert.deepEqual(await device.read(copies.at(-1) as Buffer, newData('f32', mebibyte)), values);
    await device.close();
  });

  test('refuses what 32-bit addresses cannot reach, and stays usable', async () => {
    const device = open();
    assert.throws(() => device.alloc(5 * gibibyte, 'embedding'), OutOfMemoryError);
    const large = device.alloc(3 * gibibyte);
    assert.throws(() => device.alloc(2 * gibibyte, 'embedding'), /\[embedding\] no memory for 2048\.0 MiB/);
    large.free();
    const ones = upload(device, new Float32Array(5).fill(1));
    const out = device.alloc(20);
    add(device, ones, ones, out);
    assert.deepEqual(await device.read(out, newData('f32', 5)), new Float32Array(5).fill(2));
    await device.close();
  });

  test('a backend gives released blocks out again and refuses foreign addresses', () => {
    const backend = openWasm(nodeHost({ shared: false }), wasmIsas()[0], 1, () => {});
    const blocks = [1000, 64, 4096].map((bytes) => backend.reserve(bytes));
    for (const block of blocks) assert.equal(block % 64, 0);
    for (const block of blocks) backend.release(block);
    assert.equal(backend.reserve(1000 + 4096), blocks[0], 'neighbors that are free become one block');
    assert.throws(() => backend.copyIn(blocks[0], new Uint8Array(8192)), /outside device memory/);
    assert.throws(() => backend.copyOut(0, new Uint8Array(1)), /outside device memory/);
    assert.throws(() => backend.release(64), /never reserved/);
    assert.equal(backend.reserve(heapLimit), 0);
  });
});

describe('wasm threads', () => {
  test('the build without shared memory gives the same bits on the thread of the caller', async () => {
    const [threads, alone] = [open(), open({ shared: false })];
    assert.equal(alone.threads, 1);
    await agree(threads, alone);
    await Promise.all([threads.close(), alone.close()]);
  });

  for (const options of [{}, { waitAsync: false }, { shared: false }]) {
    test(`more lists than fit the queue at once end in order: ${JSON.stringify(options)}`, async () => {
      const device = open(options);
      const one = upload(device, new Float32Array(8).fill(1));
      const sum = upload(device, new Float32Array(8));
      const ended: number[] = [];
      const flushes = Array.from({ length: 200 }, (_, i) => {
        add(device, one, sum, sum);
        return device.flush().then(() => ended.push(i));
      });
      await Promise.all(flushes);
      assert.deepEqual(ended, [...Array(200).keys()]);
      assert.deepEqual(await device.read(sum, newData('f32', 8)), new Float32Array(8).fill(200));
      await device.close();
    });
  }

  test('the event loop turns while a list runs', async () => {
    const device = open();
    const a = upload(device, new Float32Array(mebibyte));
    add(device, a, a, a);
    await device.flush();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    add(device, a, a, a, 1500);
    await device.flush();
    clearInterval(timer);
    assert.ok(ticks >= 5, `${ticks} ticks of a 5 ms timer`);
    await device.close();
  });
});

describe('wasm ends', () => {
  const index = new URL('./index.js', import.meta.url).href;
  const run = (script: string) =>
    promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', `import * as kernels from '${index}';${script}`],
      {
        timeout: 60_000,
        env: { ...process.env, MINKE_DEVICE: 'wasm' },
      },
    );
  const use = `const device = kernels.openDevice(); const b = device.alloc(400);
    device.run('add_f32', { a: b, b, out: b, n: 100 });`;

  test('the process ends by itself with an idle device, and not before its work is done', async () => {
    const { stdout } = await run(`${use} device.flush().then(() => console.log('done'));`);
    assert.equal(stdout, 'done\n');
  });

  test('the process can be ended in the middle of a list', async () => {
    const failure = run(`${use} device.flush(); process.exit(3);`);
    await assert.rejects(failure, { code: 3 });
  });

  test('close() ends the threads', async () => {
    const { stdout } = await run(`${use} await device.close(); console.log(process.getActiveResourcesInfo().join());`);
    assert.doesNotMatch(stdout, /Worker|MessagePort/);
    const device = openDevice({ device: 'wasm' });
    await device.close();
    assert.throws(() => device.write(device.alloc(4), new Float32Array(1)), /closed/);
  });
});
