// The queue's contract, on every device: order, staging, recordings, faults, memory, closing. npm test -- device
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Buffer, Device } from './device.ts';
import { DeviceError, DisposedError, OutOfMemoryError, ValueError } from './errors.ts';
import { openDevice } from './open.ts';
import { testDevices } from './test-devices.ts';

const n = 1000;
const bytes = 4 * n;

function again(device: Device, memoryBytes?: number): Device {
  return openDevice({ device: device.name, isa: device.isa, threads: 2, ...(memoryBytes && { memoryBytes }) });
}

function constant(value: number): Float32Array {
  return new Float32Array(n).fill(value);
}

function buffer(device: Device, value?: number): Buffer {
  const made = device.alloc(bytes);
  if (value !== undefined) device.write(made, constant(value));
  return made;
}

function add(device: Device, a: Buffer, b: Buffer, out: Buffer): void {
  device.run('add_f32', { a, b, out, n });
}

async function uniformValue(device: Device, from: Buffer): Promise<number> {
  const data = await device.read(from, new Float32Array(n));
  assert.ok(
    data.every((x) => x === data[0]),
    'all elements alike',
  );
  return data[0];
}

/** Copies row `ids[0]` of a table of four rows: a fault unless it is within 0 to 3. */
function lookUp(device: Device, ids: Buffer, table: Buffer, out: Buffer): void {
  device.run('permute_rows', { x: table, token_index: ids, out, rows: 1, tokens: 4, row_bytes: bytes / 4 });
}

