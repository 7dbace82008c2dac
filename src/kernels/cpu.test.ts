// The choice of an instruction set: its rule, driven by rates of machines that were measured; what is kept of it; and
// what MINKE_ARITHMETIC and MINKE_ISA make of it, each in a process of its own. npm test -- kernels/cpu
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadAddon, loadAny, nativeFolder } from './addon.ts';
import { bestNativeIsa, type Cpu, examineCpu, howToCompute, nativeIsas } from './cpu.ts';
import { findSame, isSameComputation, nativeArithmetic } from './instruction-sets.ts';
import { packageRoot } from './root.ts';

const isa = bestNativeIsa();
const addon = loadAny();
const cpu = examineCpu() as Cpu;

/** Sapphire Rapids; the same under a hypervisor without AMX; Zen 5; Cooper Lake; Ice Lake. GFLOP/s. */
const machines: [name: string, rates: [number, number, number], order: string[]][] = [
  ['AMX, slow dot products', [3770, 121, 243], ['amx', 'avx512', 'avx512bf16']],
  ['slow dot products', [0, 121, 243], ['avx512', 'avx512bf16']],
  ['fast dot products', [0, 510, 255], ['avx512bf16', 'avx512']],
  ['equal rates', [0, 200, 200], ['avx512bf16', 'avx512']],
  ['equal rates, disturbed by a sixth', [0, 167, 200], ['avx512bf16', 'avx512']],
  ['half the rate, disturbed by a sixth', [0, 121, 200], ['avx512', 'avx512bf16']],
  ['AMX that an emulator runs', [3, 400, 200], ['avx512bf16', 'avx512', 'amx']],
  ['no bf16 of its own', [0, 0, 150], ['avx512']],
];

describe('the best instruction set', { skip: addon === undefined || process.arch !== 'x64' }, () => {
  for (const [name, rates, order] of machines)
    test(`${name}: ${order.join(', ')}`, () => {
      const found = addon?.cpuIsas(...rates) ?? [];
      assert.deepEqual(found.slice(0, order.length), order);
      assert.equal(found.at(-1), 'tiles', 'software comes last');
    });

  test('the rates of this machine fit what it runs, and a second measurement chooses the same', () => {
    const { rates, isas } = cpu;
    for (const [form, name] of [
      ['tiles', 'amx'] as const,
      ['pairs', 'avx512bf16'] as const,
      ['steps', 'avx512'] as const,
    ])
      assert.equal(rates[form] > 0, isas.includes(name), name);
    assert.deepEqual(addon?.cpuIsas(...addon.measureBf16()), isas);
  });
});

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'minke-cpu-'));
  for (const each of nativeIsas()) symlinkSync(join(nativeFolder(), `${each}.node`), join(folder, `${each}.node`));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Opens a device in a process of its own and returns its instruction set, or what it was refused with. */
function open(environment: NodeJS.ProcessEnv): string {
  const text = `
    import { openDevice } from ${JSON.stringify(join(packageRoot(), 'dist/src/kernels/index.js'))};
    try {
      const device = openDevice({ threads: 1 });
      console.log(device.isa);
      await device.close();
    } catch (error) {
      console.log(error.message);
    }`;
  const { MINKE_ISA: _, MINKE_DEVICE: __, MINKE_ARITHMETIC: ___, ...rest } = process.env;
  const env = { ...rest, MINKE_NATIVE: folder, MINKE_TUNING: 'plain,2048,2', ...environment };
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
    env,
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  return stdout.trim();
}

