// Builds the WebAssembly kernels with a compiler that is itself an npm package: nothing but Node is needed.
//
//   node scripts/build-wasm.mjs
//
// The sources of the native kernels, once with relaxed SIMD and once with plain SIMD128, in two processes side by side;
// each linked for shared memory (threads) and for memory of one thread. Cached under the hash of compiler, flags and
// sources. An installed package has the result and no compiler: then there is nothing to do.
import { fork } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildKey, isBuilt, markBuilt } from './cache.mjs';

const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));
const sources = join(root, 'src/kernels/cpp');
const out = join(root, 'build/wasm');

const isas = { 'relaxed-simd': ['-mrelaxed-simd'], simd128: [] };
const links = { '': ['--shared-memory'], '.single': [] };
const targets = Object.keys(isas).flatMap((isa) => Object.keys(links).map((kind) => join(out, `${isa}${kind}.wasm`)));

const compile = [
  '--target=wasm32-unknown-unknown',
  '-std=c++20',
  '-O3',
  '-msimd128',
  '-matomics',
  '-mbulk-memory',
  '-mnontrapping-fptoint',
  '-ffreestanding',
  '-nostdinc++', // the C headers of the compiler itself; libc++'s want a thread library
  '-fno-exceptions',
  '-fno-rtti',
  '-fvisibility=hidden',
  '-ffp-contract=off',
  '-Wall',
  '-Wextra',
  '-DMINKE_WASM',
  // Strength reduction turns the offsets of loads into additions of their own and reorders the loads: a 6 x 8 GEMM tile
  // then spills in V8 and falls from 58 to 27 GFLOP/s.
  '-mllvm',
  '-disable-lsr',
];
// The stack lies below the data, so that its overflow traps. Only the calls of the main thread use it.
const link = ['--no-entry', '--import-memory', '--max-memory=4294967296', '--stack-first', '-z', 'stack-size=65536'];
const exported = ['--export=__heap_base', '--export=__stack_pointer'];

async function buildIsa(isa, folder) {
  const { runLLVM } = await import('@yowasp/clang');
  const quiet = { fetchProgress() {} };
  const tree = Object.fromEntries(
    readdirSync(sources)
      .filter((file) => /\.(cc|h)$/.test(file))
      .map((file) => [file, readFileSync(join(sources, file), 'utf8')]),
  );
  const names = [`-DMINKE_ISA=${isa.replace('-', '_')}`, `-DMINKE_ISA_NAME="${isa}"`];
  const object = await runLLVM(
    ['clang++', ...compile, ...isas[isa], ...names, '-c', 'wasm.cc', '-o', 'k.o'],
    tree,
    quiet,
  );
  for (const [kind, memory] of Object.entries(links)) {
    const linked = await runLLVM(['wasm-ld', ...link, ...memory, ...exported, 'k.o', '-o', 'k.wasm'], object, quiet);
    writeFileSync(join(folder, `${isa}${kind}.wasm`), linked['k.wasm']);
  }
}

// V8 would spend twice as long on optimizing the compiler as the compiler needs for these sources.
const execArgv = ['--wasm-tiering-budget=100000000'];

function inProcess(isa, folder) {
  return new Promise((done) => {
    fork(script, [isa, folder], { execArgv }).on('close', (status) => done(status === 0));
  });
}

/** Sources that only native builds read. */
const nativeOnly = ['napi.cc', 'napi-machine.h', 'cpu.cc', 'cpu.h', 'cpu-rates.h'];

async function buildAll(version) {
  const key = buildKey(sources, nativeOnly, version, readFileSync(script));
  if (isBuilt(targets, key)) return true;
  const started = Date.now();
  const aside = join(out, `${process.pid}`);
  mkdirSync(aside, { recursive: true });
  try {
    const built = await Promise.all(Object.keys(isas).map((isa) => inProcess(isa, aside)));
    if (built.includes(false)) return false;
    for (const file of readdirSync(aside)) renameSync(join(aside, file), join(out, file));
    markBuilt(targets, key);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`[wasm] built for ${Object.keys(isas).join(', ')} in ${seconds} s (@yowasp/clang ${version})`);
  return true;
}

function compilerVersion() {
  try {
    const entry = createRequire(import.meta.url).resolve('@yowasp/clang');
    return JSON.parse(readFileSync(join(dirname(dirname(entry)), 'package.json'), 'utf8')).version;
  } catch {
    return null;
  }
}

const [isa, folder] = process.argv.slice(2);
if (isa) {
  await buildIsa(isa, folder);
} else {
  const version = compilerVersion();
  if (!version && !targets.every(existsSync)) {
    console.error('[wasm] no WebAssembly kernels and no compiler for them: npm install @yowasp/clang');
    process.exitCode = 1;
  } else if (version && !(await buildAll(version))) {
    console.error('[wasm] the build failed (messages above)');
    process.exitCode = 1;
  }
}