for (const device of testDevices()) {
  describe(`queue of ${device.name} ${device.isa}`, () => {
    after(() => device.close());

    test('writes, commands and reads happen in the order of the calls', async () => {
      const [x, one, sum] = [buffer(device, 1), buffer(device, 1), buffer(device)];
      const reads: Promise<number>[] = [];
      for (let i = 0; i < 20; i++) {
        add(device, x, one, sum);
        device.write(x, constant(100 * i));
        reads.push(uniformValue(device, sum));
        add(device, x, one, sum);
        reads.push(uniformValue(device, sum));
      }
      const expected = Array.from({ length: 20 }, (_, i) => [i === 0 ? 2 : 100 * (i - 1) + 1, 100 * i + 1]);
      assert.deepEqual(await Promise.all(reads), expected.flat());
    });

    test('written data may change at once, read data does not change later', async () => {
      const [x, one, sum] = [buffer(device, 0), buffer(device, 1), buffer(device)];
      add(device, x, one, sum);
      const data = constant(5);
      device.write(x, data);
      data.fill(-1);
      const read = device.read(x, new Float32Array(n));
      device.write(x, constant(7));
      assert.deepEqual(await read, constant(5));
      assert.equal(await uniformValue(device, x), 7);
    });

    test('parts of a buffer are written and read', async () => {
      const x = buffer(device, 0);
      device.write(x, Float32Array.of(1, 2, 3), 40);
      assert.deepEqual(await device.read(x, new Float32Array(5), 36), Float32Array.of(0, 1, 2, 3, 0));
      device.write(x, new Float32Array(0), bytes);
      assert.throws(() => device.write(x, Float32Array.of(1), bytes - 3), ValueError);
      await assert.rejects(device.read(x, new Float32Array(1), -4), ValueError);
    });

    test('a flush with nothing to do resolves', async () => {
      await device.flush();
      await Promise.all([device.flush(), device.flush()]);
    });

    test('hundreds of lists may be under way', async () => {
      const [x, one] = [buffer(device, 0), buffer(device, 1)];
      const reads: Promise<number>[] = [];
      for (let i = 0; i < 300; i++) {
        add(device, x, one, x);
        reads.push(uniformValue(device, x));
      }
      assert.deepEqual(
        await Promise.all(reads),
        Array.from({ length: 300 }, (_, i) => i + 1),
      );
    });

    test('a long list is submitted in parts and stays in order', async () => {
      const [x, one] = [buffer(device, 0), buffer(device, 1)];
      for (let i = 0; i < 5000; i++) add(device, x, one, x);
      assert.equal(await uniformValue(device, x), 5000);
    });

    test('freed memory is handed out again without disturbing what is under way', async () => {
      const one = buffer(device, 1);
      const before = device.liveBytes;
      const reads: Promise<number>[] = [];
      for (let i = 0; i < 50; i++) {
        const x = buffer(device, i);
        const sum = buffer(device);
        add(device, x, one, sum);
        x.free();
        reads.push(uniformValue(device, sum));
        sum.free();
      }
      assert.equal(device.liveBytes, before);
      assert.deepEqual(
        await Promise.all(reads),
        Array.from({ length: 50 }, (_, i) => i + 1),
      );
    });

    test('zeros are zeros: fresh, handed out again, and in every replay', async () => {
      const large = 10 * 2 ** 20;
      const isZero = async (x: Buffer) => {
        const data = await device.read(x, new Float32Array(large / 4));
        assert.equal(
          data.findIndex((value) => value !== 0),
          -1,
        );
      };
      for (let round = 0; round < 3; round++) {
        const x = device.allocZeros(large);
        await isZero(x);
        device.write(x, new Float32Array(large / 4).fill(round + 1));
        x.free();
      }
      const { recording, result } = device.record([], () => device.allocZeros(large));
      for (let round = 0; round < 2; round++) {
        recording.replay();
        await isZero(result);
        device.write(result, new Float32Array(large / 4).fill(9));
      }
      await device.flush();
      recording.dispose();
    });

    test('a recording runs only when replayed, with the contents of then', async () => {
      const [x, one] = [buffer(device, 1), buffer(device, 1)];
      const { recording, result } = device.record([], () => {
        const [twice, out] = [buffer(device), buffer(device)];
        add(device, x, x, twice);
        add(device, twice, one, out);
        twice.free();
        return out;
      });
      assert.equal(recording.commands, 2);
      recording.replay();
      assert.equal(await uniformValue(device, result), 3);
      device.write(x, constant(10));
      recording.replay();
      const first = uniformValue(device, result);
      device.write(x, constant(20));
      recording.replay();
      assert.deepEqual([await first, await uniformValue(device, result)], [21, 41]);
      recording.dispose();
      recording.dispose();
    });

    test('inputs are bound to other buffers while replays are under way', async () => {
      const one = buffer(device, 1);
      const inputs = Array.from({ length: 40 }, (_, i) => buffer(device, i));
      const wide = device.alloc(2 * bytes);
      device.write(wide, constant(-1));
      device.write(wide, constant(70), bytes);
      const first = inputs[0];
      const { recording, result } = device.record([first], () => {
        const out = buffer(device);
        add(device, first, one, out);
        add(device, first, out, out);
        return out;
      });
      const reads = inputs.map((input) => {
        recording.bind(first, input);
        recording.replay();
        return uniformValue(device, result);
      });
      assert.deepEqual(
        await Promise.all(reads),
        inputs.map((_, i) => 2 * i + 1),
      );
      recording.bind(first, wide, bytes);
      recording.replay();
      assert.equal(await uniformValue(device, result), 141);
      assert.throws(() => recording.bind(one, first), DeviceError);
      assert.throws(() => recording.bind(first, wide, bytes + 4), ValueError);
      const freed = buffer(device);
      freed.free();
      assert.throws(() => recording.bind(first, freed), DisposedError);
      recording.dispose();
    });

    test('a recording gives its memory back, but not under a running replay', async () => {
      const one = buffer(device, 1);
      await device.flush();
      const record = () =>
        device.record([], () => {
          const out = device.alloc(64 * 2 ** 20);
          add(device, one, one, out);
          return out;
        });
      record().recording.dispose();
      const { reserved } = device.memory;
      const { recording } = record();
      assert.ok(device.memory.reserved > reserved);
      recording.replay();
      assert.throws(() => recording.dispose(), /replays of the recording are in flight/);
      await device.flush();
      recording.dispose();
      assert.ok(device.memory.reserved <= reserved, 'reserved bytes');
      assert.throws(() => recording.replay(), DisposedError);
    });

    test('while recording, nothing can be written, read, flushed or recorded', () => {
      const x = buffer(device, 1);
      const refused = /not possible while a list is being recorded/;
      for (const body of [() => device.write(x, constant(1)), () => device.record([], () => {}), () => device.flush()])
        assert.throws(() => device.record([], body), refused);
      assert.throws(
        () =>
          device.record([], () => {
            throw new Error('the body failed');
          }),
        /the body failed/,
      );
      device.write(x, constant(2));
    });

    test('a fault is reported once, in the name of its kernel, and later work runs', async () => {
      const [table, out] = [buffer(device, 3), buffer(device, 0)];
      const ids = device.alloc(4);
      device.write(ids, Int32Array.of(4));
      lookUp(device, ids, table, out);
      await assert.rejects(device.read(out, new Float32Array(n)), (error) => {
        assert.ok(error instanceof ValueError);
        assert.match(error.message, /^\[permute_rows\] element 0 is 4, expected 0 to 3; /);
        return true;
      });
      await device.flush();
      device.write(ids, Int32Array.of(2));
      lookUp(device, ids, table, out);
      assert.equal((await device.read(out, new Float32Array(1)))[0], 3);
    });

    test('of several waits, one learns of a fault; lists after it still run', async () => {
      const [table, out, x, one] = [buffer(device, 3), buffer(device), buffer(device, 0), buffer(device, 1)];
      const ids = device.alloc(4);
      device.write(ids, Int32Array.of(-1));
      lookUp(device, ids, table, out);
      const first = device.flush();
      add(device, x, one, x);
      const second = uniformValue(device, x);
      await assert.rejects(first, ValueError);
      assert.equal(await second, 1);
    });

    test('a fault inside a replay names the kernel', async () => {
      const [table, out] = [buffer(device, 3), buffer(device)];
      const ids = device.alloc(4);
      const { recording } = device.record([], () => {
        add(device, table, table, out);
        lookUp(device, ids, table, out);
      });
      for (const id of [9, 1]) {
        device.write(ids, Int32Array.of(id));
        recording.replay();
        if (id === 9) await assert.rejects(device.flush(), /\[permute_rows\] element 0 is 9/);
        else await device.flush();
      }
      recording.dispose();
    });

    test('freed and foreign buffers are refused', async () => {
      const other = again(device);
      const [mine, foreign] = [buffer(device, 1), buffer(other, 1)];
      assert.throws(() => device.write(foreign, constant(1)), /belongs to another device/);
      await assert.rejects(other.read(mine, new Float32Array(n)), DeviceError);
      mine.free();
      mine.free();
      assert.throws(() => device.write(mine, constant(1)), DisposedError);
      await assert.rejects(device.read(mine, new Float32Array(n)), DisposedError);
      await other.close();
    });

    test('exhausted memory is an error that says how much, for whom, and what to do', async () => {
      const limit = 96 * 2 ** 20;
      const small = again(device, limit);
      const block = small.alloc(40 * 2 ** 20);
      assert.throws(
        () => small.alloc(80 * 2 ** 20, 'linear'),
        (error) => {
          assert.ok(error instanceof OutOfMemoryError);
          assert.match(error.message, /^\[linear\] no memory for 80\.0 MiB: .* of 96\.0 MiB are reserved; use/);
          return true;
        },
      );
      block.free();
      const x = small.alloc(bytes);
      small.write(x, constant(4));
      assert.equal(await uniformValue(small, x), 4);
      await small.close();
    });

    test('closing waits for the work, happens once, and ends the device', async () => {
      const other = again(device);
      const [x, one] = [buffer(other, 1), buffer(other, 1)];
      for (let i = 0; i < 1000; i++) add(other, x, one, x);
      const last = uniformValue(other, x);
      await Promise.all([other.close(), other.close()]);
      assert.equal(await last, 1001);
      await other.close();
      assert.throws(() => other.alloc(4), /the device is closed/);
      assert.throws(() => other.write(x, constant(1)), /the device is closed/);
      await assert.rejects(other.read(x, new Float32Array(n)), /the device is closed/);
      await assert.rejects(async () => other.flush(), /the device is closed/);
      assert.throws(() => other.record([], () => {}), /the device is closed/);
    });

    test('a device with a fault pending still closes', async () => {
      const other = again(device);
      const [table, out] = [buffer(other, 3), buffer(other)];
      const ids = other.alloc(4);
      other.write(ids, Int32Array.of(77));
      lookUp(other, ids, table, out);
      await assert.rejects(other.close(), /\[permute_rows\]/);
      assert.throws(() => other.alloc(4), /the device is closed/);
    });
  });
}