describe('the choice', { skip: isa === undefined }, () => {
  const file = () => join(folder, 'machine.json');
  const readFile = () => JSON.parse(readFileSync(file(), 'utf8'));

  test('what was measured is kept, and decides from then on', () => {
    assert.equal(open({}), isa);
    assert.equal(readFile().cpu, cpu.cpu);
    const kept = { cpu: cpu.cpu, rates: { tiles: 0, pairs: 0, steps: 1 }, note: 'of others' };
    writeFileSync(file(), JSON.stringify(kept));
    open({});
    assert.deepEqual(readFile(), kept);
  });

  for (const [name, text] of [
    ['of another CPU', JSON.stringify({ cpu: 'AuthenticAMD', rates: { tiles: 9e9, pairs: 9e9, steps: 1 } })],
    ['damaged', '{"cpu":'],
    ['without rates', JSON.stringify({ cpu: cpu?.cpu })],
    ['with rates that are none', JSON.stringify({ cpu: cpu?.cpu, rates: { tiles: 'x', pairs: -1, steps: null } })],
    ['that is no object', 'null'],
  ])
    test(`a file ${name} is measured again`, () => {
      writeFileSync(file(), text as string);
      assert.equal(open({}), isa);
      const { tiles, pairs, steps } = readFile().rates;
      assert.deepEqual(
        [tiles > 0, pairs > 0, steps > 0],
        [cpu.rates.tiles > 0, cpu.rates.pairs > 0, cpu.rates.steps > 0],
      );
    });

  test('a tuning is measured once for each build, and kept', () => {
    rmSync(file(), { force: true });
    const { MINKE_TUNING: _, ...untuned } = process.env;
    const measured = () => {
      assert.equal(open({ MINKE_TUNING: undefined, ...untuned, MINKE_NATIVE: folder }), isa);
      return readFile().tunings[isa as string];
    };
    const first = measured();
    assert.match(first.tuning, /^(plain|streamed),\d+,[12]$/);
    const kept = { ...first, tuning: 'plain,1234,1' };
    writeFileSync(file(), JSON.stringify({ ...readFile(), tunings: { [isa as string]: kept } }));
    assert.deepEqual(measured(), kept);
    writeFileSync(file(), JSON.stringify({ ...readFile(), tunings: { [isa as string]: { ...kept, build: 'older' } } }));
    assert.notEqual(measured().tuning, 'plain,1234,1');
  });

  test('MINKE_ARITHMETIC opens the best build that computes so', () => {
    for (const kind of ['tiles', 'pairs', 'steps']) {
      const best = nativeIsas().find((each) => nativeArithmetic(each) === kind);
      if (best !== undefined) assert.equal(open({ MINKE_ARITHMETIC: kind }), best);
    }
  });

  test('builds have the arithmetic and lanes that stand for them', () => {
    for (const each of nativeIsas()) {
      const [name, lanes, , , arithmetic] = loadAddon(each).addon?.isa() ?? [];
      assert.equal(name, each);
      assert.equal(
        findSame([each], { device: 'native', isa: '', arithmetic: `${arithmetic}`, lanes: lanes ?? 0 }),
        each,
      );
    }
  });

  test('MINKE_ISA opens each build', () => {
    for (const each of nativeIsas()) assert.equal(open({ MINKE_ISA: each }), each);
  });

  test('what cannot be is refused in a sentence', () => {
    const refuse = (environment: Readonly<Record<string, string>>, message: RegExp) =>
      assert.match(open(environment), message);
    refuse({ MINKE_ARITHMETIC: 'fast' }, /^\[open\] MINKE_ARITHMETIC=fast is none of steps, pairs, tiles; correct or/);
    refuse({ MINKE_ARITHMETIC: 'tiles', MINKE_DEVICE: 'wasm' }, /^\[open\] MINKE_ARITHMETIC=tiles: WebAssembly has an/);
    refuse({ MINKE_ARITHMETIC: 'tiles', MINKE_ISA: 'neon' }, /: the instruction set that was chosen, neon, does not/);
    if (!cpu.isas.includes('avx512bf16'))
      refuse(
        { MINKE_ARITHMETIC: 'pairs' },
        /this machine runs none of its instruction sets, only .*; unset it, or choose/,
      );
    if (!cpu.isas.includes('amx'))
      refuse({ MINKE_ISA: 'amx' }, /^\[open\] this machine does not run amx.* \(it runs .*\)/);
  });

  test('the bits of other devices are found by arithmetic, or by name where another build is ahead', () => {
    const computation = { device: 'native', isa: 'amx', arithmetic: 'tiles', lanes: 16 };
    const hasAvx512 = cpu.isas.includes('avx512');
    assert.equal(howToCompute(computation), hasAvx512 ? 'MINKE_ARITHMETIC=tiles' : null);
    const narrow = { ...computation, isa: 'avx2', arithmetic: 'steps', lanes: 8 };
    if (hasAvx512) assert.equal(howToCompute(narrow), 'MINKE_ISA=avx2');
    assert.equal(howToCompute({ ...narrow, lanes: 2 }), null);
    assert.equal(howToCompute({ device: 'wasm', isa: 'simd128', arithmetic: 'steps', lanes: 4 }), 'MINKE_ISA=simd128');
    assert.ok(isSameComputation(computation, { ...computation, isa: 'tiles' }));
    assert.ok(!isSameComputation(computation, { ...computation, lanes: 8 }));
  });
});
