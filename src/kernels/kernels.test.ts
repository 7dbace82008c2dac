// Every kernel, every case, every device this machine has, against the definition. npm test -- kernels
// MINKE_TEST_FAMILY=gemm restricts it to kernels whose name contains the word. The fast tests run every fifth case.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Case } from './cases/case.ts';
import { cases } from './cases/index.ts';
import { type Outcome, runCase } from './cases/run.ts';
import { difference } from './cases/tolerance.ts';
import type { Device } from './device.ts';
import { type Data, type DType, fromBf16 } from './dtype.ts';
import { ValueError } from './errors.ts';
import { packedBlocks } from './sizes.ts';
import { kernelNames } from './table.ts';
import { isOwnCode, productDevices } from './test-devices.ts';

const family = process.env.MINKE_TEST_FAMILY ?? '';
const stride = process.env.MINKE_TEST_FAST ? 5 : 1;
const rows = cases.filter((row, i) => row.kernel.includes(family) && i % stride === 0);

function compare(row: Case, expected: Outcome, received: Outcome): void {
  assert.deepEqual(received.overrun, [], 'memory around these arguments changed');
  for (const [name, { dtype, data }] of expected.written) {
    if (row.ignore?.includes(name)) continue;
    const got = received.written.get(name);
    assert.ok(got, `${name} was not read back`);
    if (row.exact) {
      assert.deepEqual(got.data, data, `${name} must equal the definition to the bit`);
      continue;
    }
    const found = difference(dtype, row.spreads ? spread(dtype, data, got.data) : data, got.data, row.slack);
    assert.ok(
      found.worst <= 1,
      `${name}[${found.at}] is ${found.received}, expected ${found.expected}: ` +
        `${found.worst.toFixed(2)} x what ${dtype} allows`,
    );
  }
}

/** Returns what is expected, with NaN where it was received. */
function spread(dtype: DType, expected: Data, received: Data): Data {
  const values = expected.slice();
  const isNan = (code: number) => Number.isNaN(dtype === 'bf16' ? fromBf16(code) : code);
  for (let i = 0; i < values.length; i++) if (isNan(received[i])) values[i] = received[i];
  return values;
}

/** Kernels that mean something only together with others, and the file that tests them. */
const elsewhere: Record<string, string> = {
  copy_bytes: 'device.test.ts',
  pack_panels: 'gemm.test.ts',
  gemm_panel_f32: 'gemm.test.ts',
  gemm_panel_bf16: 'gemm.test.ts',
  gemm_panel_fp8: 'gemm.test.ts',
  grouped_gemm_panel_f32: 'gemm.test.ts',
  grouped_gemm_panel_bf16: 'gemm.test.ts',
  grouped_gemm_panel_fp8: 'gemm.test.ts',
  ...Object.fromEntries(
    Object.keys(packedBlocks).flatMap((format) =>
      ['pack_panels', 'gemm_panel', 'grouped_gemm_panel', 'embedding_panel'].map((name) => [
        `${name}_${format}`,
        'gemm-groups.test.ts',
      ]),
    ),
  ),
};

test('every kernel has cases', () => {
  const covered = new Set(cases.map((row) => row.kernel));
  assert.deepEqual(
    kernelNames.filter((name) => !covered.has(name) && !(name in elsewhere)),
    [],
  );
});

const [reference, ...others] = productDevices();
const definitions = new Map<Case, Outcome | ValueError>();

/** Runs a row; returns the refusal where the row may be refused. */
function run(device: Device, row: Case): Promise<Outcome | ValueError> {
  return runCase(device, row).catch((error: unknown) => {
    if (row.mayRefuse && error instanceof ValueError) return error;
    throw error;
  });
}

async function check(device: Device, row: Case): Promise<void> {
  if (row.fault) {
    await assert.rejects(runCase(device, row), ValueError);
    return;
  }
  const outcome = await run(device, row);
  if (device === reference) definitions.set(row, outcome);
  const expected = definitions.get(row) as Outcome | ValueError;
  if (expected instanceof ValueError || outcome instanceof ValueError)
    assert.deepEqual(
      [expected, outcome].map((each) => each instanceof ValueError),
      [true, true],
    );
  else compare(row, expected, outcome);
}

for (const device of [reference, ...others]) {
  describe(`kernels on ${device.name} ${device.isa}`, () => {
    after(() => device.close());
    for (const kernel of new Set(rows.map((row) => row.kernel).filter((name) => isOwnCode(device, name))))
      test(kernel, async () => {
        const failures: string[] = [];
        for (const row of rows.filter((each) => each.kernel === kernel))
          await check(device, row).catch((error: Error) => failures.push(`${row.name}: ${error.message}`));
        assert.deepEqual(failures, []);
      });
  });
}
