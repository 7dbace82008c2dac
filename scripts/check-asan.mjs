// The kernel table under AddressSanitizer: every buffer its own allocation, so that a byte read or written beyond one
// ends the run. npm run check:asan
//
// Also proves each time that the check can fail: a command with a length one too large must be caught.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function stop(message) {
  console.error(`[asan] ${message}`);
  process.exit(1);
}

const build = spawnSync(process.execPath, [join(root, 'scripts/build-native.mjs'), '--asan'], { stdio: 'inherit' });
if (build.status !== 0) stop('needs g++ or clang++ with AddressSanitizer');

/** The runtime must be there before Node itself: it is not linked with it. */
function runtime() {
  for (const [compiler, library] of [
    [process.env.CXX ?? 'g++', 'libasan.so'],
    [process.env.CXX ?? 'clang++', `libclang_rt.asan-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so`],
  ]) {
    const found = spawnSync(compiler, [`-print-file-name=${library}`], { encoding: 'utf8' });
    const path = found.stdout?.trim();
    if (found.status === 0 && path.includes('/')) return path;
  }
  return stop('found no AddressSanitizer runtime beside the compiler');
}

const env = {
  ...process.env,
  LD_PRELOAD: runtime(),
  ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0:exitcode=99',
  MINKE_NATIVE: join(root, 'build/asan'),
  MINKE_EXACT_MEMORY: '1',
};

const beyond = `
  import { openDevice } from ${JSON.stringify(join(root, 'dist/src/kernels/index.js'))};
  const device = openDevice({ device: 'native' });
  const [a, b, out] = [0, 1, 2].map(() => device.alloc(7 * 4));
  device.run('add_f32', { a, b, out, n: 8 });
  await device.flush();
`;
const bad = spawnSync(process.execPath, ['--input-type=module', '-e', beyond], { env, encoding: 'utf8' });
if (!bad.stderr.includes('ERROR: AddressSanitizer')) stop(`an access out of bounds went unseen:\n${bad.stderr}`);
console.log('[asan] an access out of bounds is caught');

const words = process.argv.slice(2);
const { status } = spawnSync(
  process.execPath,
  [join(root, 'scripts/test.mjs'), ...(words.length > 0 ? words : ['kernels.test'])],
  {
    stdio: 'inherit',
    env,
  },
);
process.exit(status ?? 1);
