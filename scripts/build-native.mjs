// Builds the native kernels with whatever C++ compiler the machine has: no node-gyp, no header download.
//
//   node scripts/build-native.mjs              for the best instruction set that this machine runs
//   node scripts/build-native.mjs avx2         for one that is named
//   node scripts/build-native.mjs --all        for all that this machine runs, as tests need
//   node scripts/build-native.mjs --optional   ends with status 0 without a compiler: the kernels run on WebAssembly
//   node scripts/build-native.mjs --asan       all, with AddressSanitizer, in build/asan
//
// The results are build/native/<instruction set>.node (MINKE_NATIVE names another folder), each under the hash of
// compiler, flags and sources. Processes that build at once wait for each other.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildKey, isBuilt, markBuilt } from './cache.mjs';

const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));
const sources = join(root, 'src/kernels/cpp');
const words = process.argv.slice(2);
const named = words.filter((word) => !word.startsWith('--'));
const asan = words.includes('--asan');
const isOptional = words.includes('--optional');
const out = asan ? join(root, 'build/asan') : (process.env.MINKE_NATIVE ?? join(root, 'build/native'));
const failure = join(out, 'failure.json');
/** What was measured on this machine; see src/kernels/cpu.ts. */
const machine = join(out, 'machine.json');

const x86 = '-mfma -mf16c';
const avx512 = `-DMINKE_AVX512 ${x86} -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512`;
const isaFlags = {
  amx: `${avx512} -DMINKE_TILES -DMINKE_AMX -mamx-tile -mamx-bf16 -mavx512bf16 -mavx512vbmi -mavx512vnni`,
  avx512bf16: `${avx512} -DMINKE_BF16 -mavx512bf16 -mavx512vbmi -mavx512vnni`,
  avx512,
  avx2: `-DMINKE_AVX2 ${x86} -mavx2`,
  // Software for audits and tests: a third of the time to compile, and the bits are those of any level.
  tiles: `${avx512} -DMINKE_TILES -O1`,
  neon: '-DMINKE_NEON',
};
/** The sources with kernels, the slowest to compile first. */
const kernelSources = ['isa', 'attention-backward', 'attention', 'head-pages', 'gemm', 'gemm-groups', 'gemm-blocks'];

/** Ends the build with a sentence. */
class BuildError extends Error {}

function findCompiler() {
  if (process.platform === 'win32' || !['x64', 'arm64'].includes(process.arch))
    throw new BuildError(`there are no native kernels for ${process.platform} ${process.arch}`);
  for (const name of [process.env.CXX, 'g++', 'clang++', 'c++']) {
    if (!name) continue;
    const tried = spawnSync(name, ['--version'], { encoding: 'utf8' });
    if (tried.status === 0) return { name, version: tried.stdout.split('\n')[0] };
  }
  throw new BuildError('no C++ compiler found');
}

/** Runs a command. What it says is shown, and the first error of it is the reason if it fails. */
async function run(command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'pipe'] });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  const status = await new Promise((done) => {
    child.on('close', done);
    child.on('error', (error) => {
      text += error.message;
      done(null);
    });
  });
  process.stderr.write(text);
  if (status === 0) return;
  const lines = text.trim().split('\n');
  throw new BuildError(`${command}: ${lines.find((line) => /error/i.test(line)) ?? lines[0] ?? `status ${status}`}`);
}

/** Returns what was measured on this CPU before, as arguments of the program that finds out. */
function readRates(cpu) {
  try {
    const { cpu: known, rates } = JSON.parse(readFileSync(machine, 'utf8'));
    return known === cpu ? [rates.tiles, rates.pairs, rates.steps].map(String) : null;
  } catch {
    return null; // none, or damaged: measured again
  }
}

/** Returns the instruction sets that this machine runs, best first: always the same, so what was measured is kept. */
async function findIsas(compiler, folder) {
  if (process.arch === 'arm64') return ['neon'];
  const program = join(folder, 'cpu');
  await run(compiler.name, ['-std=c++20', '-O1', join(sources, 'cpu.cc'), '-o', program]);
  const ask = (...rates) => spawnSync(program, rates, { encoding: 'utf8' }).stdout.trim().split('\n');
  const [cpu, measured, ...isas] = ask();
  const known = readRates(cpu);
  if (known) return ask(...known).slice(2);
  const [tiles, pairs, steps] = measured.split(' ').map(Number);
  writeFileSync(join(folder, 'machine.json'), `${JSON.stringify({ cpu, rates: { tiles, pairs, steps } }, null, 2)}\n`);
  renameSync(join(folder, 'machine.json'), machine);
  return isas;
}

function chooseIsas(found) {
  if (asan || words.includes('--all')) return found;
  const strange = named.find((isa) => !found.includes(isa));
  if (strange !== undefined) throw new BuildError(`this machine does not run ${strange}, only ${found.join(', ')}`);
  return named.length > 0 ? named : found.slice(0, 1);
}

function commonFlags(compiler) {
  return [
    '-std=c++20',
    asan ? '-O1' : '-O3',
    '-fPIC',
    '-fvisibility=hidden',
    '-fno-exceptions',
    '-fno-rtti',
    '-ffp-contract=off',
    '-pthread',
    '-Wall',
    '-Wextra',
    // g++ 12 believes that its own AVX-512 intrinsics read uninitialized registers (GCC bug 105593).
    ...(compiler.version.includes('clang') ? [] : ['-Wno-maybe-uninitialized', '-Wno-uninitialized']),
    ...(asan ? ['-fsanitize=address', '-fno-omit-frame-pointer', '-g'] : []),
  ];
}

