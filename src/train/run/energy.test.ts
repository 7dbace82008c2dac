// The energy of a run: counters that wrap, that cannot be read, and the estimate. npm test -- run/energy
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { EnergyMeter, toEnergy } from './energy.ts';

const root = mkdtempSync(join(tmpdir(), 'minke-energy-'));
after(() => rmSync(root, { recursive: true }));

function writeCounter(name: string, domain: string, microjoules: number): void {
  mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, name, 'name'), `${domain}\n`);
  writeFileSync(join(root, name, 'max_energy_range_uj'), '1000000000\n');
  writeFileSync(join(root, name, 'energy_uj'), `${microjoules}\n`);
}

test('packages and their memory are added up, whatever began again; cores and the platform are in them', () => {
  writeCounter('intel-rapl:0', 'package-0', 900_000_000);
  writeCounter('intel-rapl:0:0', 'core', 500);
  writeCounter('intel-rapl:0:1', 'dram', 10_000_000);
  writeCounter('intel-rapl:1', 'psys', 5);
  const meter = new EnergyMeter(root);
  assert.equal(meter.joules, 0);
  writeCounter('intel-rapl:0', 'package-0', 50_000_000); // 150 J later, once around
  writeCounter('intel-rapl:0:0', 'core', 900);
  writeCounter('intel-rapl:0:1', 'dram', 12_000_000);
  writeCounter('intel-rapl:1', 'psys', 800_000_000);
  assert.equal(meter.joules, 152);
  rmSync(join(root, 'intel-rapl:0', 'energy_uj'));
  assert.equal(meter.joules, null);
  meter.close();
  assert.equal(new EnergyMeter(join(root, 'nowhere')).joules, null);
});

test('measured time has no width, estimated time is a band of the watts of its threads, and says so', () => {
  const measured = { seconds: 10, threads: 2, joules: 3.6e6 };
  const { source, ...kwh } = toEnergy([measured]) as NonNullable<ReturnType<typeof toEnergy>>;
  assert.deepEqual(kwh, { low: 1, middle: 1, high: 1, method: 'measured' });
  assert.match(source, /RAPL.*other programs included/);
  const estimated = toEnergy([{ seconds: 3600, threads: 2, joules: null }]);
  assert.deepEqual([estimated?.low, estimated?.high, estimated?.method], [0.00374, 0.01198, 'estimated']);
  const both = toEnergy([measured, { seconds: 3600, threads: 2, joules: null }]);
  assert.deepEqual([both?.middle, both?.method], [1.0076, 'partly measured']);
  assert.equal(toEnergy([measured, { seconds: 1, threads: null, joules: null }]), null);
});
