// Everything a fresh clone needs, each part only when it is missing or stale: packages by the lock file, the native
// kernels (when there is a compiler), the WebAssembly kernels, the compiled TypeScript, the app. Prints only what it
// does.
//
//   node scripts/setup.mjs         everything, with native kernels for each instruction set that this machine runs
//   node scripts/setup.mjs --run   what this machine runs: no WebAssembly beside native kernels
//   node scripts/setup.mjs --fast  what the fast tests need: no WebAssembly beside native kernels, and no app
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
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

/** Runs a script of this folder beside others. */
function begin(...args) {
  return new Promise((resolve) => {
    spawn(process.execPath, args, { stdio: 'inherit' }).on('close', (status) => {
      if (status !== 0) process.exit(status ?? 1);
      resolve();
    });
  });
}

/** Whether node_modules holds what the lock file names. npm writes down what it has installed, when it is done. */
function isInstalled() {
  const record = 'node_modules/.package-lock.json';
  if (!existsSync(record)) return false;
  const [installed, locked] = [record, 'package-lock.json'].map((file) => JSON.parse(readFileSync(file)).packages);
  return Object.entries(locked).every(
    ([path, { integrity, optional }]) => path === '' || optional || installed[path]?.integrity === integrity,
  );
}

if (!isInstalled()) {
  console.log('[setup] installing packages');
  // The only install script is our own, and its build follows.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
}
const isFast = process.argv.includes('--fast');
const isRun = process.argv.includes('--run');
const compiled = begin('node_modules/typescript/bin/tsc', '-p', '.').then(() => begin('scripts/sweep.mjs'));
const native = begin('scripts/build-native.mjs', '--optional', ...(isRun || isFast ? [] : ['--all']));
if (isRun || isFast) await native; // WebAssembly is needed only where nothing native came out
const hasNative = existsSync('build/native') && readdirSync('build/native').some((file) => file.endsWith('.node'));
const wasm = (isRun || isFast) && hasNative ? null : begin('scripts/build-wasm.mjs');
await compiled;
if (!isFast) await begin('scripts/build-web.mjs');
await Promise.all([native, wasm]);
