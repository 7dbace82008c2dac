// Figures are kept by kind of machine, and the overview of bench/results is made from them. npm test -- bench-results
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseKind } from '../bench/machine.ts';
import { drawOverview } from '../bench/overview.ts';
import { resultsFolder } from '../bench/report.ts';

const x86 = (vendor: string, family: number, model: number, flags: string) =>
  `vendor_id\t: ${vendor}\ncpu family\t: ${family}\nmodel\t\t: ${model}\nflags\t\t: ${flags}\n\nprocessor\t: 1\n`;

test('a kind of machine is its microarchitecture and its matrix unit', () => {
  const flags = 'fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile amx_int8';
  for (const [cpuinfo, name] of [
    [x86('GenuineIntel', 6, 106, 'avx2'), 'icelake'],
    [x86('GenuineIntel', 6, 143, flags), 'sapphirerapids-amx'],
    [x86('GenuineIntel', 6, 143, 'avx512f'), 'sapphirerapids'],
    [x86('GenuineIntel', 6, 167, flags), 'sapphirerapids-amx'], // as a hypervisor shows it
    [x86('GenuineIntel', 6, 173, flags), 'graniterapids-amx'],
    [x86('GenuineIntel', 6, 1, 'avx2'), 'genuineintel-6-1'],
    [x86('AuthenticAMD', 25, 1, 'avx2'), 'zen3'],
    [x86('AuthenticAMD', 25, 17, 'avx512_bf16'), 'zen4'],
    [x86('AuthenticAMD', 26, 2, 'avx512_bf16'), 'zen5'],
    ['processor\t: 0\nFeatures\t: fp asimd\nCPU part\t: 0xd40\n', 'some-arm-cpu'],
  ])
    assert.equal(parseKind(cpuinfo, 'Some(R) ARM CPU').name, name);
  assert.deepEqual(parseKind(x86('GenuineIntel', 6, 143, flags), '').features, [
    'avx2',
    'avx512f',
    'avx512_bf16',
    'amx_bf16',
    'amx_int8',
  ]);
});

test('bench/results/overview.md is made from the pages beside it', () => {
  assert.equal(readFileSync(join(resultsFolder, 'overview.md'), 'utf8'), drawOverview(), 'npm run bench -- overview');
});

test('a figure of an older page of a kind gives way to the newest, and what a kind has not is open', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'minke-results-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const write = (date: string, kind: string, name: string, median: number) => {
    const results = [{ family: 'train', name, unit: 'ms', median, ratio: 1.5, passed: false }];
    writeFileSync(join(folder, `${date}-train-${kind}.json`), JSON.stringify({ date, kind, results }));
  };
  write('2026-01-02', 'zen4', 'a step', 20);
  write('2026-01-03', 'zen4', 'a step', 30);
  write('2026-01-04', 'arm-cpu', 'another step', 40);
  const rows = drawOverview(folder)
    .split('\n')
    .filter((line) => line.startsWith('| '));
  assert.deepEqual(rows, [
    '| case | icelake | [zen4, 2026-01-03](2026-01-03-train-zen4.md) | sapphirerapids-amx | ' +
      '[arm-cpu, 2026-01-04](2026-01-04-train-arm-cpu.md) |',
    '| --- | --- | --- | --- | --- |',
    '| a step | open | 30.0 ms, 1.50 x (missed) | open | open |',
    '| another step | open | open | open | 40.0 ms, 1.50 x (missed) |',
  ]);
});
