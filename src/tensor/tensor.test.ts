// Tensors, scopes, the tape's rules, recordings. npm test -- tensor/tensor
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { DeviceError, DisposedError, DTypeError, fromBf16, ShapeError, toBf16, ValueError } from '../kernels/index.ts';
import { bestDevices } from '../kernels/test-devices.ts';
import {
  add,
  asyncScope,
  expectShape,
  fromArray,
  full,
  keep,
  narrow,
  noGrad,
  randn,
  range,
  record,
  reshape,
  scope,
  Tape,
  type Tensor,
  valueAndGrad,
  zeros,
} from './index.ts';

for (const device of bestDevices()) {
  const on = { device };
  const of = (...values: number[]) => fromArray(values, [values.length], on);

  describe(`tensors on ${device.name} ${device.isa}`, () => {
    after(() => device.close());

    test('values go in and come out in every format', async () => {
      const values = [0, 1, -2, 3.140625];
      for (const dtype of ['f32', 'bf16'] as const)
        assert.deepEqual(await fromArray(values, [2, 2], { dtype, device }).toArray(), values);
      assert.deepEqual(await fromArray([0, 1, -2, 448], [4], { dtype: 'e4m3', device }).toArray(), [0, 1, -2, 448]);
      assert.deepEqual(await fromArray(Int32Array.of(-7, 9), [2], on).toArray(), [-7, 9]);
      assert.deepEqual(await fromArray(Uint8Array.of(0, 255), [2], on).toArray(), [0, 255]);
      assert.equal(fromArray(Uint16Array.of(toBf16(1.5)), [1], on).dtype, 'bf16');
      assert.equal(await fromArray(Uint16Array.of(toBf16(1.5)), [], on).item(), 1.5);
      assert.deepEqual(await full([3], 2.5, on).toArray(), [2.5, 2.5, 2.5]);
      assert.deepEqual(await zeros([2], { dtype: 'i32', device }).toArray(), [0, 0]);
      assert.deepEqual(await zeros([0, 4], on).toArray(), []);
      assert.deepEqual(await range(4, -3, on).toArray(), [0, -3, -6, -9]);
      assert.equal(fromBf16((await full([1], 1 / 3, { dtype: 'bf16', device }).read())[0]), 0.333984375);
    });

    test('randn is the same for the same seed', async () => {
      const x = await randn([50], 7, 1, on).toArray();
      assert.deepEqual(await randn([5, 10], 7, 1, on).toArray(), x);
      assert.notDeepEqual(await randn([50], 8, 1, on).toArray(), x);
    });

    test('views share memory until the last handle goes', async () => {
      const before = device.liveBytes;
      const x = fromArray([1, 2, 3, 4, 5, 6], [3, 2], on);
      const bytes = device.liveBytes;
      const row = narrow(x, 1, 1);
      const flat = reshape(x, [6]);
      assert.equal(device.liveBytes, bytes);
      x.dispose();
      x.dispose();
      assert.deepEqual(await row.toArray(), [3, 4]);
      row.write(Float32Array.of(30, 40));
      assert.deepEqual(await flat.toArray(), [1, 2, 30, 40, 5, 6]);
      row.dispose();
      flat.dispose();
      assert.equal(device.liveBytes, before);
    });

    test('refusals name the op, what was expected, what came and what to do', async () => {
      const x = of(1, 2);
      const freed = of(1, 2);
      freed.dispose();
      const says = (type: new (...args: never[]) => Error, message: string) => (error: unknown) => {
        assert.ok(error instanceof type, `${error} is no ${type.name}`);
        assert.equal(error.message, message);
        return true;
      };
      assert.throws(
        () => add(freed, x),
        says(DisposedError, '[add] a tensor f32 [2] was freed; return it from its scope, or keep() it'),
      );
      await assert.rejects(freed.read(), DisposedError);
      assert.throws(
        () => add(x, of(1)),
        says(ShapeError, '[add] a and b differ in shape: [2] and [1]; reshape one of them; there is no broadcasting'),
      );
      assert.throws(() => add(x, fromArray(Int32Array.of(1, 2), [2], on)), DTypeError);
      assert.throws(
        () => fromArray([1, 2, 3], [2, 2], on),
        says(ShapeError, '[fromArray] shape [2, 2] has 4 elements, received 3 values; correct the shape or the values'),
      );
      assert.throws(() => reshape(x, [3]), ShapeError);
      assert.throws(() => reshape(x, [-1, -2]), ShapeError);
      assert.throws(() => narrow(x, 1, 2), ValueError);
      assert.throws(() => x.write(Float32Array.of(1)), ShapeError);
      assert.throws(
        () => expectShape(x, [-1, 3], 'mla', 'q'),
        says(
          ShapeError,
          '[mla] q has the wrong shape: expected [any, 3], received [2]; ' +
            'reshape or slice it, or check which tensor was passed',
        ),
      );
      await assert.rejects(x.item(), ShapeError);
      assert.equal(`${x} ${freed}`, 'Tensor f32 [2] Tensor f32 [2] (freed)');
    });

    test('a scope frees what it made, but not what it returns or keeps', async () => {
      const before = device.liveBytes;
      let kept: Tensor | undefined;
      let lost: Tensor | undefined;
      const { list, map } = scope(() => {
        const x = of(1, 2);
        lost = add(x, x);
        kept = keep(add(x, lost));
        const inner = scope(() => ({ y: [add(lost as Tensor, x)] }));
        return { list: inner.y, map: new Map([['x', x]]) };
      });
      assert.ok(lost?.disposed);
      assert.deepEqual(await list[0]?.toArray(), [3, 6]);
      assert.deepEqual(await map.get('x')?.toArray(), [1, 2]);
      assert.deepEqual(await kept?.toArray(), [3, 6]);
      list[0]?.dispose();
      map.get('x')?.dispose();
      kept?.dispose();
      assert.equal(device.liveBytes, before);
      assert.throws(() =>
        scope(() => {
          of(1);
          throw new Error('the body failed');
        }),
      );
      assert.equal(device.liveBytes, before);
    });

    test('a scope refuses an async body, asyncScope takes its pieces', async () => {
      const before = device.liveBytes;
      assert.throws(() => scope(async () => {}), DeviceError);
      const run = (value: number) =>
        asyncScope(async (inside) => {
          const x = inside(() => of(value, value));
          const [first] = await x.toArray();
          const y = inside(() => add(x, x));
          await y.read();
          return { first, y };
        });
      const results = await Promise.all([run(1), run(2)]);
      for (const [i, { first, y }] of results.entries()) {
        assert.equal(first, i + 1);
        assert.deepEqual(await y.toArray(), [2 * i + 2, 2 * i + 2]);
        y.dispose();
      }
      assert.equal(device.liveBytes, before);
    });

    test('gradients of a tensor that is used twice add up', async () => {
      const x = of(1, 2);
      const tape = new Tape([x]);
      const y = tape.run(() => add(add(x, x), x));
      const [dx] = tape.backward(y, of(1, 10));
      assert.deepEqual(await dx?.toArray(), [3, 30]);
    });

    test('nothing is recorded for tensors that need no gradient', async () => {
      const [x, c] = [of(1), of(2)];
      const tape = new Tape([x]);
      const y = tape.run(() => {
        add(c, c);
        const constant = noGrad(() => add(x, c));
        return add(x, constant);
      });
      assert.equal(tape.length, 1);
      assert.deepEqual(await tape.backward(y)[0]?.toArray(), [1]);
    });

    test('a parameter without influence has gradient zero, one named twice has it twice', async () => {
      const [x, unused] = [of(3), of(4, 5)];
      const { value, gradients } = valueAndGrad(() => add(x, x), [x, unused, x]);
      assert.equal(await value.item(), 6);
      assert.deepEqual(await Promise.all(gradients.map((g) => g.toArray())), [[2], [0, 0], [2]]);
    });

    test('the tape refuses what it cannot do', () => {
      const x = of(1, 2);
      const record = () => {
        const tape = new Tape([x]);
        return { tape, y: tape.run(() => add(x, x)) };
      };
      const twice = record();
      assert.throws(() => twice.tape.backward(twice.y), /expected one element/);
      twice.tape.backward(twice.y, of(1, 1));
      assert.throws(() => twice.tape.backward(twice.y, of(1, 1)), /backward has run already/);
      assert.throws(() => twice.tape.run(() => {}), ValueError);
      assert.throws(() => record().tape.backward(of(1)), /does not depend on the params/);
      const { tape, y } = record();
      assert.throws(() => tape.backward(y, of(1)), ShapeError);
      assert.throws(() => new Tape([x]).run(() => record()), DeviceError);
      const ended = record();
      ended.tape.dispose();
      assert.throws(() => ended.tape.backward(ended.y, of(1, 1)), /the tape has ended/);
      assert.throws(() => new Tape([fromArray(Int32Array.of(1), [1], on)]), ValueError);
    });

    test('a recording runs again with other inputs, views among them', async () => {
      const before = device.liveBytes;
      await asyncScope(async (inside) => {
        const weight = inside(() => of(10, 20));
        const step = inside(() =>
          record([of(0, 0)], (x) => {
            const tape = new Tape([weight]);
            const y = tape.run(() => add(add(x, weight), x));
            const [gradient] = tape.backward(y, x);
            return { y, gradient: gradient };
          }),
        );
        const first = inside(() => step.replay(of(1, 2)));
        assert.deepEqual(await first.y.toArray(), [12, 24]);
        assert.deepEqual(await first.gradient.toArray(), [1, 2]);
        const data = inside(() => fromArray([1, 2, 3, 4, 5, 6], [3, 2], on));
        const sums: Promise<number[]>[] = [];
        for (let i = 0; i < 3; i++) {
          const rows = inside(() => reshape(narrow(data, i, 1), [2]));
          sums.push(step.replay(rows).y.toArray());
        }
        assert.deepEqual(await Promise.all(sums), [
          [12, 24],
          [16, 28],
          [20, 32],
        ]);
        weight.write(Float32Array.of(0, 0));
        assert.deepEqual(await step.replay(weight).y.toArray(), [0, 0]);
        assert.throws(() => step.replay(inside(() => of(1, 2, 3))), ShapeError);
        assert.throws(() => step.replay(inside(() => zeros([2], { dtype: 'i32', device }))), DTypeError);
        step.dispose();
        assert.throws(() => step.replay(weight), DisposedError);
        await assert.rejects(first.y.read(), DisposedError);
      });
      assert.equal(device.liveBytes, before);
    });

    test('overwriting a tensor counts as a change, in replays too', () => {
      const [x, y] = [of(1, 2), of(3, 4)];
      const before = [x.storage.version, y.storage.version];
      x.write(Float32Array.of(3, 4));
      assert.deepEqual([x.storage.version, y.storage.version], [before[0] + 1, before[1]]);
    });

    test('live bytes return to the baseline over 100 steps', async () => {
      const weight = randn([64, 32], 1, 1, on);
      let baseline = 0;
      let reserved = 0;
      for (let i = 0; i < 100; i++) {
        await asyncScope(async (inside) => {
          const loss = inside(() => {
            const x = randn([64, 32], i, 1, on);
            const tape = new Tape([weight]);
            const y = tape.run(() => add(add(x, weight), add(weight, x)));
            const [gradient] = tape.backward(y, x);
            return add(gradient, weight);
          });
          await loss.read();
        });
        await device.flush();
        if (i === 0) baseline = device.liveBytes;
        if (i === 2) reserved = device.memory.reserved;
        assert.equal(device.liveBytes, baseline);
        if (i > 2) assert.ok(device.memory.reserved <= reserved);
      }
      weight.dispose();
    });
  });
}
