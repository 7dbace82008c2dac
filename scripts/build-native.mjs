// Builds the native kernels with whatever C++ compiler the machine has: no node-gyp, no header download.
//
//   node scripts/build-native.mjs              fails without a compiler
//   node scripts/build-native.mjs --optional   without one, prints a line: the kernels then run on WebAssembly
//   node scripts/build-native.mjs --asan       an AddressSanitizer build beside the normal one
//
// One object for each instruction set of this architecture, each cached under the hash of compiler, flags and sources,
// so that an unchanged tree builds nothing. The result is build/native/minke.node (minke.asan.node).
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildKey, isBuilt, markBuilt } from './cache.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, 'src/kernels/cpp');
const out = join(root, 'build/native');

const x86 = '-mfma -mf16c';
const avx512 = `-DMINKE_AVX512 ${x86} -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512`;
const isas = {
  x64: {
    avx512bf16: `${avx512} -DMINKE_BF16 -mavx512bf16 -mavx512vbmi -mavx512vnni`,
    avx512,
    avx2: `-DMINKE_AVX2 ${x86} -mavx2`,
  },
  arm64: { neon: '-DMINKE_NEON' },
}[process.arch];

function findCompiler() {
  for (const name of [process.env.CXX, 'g++', 'clang++', 'c++']) {
    if (!name) continue;
    const tried = spawnSync(name, ['--version'], { encoding: 'utf8' });
    if (tried.status === 0) return { name, version: tried.stdout.split('\n')[0] };
  }
  return null;
}

function objects(compiler, asan) {
  const common = [
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
  const include = createRequire(import.meta.url)('node-api-headers').include_dir;
  return [
    { name: 'napi', flags: [...common, '-DNAPI_VERSION=8', `-I${include}`], source: 'napi.cc' },
    { name: 'pool', flags: common, source: 'pool.cc' },
    ...Object.entries(isas).map(([isa, flags]) => ({
      name: isa,
      flags: [...common, `-DMINKE_ISA=${isa}`, `-DMINKE_ISA_NAME="${isa}"`, ...flags.split(' ')],
      source: 'isa.cc',
    })),
  ];
}

function run(command, args) {
  return new Promise((done) => {
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('close', (status) => done(status === 0));
    child.on('error', () => done(false));
  });
}

async function build(compiler, asan) {
  const target = join(out, asan ? 'minke.asan.node' : 'minke.node');
  const key = buildKey(sources, ['wasm.cc'], compiler.version, readFileSync(fileURLToPath(import.meta.url)));
  if (isBuilt([target], key)) return true;
  mkdirSync(out, { recursive: true });
  const started = Date.now();
  const aside = join(out, `${process.pid}`);
  mkdirSync(aside, { recursive: true });
  try {
    const parts = objects(compiler, asan).map((part) => ({ ...part, object: join(aside, `${part.name}.o`) }));
    const built = await Promise.all(
      parts.map((part) => run(compiler.name, [...part.flags, '-c', join(sources, part.source), '-o', part.object])),
    );
    if (built.includes(false)) return false;
    const linked = join(aside, 'minke.node');
    const shared = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];
    const runtime = process.platform === 'darwin' || asan ? [] : ['-static-libstdc++', '-static-libgcc'];
    const extra = asan ? ['-fsanitize=address'] : [];
    if (
      !(await run(compiler.name, [
        ...shared,
        '-pthread',
        ...extra,
        ...parts.map((part) => part.object),
        ...runtime,
        '-o',
        linked,
      ]))
    )
      return false;
    if (!asan) {
      const probe = spawnSync(process.execPath, ['-e', `process.dlopen({exports:{}}, ${JSON.stringify(linked)})`]);
      if (probe.status !== 0) return false;
    }
    renameSync(linked, target);
    markBuilt([target], key);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const kind = asan ? 'with AddressSanitizer ' : '';
  console.log(`[native] built ${kind}for ${Object.keys(isas).join(', ')} in ${seconds} s (${compiler.version})`);
  return true;
}

const optional = process.argv.includes('--optional');
const asan = process.argv.includes('--asan');
const compiler = isas && process.platform !== 'win32' ? findCompiler() : null;
if (!compiler) {
  const problem = isas ? 'no C++ compiler found' : `no native kernels for ${process.arch}`;
  console.log(`[native] ${problem}: the kernels run on WebAssembly`);
  if (!optional) process.exitCode = 1;
} else if (!(await build(compiler, asan))) {
  console.log('[native] the build failed (messages above): the kernels run on WebAssembly');
  if (!optional) process.exitCode = 1;
}
