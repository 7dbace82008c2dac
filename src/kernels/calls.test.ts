// A kernel is called by name with named arguments: what does not fit its signature does not compile, and does not run
// either. npm test -- calls
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Backend, Completed } from './backend.ts';
import { CommandList, createEncoder, loopingEncoder } from './command-list.ts';
import { nativeIsas } from './cpu.ts';
import type { Device } from './device.ts';
import { faultCode } from './kernel.ts';
import { openNative } from './native.ts';
import { openDevice } from './open.ts';
import { openReference } from './reference.ts';
import { agreedSizes, checkSizes } from './sizes.ts';
import { type CallArguments, type KernelName, kernelNames, kernels } from './table.ts';
import { openWasm } from './wasm.ts';
import { nodeHost, wasmIsas } from './wasm-node.ts';

describe('a kernel call', () => {
  let device: Device;
  before(() => {
    device = openDevice({ device: 'reference' });
  });
  after(() => device.close());

  test('without an argument neither compiles nor runs', async () => {
    const [a, b, out] = [0, 1, 2].map(() => device.alloc(4));
    for (const buffer of [a, b, out]) device.write(buffer, Float32Array.of(1));
    assert.throws(
      // @ts-expect-error: n is missing
      () => device.run('add_f32', { a, b, out }),
      { message: '[add_f32] n: missing or of the wrong kind; give a, b, out, n' },
    );
    device.run('add_f32', { a, b, out, n: 1 });
    assert.deepEqual(await device.read(out, new Float32Array(1)), Float32Array.of(2));
  });

  test('with a misspelled argument neither compiles nor runs', () => {
    const x = device.alloc(4);
    assert.throws(
      // @ts-expect-error: the name is out
      () => device.run('exp_f32', { x, ouut: x, n: 1 }),
      { message: '[exp_f32] out: missing or of the wrong kind, ouut: unknown; give x, out, n' },
    );
  });

  test('with a place where a number belongs neither compiles nor runs', () => {
    const x = device.alloc(4);
    assert.throws(
      // @ts-expect-error: n is a number
      () => device.run('exp_f32', { x, out: x, n: x }),
      { message: '[exp_f32] n: missing or of the wrong kind; give x, out, n' },
    );
  });

  test('with an extra argument, or of a kernel that does not exist, does not compile', () => {
    const x = device.alloc(4);
    // @ts-expect-error: exp_f32 has no factor
    const extra: CallArguments<'exp_f32'> = { x, out: x, n: 1, factor: 2 };
    assert.ok(extra);
    assert.throws(
      // @ts-expect-error: no such kernel
      () => device.run('exp_f23', { x, out: x, n: 1 }),
      { message: /^\[exp_f23\] no kernel has this name; / },
    );
  });

  test('takes lists of one length, and holds them row by row', async () => {
    const [one, two, sum] = [1, 2, 0].map((value) => {
      const buffer = device.alloc(8);
      device.write(buffer, Float32Array.of(value, 10 * value));
      return buffer;
    });
    const ends = [4, 0].map((offset) => sum.address + offset);
    device.run('add_each_f32', { a: [one, two], b: [two, null], out: ends, n: [1, 1] });
    assert.deepEqual(await device.read(sum, new Float32Array(2)), Float32Array.of(2, 3));
    assert.throws(() => device.run('add_each_f32', { a: [one, two], b: [two], out: ends, n: [1, 1] }), {
      message: '[add_each_f32] the lists differ in length; give a, b, out, n',
    });
    assert.throws(
      // @ts-expect-error: n is a list
      () => device.run('add_each_f32', { a: [one], b: [two], out: [sum], n: 1 }),
      { message: '[add_each_f32] n: missing or of the wrong kind; give a, b, out, n' },
    );
  });

  test('is encoded alike with and without generated code', () => {
    const refuse = () => assert.fail('refused what the signature asks for');
    for (const [number, name] of kernelNames.entries()) {
      const { parameters } = kernels[name];
      if (parameters.some(({ isList }) => isList)) continue; // these have one encoder
      const places = [64, null, { address: 128 }];
      const args = parameters.map(({ name, kind }, i): [string, (typeof places)[number]] => [
        name,
        kind === 'int' || kind === 'float' || kind === 'double' ? i + 0.5 : places[i % 3],
      ]);
      const lists = [createEncoder(name, number, parameters), loopingEncoder(number, parameters, refuse)].map(
        (encode) => {
          const list = new CommandList();
          // More than a list holds at first, so that it grows.
          for (let i = 0; i < 3000; i++) encode(list, Object.fromEntries(args));
          return list.words.slice(0, list.length);
        },
      );
      assert.equal(lists[0].length, 3000 * (parameters.length + 2));
      assert.deepEqual(lists[0], lists[1]);
    }
  });
});

const backends: Record<string, (completed: Completed) => Backend> = {
  reference: openReference,
  native: (completed) => openNative(nativeIsas()[0], 2, completed),
  wasm: (completed) => openWasm(nodeHost(), wasmIsas()[0], 2, completed),
};

/** Kernels whose arguments are not all named: their signature lost its literal type where it was written. */
type Untyped = { [Name in KernelName]: string extends keyof CallArguments<Name> ? Name : never }[KernelName];
export const everyCallIsTyped: [Untyped] extends [never] ? true : Untyped = true;

describe('a list of commands', () => {
  for (const [name, open] of Object.entries(backends))
    test(`is refused by ${name} where a command does not fit its kernel`, async () => {
      let finish: (fault: Parameters<Completed>[1]) => void = () => {};
      const backend = open((_id, fault) => finish(fault));
      const number = backend.kernelOrder.indexOf('range_i32');
      const to = backend.reserve(64);
      const good = [number, 3, to, 4, 1];
      for (const [bad, expected] of [
        [[number, 2, to, 4], { where: number, value: 2, limit: 3 }],
        [[number, 4, to, 4, 1, 0], { where: number, value: 4, limit: 3 }],
        [[kernelNames.length, 3, to, 4, 1], { where: kernelNames.length, value: 3, limit: 0 }],
      ] as const) {
        const words = Float64Array.from([...good, ...bad]);
        const list = backend.reserve(words.byteLength);
        backend.copyIn(list, words);
        backend.hold(true);
        const fault = await new Promise((resolve) => {
          finish = resolve;
          backend.submit(list, words.length, 1);
        });
        backend.hold(false);
        assert.deepEqual(fault, { code: faultCode.badCommand, command: 1, ...expected });
      }
      const written = new Int32Array(4);
      backend.copyOut(to, written);
      assert.deepEqual(written, Int32Array.of(0, 1, 2, 3), 'what came before has run');
      await backend.close();
    });
});

describe('the sizes of a build', () => {
  const listed = Object.entries(agreedSizes).flat();

  test('are compared when a device opens', () => {
    checkSizes(listed, 'this build');
    const [name, value] = listed as [string, number];
    assert.throws(() => checkSizes([name, value + 1, ...listed.slice(2)], 'that build'), {
      name: 'DeviceError',
      message:
        `[open] ${name} is ${value + 1} in that build and ${value} in sizes.ts; ` +
        'build the kernels again (npm run build)',
    });
    assert.throws(() => checkSizes(listed.slice(2), 'that build'), { message: /is missing in that build/ });
    assert.throws(() => checkSizes([...listed, 'new', 1], 'that build'), {
      message: /new is 1 in .* missing in sizes/,
    });
  });
});
