// Everything a fresh clone needs, each part only when it is missing or stale: packages by the lock file, the native
// kernels (when there is a compiler), the WebAssembly kernels, the compiled TypeScript, the app. Prints only what it
// does.
//
//   node scripts/setup.mjs         everything
//   node scripts/setup.mjs --run   what this machine runs: no WebAssembly beside native kernels
//   node scripts/setup.mjs --fast  what the fast tests need: no WebAssembly beside native kernels, and no app
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`minke needs Node 20.19 or newer, this is ${process.version}`);
  process.exit(1);
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) process.exit(status ?? 1);
}

const stamp = 'node_modules/.minke-lock';
const lock = readFileSync('package-lock.json', 'utf8');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  console.log('[setup] installing packages');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, lock);
}
run(process.execPath, ['scripts/build-native.mjs', '--optional']);
const isFast = process.argv.includes('--fast');
if (!(isFast || process.argv.includes('--run')) || !existsSync('build/native/minke.node'))
  run(process.execPath, ['scripts/build-wasm.mjs']);
run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.']);
run(process.execPath, ['scripts/sweep.mjs']);
if (!isFast) run(process.execPath, ['scripts/build-web.mjs']);
