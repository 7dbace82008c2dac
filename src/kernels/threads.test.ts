// The same bits with 1, 2, 3, and 7 threads: the largest row of every kernel and format, which is several tasks, on
// every device. WebAssembly, whose threads run the same tasks, is compared with one thread. npm test -- kernels/threads
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Case } from './cases/case.ts';
import { cases } from './cases/index.ts';
import { runCase } from './cases/run.ts';
import { openDevice } from './open.ts';
import { isOwnCode, productDevices } from './test-devices.ts';

function countBytes({ args }: Case): number {
  return Object.values(args).reduce<number>((sum, arg) => sum + (ArrayBuffer.isView(arg) ? arg.byteLength : 0), 0);
}

const ascending = cases.filter(({ fault }) => !fault).toSorted((a, b) => countBytes(a) - countBytes(b));
const rows = [...new Map(ascending.map((row) => [`${row.kernel} ${JSON.stringify(row.formats)}`, row])).values()];

function sameBits(a: ArrayBufferView | undefined, b: ArrayBufferView): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => Buffer.from(buffer, byteOffset, byteLength);
  return a !== undefined && bytes(a).equals(bytes(b));
}

for (const device of productDevices().slice(1))
  test(`threads on ${device.name} ${device.isa}`, async () => {
    const { name, isa } = device;
    const counts = name === 'native' ? [1, 3, 7] : [1];
    const others = counts.map((threads) => openDevice({ device: name, isa, threads }));
    try {
      for (const row of rows.filter(({ kernel }) => isOwnCode(device, kernel))) {
        const expected = await runCase(device, row);
        for (const other of others) {
          const received = await runCase(other, row);
          for (const [argument, { data }] of expected.written)
            if (!row.ignore?.includes(argument))
              assert.ok(
                sameBits(received.written.get(argument)?.data, data),
                `${row.kernel} "${row.name}": ${argument} differs with ${other.threads} threads`,
              );
        }
      }
    } finally {
      await Promise.all([device, ...others].map((each) => each.close()));
    }
  });
