// The places of a recording's blocks: apart while they live, within what is live at once or little more.
// npm test -- planned-memory
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../math/index.ts';
import type { Device } from './device.ts';
import { openDevice } from './open.ts';
import { PlannedMemory } from './planned-memory.ts';
import { MemoryBudget } from './reservations.ts';

interface Taken {
  readonly address: number;
  readonly bytes: number;
  readonly from: number;
  to: number;
}

/** Takes and frees blocks as a step does, forward and back, with workspaces between. */
function simulate(seed: number, isApart = false) {
  const device = {} as Device; // only handed on
  const random = new Random(seed);
  const reserved: number[] = [];
  const reserver = {
    reserve: (bytes: number) => 2 ** 20 * (reserved.push(bytes) + 1),
    release: () => {},
    givesZeros: true,
    exactMemory: isApart,
  };
  let clock = 0;
  const memory = new PlannedMemory(reserver, new MemoryBudget(2 ** 40, () => {}), () => clock);
  const all: Taken[] = [];
  const [open, sizes] = [[] as Taken[], Array.from({ length: 5 }, () => random.whole(1, 5000))];
  let [live, peak] = [0, 0];
  const take = () => {
    const bytes = sizes[random.below(sizes.length)];
    const { address } = memory.take(device, bytes);
    const taken = { address, bytes, from: clock, to: Number.POSITIVE_INFINITY };
    live += Math.ceil(bytes / 64) * 64;
    peak = Math.max(peak, live);
    all.push(taken);
    return taken;
  };
  const drop = (taken: Taken) => {
    memory.free(taken.address);
    live -= Math.ceil(taken.bytes / 64) * 64;
    taken.to = clock;
  };
  for (let op = 0; op < 60; op++) {
    const workspace = take();
    open.push(take());
    clock++;
    drop(workspace);
  }
  while (open.length > 3) {
    const gradient = take();
    clock++;
    drop(gradient);
    drop(open.splice(random.below(open.length), 1)[0]);
  }
  return { all, peak, reserved, toPlace: memory.place() };
}

for (const seed of [1, 2, 3])
  test(`blocks that live at once have places apart, aligned and close (${seed})`, () => {
    const { all, peak, reserved, toPlace } = simulate(seed);
    const placed = all.map((taken) => ({ ...taken, place: toPlace(taken.address) }));
    for (const [i, a] of placed.entries()) {
      assert.equal(a.place % 64, 0);
      assert.equal(toPlace(a.address + a.bytes - 1), a.place + a.bytes - 1);
      for (const b of placed.slice(0, i)) {
        const isApart = a.place + a.bytes <= b.place || b.place + b.bytes <= a.place;
        assert.ok(isApart || a.to <= b.from || b.to <= a.from, `${a.from} to ${a.to} and ${b.from} to ${b.to}`);
      }
    }
    assert.equal(reserved.length, 1);
    assert.ok(reserved[0] < 1.2 * peak, `${reserved[0]} bytes for ${peak} live ones`);
    assert.equal(toPlace(12345), 12345, 'an address from elsewhere stays');
  });

test('with exact memory every block is a reservation of its own', () => {
  const { all, reserved } = simulate(1, true);
  assert.deepEqual(
    reserved,
    all.map(({ bytes }) => bytes),
  );
});

test('a recording computes in memory that its steps share, and its output is a buffer like any other', async () => {
  const device = openDevice();
  const n = 2 ** 16;
  const x = device.alloc(4 * n);
  device.write(x, new Float32Array(n).fill(1));
  await device.read(x, new Float32Array(n)); // takes the first block for staging, which recordings use too
  const before = device.memory.reserved;
  const { recording, result } = device.record([x], () => {
    let sum = x;
    for (let i = 0; i < 20; i++) {
      const out = device.alloc(4 * n);
      device.run('add_f32', { a: sum, b: x, out, n });
      if (sum !== x) sum.free();
      sum = out;
    }
    return sum;
  });
  assert.equal(device.memory.reserved - before, 2 * 4 * n, 'two sums at a time');
  recording.replay();
  assert.deepEqual(await device.read(result, new Float32Array(n)), new Float32Array(n).fill(21));
  recording.dispose();
  await device.close();
});

test('recordings that share memory take what the largest takes, also when that comes while others run', async () => {
  const device = openDevice();
  const memory = device.shareMemory();
  const x = device.alloc(4 * 2 ** 16);
  device.write(x, new Float32Array(2 ** 16).fill(1));
  const record = (n: number, times: number) =>
    device.record(
      [x],
      () => {
        let sum = x;
        for (let i = 0; i < times; i++) {
          const out = device.alloc(4 * n);
          device.run('add_f32', { a: sum, b: x, out, n });
          if (sum !== x) sum.free();
          sum = out;
        }
        return sum;
      },
      memory,
    );
  const value = async ({ result }: ReturnType<typeof record>, n: number) => {
    const values = await device.read(result, new Float32Array(n));
    assert.ok(values.every((each) => each === values[0]));
    return values[0];
  };
  const small = record(1000, 500);
  const bytes = memory.bytes;
  small.recording.replay();
  const [before, large] = [value(small, 1000), record(2 ** 16, 3)];
  large.recording.replay();
  const after = value(large, 2 ** 16);
  small.recording.replay();
  assert.deepEqual(await Promise.all([before, after, value(small, 1000)]), [501, 4, 501]);
  assert.ok(memory.bytes > bytes && memory.bytes === 2 * 4 * 2 ** 16, `${memory.bytes} bytes after ${bytes}`);
  small.recording.dispose();
  large.recording.replay();
  assert.equal(await value(large, 2 ** 16), 4);
  large.recording.dispose();
  memory.dispose();
  await device.close();
});
