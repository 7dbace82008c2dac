// What doctor finds about the instruction set, from reports of machines that are not here. npm test -- cli/findings
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeviceReport, findings } from './findings.ts';

const rates = { one: 100, all: 200 };
const report: DeviceReport = {
  machine: {
    cpu: 'a CPU',
    platform: 'linux x64',
    cores: 2,
    coreQuota: Number.POSITIVE_INFINITY,
    memoryBytes: 2 ** 34,
    load: 0,
    node: 'v22',
  },
  device: 'native',
  isa: 'amx',
  nativeIsas: ['amx'],
  cpuIsas: ['amx', 'avx512', 'avx512bf16', 'avx2', 'tiles'],
  tileProblem: null,
  compiler: 'g++',
  nativeFailure: null,
  threads: 2,
  f32: rates,
  bf16: rates,
  environment: {},
};

test('AMX that is used slows nothing down', () => {
  assert.deepEqual(findings(report), []);
});

test('AMX that is left unused is named with its reason', () => {
  const cpuIsas = ['avx512', 'avx512bf16', 'avx2', 'tiles'];
  const tileProblem = 'the operating system does not save tile registers';
  const [first, second, ...more] = findings({ ...report, isa: 'avx512', cpuIsas, tileProblem });
  assert.equal(first, 'the CPU has AMX and it is not used: the operating system does not save tile registers');
  assert.match(second as string, /^bf16 and FP8 multiply at 1\.0 x the speed of f32 in avx512/);
  assert.deepEqual(more, []);
});

test('what chose another instruction set than the best is named', () => {
  const chosen = (environment: DeviceReport['environment']) => findings({ ...report, isa: 'tiles', environment })[0];
  assert.equal(chosen({ MINKE_ISA: 'tiles' }), 'MINKE_ISA selects tiles; this machine runs amx');
  assert.equal(chosen({ MINKE_ARITHMETIC: 'tiles' }), 'MINKE_ARITHMETIC selects tiles; this machine runs amx');
  assert.equal(chosen({}), 'a missing build selects tiles; this machine runs amx');
});
