// What happens on the first use of a machine, with compilers of our own making: one that copies a ready build, one that
// fails, and none. npm test -- native-build
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { nativeFolder } from './addon.ts';
import { bestNativeIsa } from './cpu.ts';
import { packageRoot } from './root.ts';

const isa = bestNativeIsa();
const script = join(packageRoot(), 'scripts/build-native.mjs');
const kernels = join(packageRoot(), 'dist/src/kernels/index.js');

let folder: string;
let bare: string;

/** Writes a program that a shell runs. */
function writeProgram(name: string, lines: readonly string[]): string {
  const path = join(folder, `${name}.sh`);
  writeFileSync(path, ['#!/bin/sh', ...lines].join('\n'));
  chmodSync(path, 0o755);
  return path;
}

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'minke-native-'));
  bare = join(folder, 'bare'); // a PATH without any compiler
  mkdirSync(bare);
  symlinkSync(process.execPath, join(bare, 'node'));
  for (const tool of ['cp', 'chmod', 'sleep', 'touch']) {
    const { stdout } = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' });
    symlinkSync(stdout.trim(), join(bare, tool));
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** A compiler that takes a moment and leaves a trace of each object; what it links is the build of this machine. */
function copyingCompiler(): string {
  return writeProgram('copying', [
    'case "$1" in --version) echo "copying 1.0"; exit;; esac',
    'for last; do :; done',
    'case "$last" in',
    `*/cpu) printf '#!/bin/sh\\necho some CPU\\necho 0 0 1\\necho ${isa}\\necho avx2\\n' > "$last"; chmod +x "$last";;`,
    `*.node) echo linked >> "${folder}/links"; cp "${nativeFolder()}/${isa}.node" "$last";;`,
    '*) sleep 0.1; touch "$last";;',
    'esac',
  ]);
}

const failingCompiler = () =>
  writeProgram('failing', [
    'case "$1" in --version) echo "failing 1.0"; exit;; esac',
    'echo "x.cc:1: error: no such luck" >&2',
    'exit 1',
  ]);

function environment(name: string, compiler?: string): NodeJS.ProcessEnv {
  const { CXX: _, MINKE_DEVICE: __, MINKE_ISA: ___, ...rest } = process.env;
  return { ...rest, PATH: bare, MINKE_NATIVE: join(folder, name), ...(compiler && { CXX: compiler }) };
}

interface Opened {
  readonly device: string;
  readonly said: readonly string[];
}

/** Opens a device in a process of its own, which ends once the compiler has, if `waits`. */
function open(env: NodeJS.ProcessEnv, waits: boolean): Opened {
  const text = `
    import { openDevice } from ${JSON.stringify(kernels)};
    const said = [];
    const device = openDevice({ notice: (text) => said.push(text), threads: 1 });
    for (let i = 0; ${waits} && said.length < 2 && i < 800; i++) await new Promise((done) => setTimeout(done, 50));
    console.log(JSON.stringify({ device: device.name, said }));
    await device.close();`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
    env,
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !condition(); i++) await wait(25);
  assert.ok(condition());
}

describe('the first use', { skip: isa === undefined || process.platform === 'win32' }, () => {
  test('computes on WebAssembly at once and says that the compiler runs; the next process is native', async () => {
    const env = environment('first', copyingCompiler());
    const first = open(env, false);
    assert.equal(first.device, 'wasm');
    assert.equal(first.said.length, 1);
    assert.match(first.said[0], /^\[native\] compiling the native kernels in the background .*WebAssembly computes/);
    await until(() => existsSync(join(folder, 'first', `${isa}.node.key`)));
    assert.deepEqual(open(env, false), { device: 'native', said: [] });
  });

  test('a process that is still there hears of the end, and keeps its device', () => {
    const { device, said } = open(environment('heard', copyingCompiler()), true);
    assert.equal(device, 'wasm');
    assert.equal(said[1], '[native] the native kernels are compiled; the next start uses them');
  });

  test('a compiler that fails is named once with its reason, and is not run again', () => {
    const env = environment('failing', failingCompiler());
    const { device, said } = open(env, true);
    assert.equal(device, 'wasm');
    assert.match(said[1], /^\[native\] WebAssembly computes, .*x\.cc:1: error: no such luck; once that is repaired/);
    assert.deepEqual(open(env, false), { device: 'wasm', said: [] });
  });

  test('a compiler that came later is tried', () => {
    const { said } = open(environment('later'), true);
    assert.match(said[1], /no C\+\+ compiler found/);
    assert.match(open(environment('later', copyingCompiler()), true).said[1], /are compiled/);
  });

  test('what MINKE_DEVICE forces is compiled before it opens', () => {
    const { device, said } = open({ ...environment('forced', copyingCompiler()), MINKE_DEVICE: 'native' }, false);
    assert.equal(device, 'native');
    assert.match(said[0], /^\[native\] compiling the native kernels for this machine/);
  });

  test('processes that compile at once wait for each other: one links, and nothing is left over', async () => {
    const env = environment('crowd', copyingCompiler());
    rmSync(join(folder, 'links'), { force: true });
    mkdirSync(join(folder, 'crowd'));
    writeFileSync(join(folder, 'crowd', 'lock'), '999999999'); // of a process that is gone
    const codes = Array.from({ length: 4 }, () => {
      const child = spawn(process.execPath, [script], { env, stdio: 'ignore' });
      return new Promise((done) => child.on('close', done));
    });
    assert.deepEqual(await Promise.all(codes), [0, 0, 0, 0]);
    const { stdout } = spawnSync('cat', [join(folder, 'links')], { encoding: 'utf8' });
    assert.equal(stdout, 'linked\n');
    assert.deepEqual(readdirSync(join(folder, 'crowd')).sort(), [`${isa}.node`, `${isa}.node.key`, 'machine.json']);
  });

  test('a folder that cannot be written is named', () => {
    writeFileSync(join(folder, 'file'), '');
    const { device, said } = open(environment('file/build', copyingCompiler()), false);
    assert.equal(device, 'wasm');
    assert.match(said[0], /build cannot be written; run npm rebuild minke as its owner$/);
  });
});