/** Returns what is compiled: the objects of each instruction set, and those that all share. */
function listObjects(compiler, isas) {
  const common = commonFlags(compiler);
  const include = createRequire(import.meta.url)('node-api-headers').include_dir;
  const kernels = kernelSources.flatMap((source) =>
    isas.map((isa) => {
      const flags = [...common, `-DMINKE_ISA=${isa}`, `-DMINKE_ISA_NAME="${isa}"`, ...isaFlags[isa].split(' ')];
      return { source: `${source}.cc`, object: `${isa}-${source}.o`, flags };
    }),
  );
  return [
    ...kernels,
    { source: 'napi.cc', object: 'napi.o', flags: [...common, '-DNAPI_VERSION=8', `-I${include}`] },
    { source: 'pool.cc', object: 'pool.o', flags: common },
  ];
}

/** Compiles on all cores. After the first error nothing more is begun. */
async function compile(compiler, objects, folder) {
  const waiting = [...objects];
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift())
      await run(compiler.name, [...next.flags, '-c', join(sources, next.source), '-o', join(folder, next.object)]);
  };
  const workers = Array.from({ length: availableParallelism() }, () =>
    work().finally(() => {
      waiting.length = 0;
    }),
  );
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
}

async function link(compiler, isa, folder) {
  const isMac = process.platform === 'darwin';
  const shared = isMac ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];
  const runtime = isMac || asan ? [] : ['-static-libstdc++', '-static-libgcc'];
  const extra = asan ? ['-fsanitize=address'] : [];
  const objects = [...kernelSources.map((source) => `${isa}-${source}`), 'napi', 'pool'];
  const linked = join(folder, `${isa}.node`);
  const inputs = objects.map((name) => join(folder, `${name}.o`));
  await run(compiler.name, [...shared, '-pthread', ...extra, ...inputs, ...runtime, '-o', linked]);
  if (asan) return;
  const probe = ['-e', `process.dlopen({exports:{}}, ${JSON.stringify(linked)})`];
  const { status, stderr } = spawnSync(process.execPath, probe, { encoding: 'utf8' });
  const reason = /^Error: (.*)$/m.exec(stderr)?.[1] ?? `status ${status}`;
  if (status !== 0) throw new BuildError(`the built kernels cannot be loaded: ${reason}`);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Creates a file that names this process. Returns false where it exists. */
function claim(file) {
  try {
    writeFileSync(file, `${process.pid}`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Returns the process that a file names; 0 for none. */
function readHolder(file) {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return 0;
    throw error;
  }
}

/** Removes the lock of a process that is gone. Only who has the claim on it may, so no newer lock is removed. */
function removeStale(file, holder) {
  const takeover = `${file}.${holder}`;
  if (!claim(takeover)) return;
  if (readHolder(file) === holder) rmSync(file);
  rmSync(takeover);
}

const maxWaitMs = 600_000;

/**
 * Waits until no other process builds, and takes the lock. After ten minutes it builds without: two builders have
 * folders of their own and replace files whole, so that only time is lost.
 */
async function lock() {
  mkdirSync(out, { recursive: true });
  const file = join(out, 'lock');
  for (const end = Date.now() + maxWaitMs; Date.now() < end; await wait(100)) {
    if (claim(file)) return () => rmSync(file, { force: true });
    const holder = readHolder(file);
    if (holder > 0 && !isAlive(holder)) removeStale(file, holder);
  }
  return () => {};
}

function makeFolder() {
  for (const name of readdirSync(out))
    if (/^\d+$/.test(name) && !isAlive(Number(name))) rmSync(join(out, name), { recursive: true, force: true });
  const folder = join(out, `${process.pid}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

async function build(compiler) {
  const started = Date.now();
  const folder = makeFolder();
  try {
    const isas = chooseIsas(await findIsas(compiler, folder));
    const key = buildKey(sources, ['wasm.cc'], compiler.version, readFileSync(script));
    const missing = isas.filter((isa) => !isBuilt([join(out, `${isa}.node`)], key));
    if (missing.length === 0) return;
    await compile(compiler, listObjects(compiler, missing), folder);
    for (const isa of missing) {
      await link(compiler, isa, folder);
      renameSync(join(folder, `${isa}.node`), join(out, `${isa}.node`));
      markBuilt([join(out, `${isa}.node`)], key);
    }
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    const kind = asan ? 'with AddressSanitizer ' : '';
    console.log(`[native] built ${kind}for ${missing.join(', ')} in ${seconds} s (${compiler.version})`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report({ message }) {
  console.log(`[native] ${message}${named.length > 0 ? '' : ': the kernels run on WebAssembly'}`);
  if (!isOptional) process.exitCode = 1;
  if (named.length > 0 || asan) return;
  try {
    mkdirSync(out, { recursive: true });
    writeFileSync(failure, JSON.stringify({ problem: message }));
  } catch {
    // A folder that cannot be written: the next process finds out by itself.
  }
}

let unlock = () => {};
try {
  const compiler = findCompiler();
  unlock = await lock();
  await build(compiler);
  rmSync(failure, { force: true });
} catch (error) {
  if (!(error instanceof BuildError || error.syscall)) throw error;
  report(error);
} finally {
  unlock();
}
