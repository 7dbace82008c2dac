// Compiles the native kernels for this machine where no install script did, which package managers block by default.
//
// Short work begins on WebAssembly at once while the compiler runs beside it, and later processes are native
// (compileBeside). Long work, whose every step would be slow, waits for the compiler (compileFirst). A failure is said
// once; a compiler that was installed since is tried again. scripts/build-native.mjs does the work.
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { setPriority, constants as system } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { nativeFolder, nativeProblems } from './addon.ts';
import { bestNativeIsa, cpuIsas } from './cpu.ts';
import { knownIsas } from './instruction-sets.ts';
import { packageRoot } from './root.ts';

export type Notice = (text: string) => void;

const script = (): string => join(packageRoot(), 'scripts/build-native.mjs');
const failureFile = (): string => join(nativeFolder(), 'failure.json');
const duration = 'about half a minute, once';

interface Failure {
  readonly problem: string;
  readonly isSaid?: boolean;
}

/** Whether a C++ compiler on the PATH was installed after a point of time, in ms. */
function hasCompilerSince(time: number): boolean {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const names = [process.env.CXX, 'g++', 'clang++', 'c++'].filter((name) => name !== undefined);
  const paths = names.flatMap((name) => folders.map((folder) => resolve(folder, name)));
  return paths.some((path) => (statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0) > time);
}

/** Why native kernels are missing, as far as a build has tried; null where nothing is known. */
export function nativeFailure(): string | null {
  return readFailure()?.problem ?? nativeProblems()[0] ?? null;
}

/** Returns why the last build failed, unless there is something new to try. */
function readFailure(): Failure | null {
  const file = failureFile();
  if (!existsSync(file) || hasCompilerSince(statSync(file).mtimeMs)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Failure;
  } catch {
    return null; // cut while it was written: the next build writes it again
  }
}

/** Whether there are native kernels for this kind of machine. */
const hasKernels = (): boolean => knownIsas.length > 0 && process.platform !== 'win32';

function isWritable(): boolean {
  try {
    mkdirSync(nativeFolder(), { recursive: true });
    accessSync(nativeFolder(), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function describeFallback(): string {
  const best = bestNativeIsa();
  return best === undefined ? 'WebAssembly computes, several times slower' : `${best} computes`;
}

function sayFailure(notice: Notice): void {
  const failure = readFailure();
  if (!failure || failure.isSaid) return;
  notice(`[native] ${describeFallback()}: ${failure.problem}; once that is repaired, minke doctor compiles again`);
  writeFileSync(failureFile(), JSON.stringify({ ...failure, isSaid: true }));
}

/** Whether something is missing that can be built here. Says why not, where a user can change it. */
function canCompile(notice: Notice, again: boolean): boolean {
  const isComplete = bestNativeIsa() !== undefined && bestNativeIsa() === cpuIsas()?.[0];
  if (isComplete || !hasKernels() || !existsSync(script())) return false;
  const [problem] = nativeProblems();
  if (problem !== undefined) {
    notice(`[native] ${describeFallback()}: ${problem}; remove the file, and minke doctor compiles it again`);
    return false;
  }
  if (!isWritable()) {
    notice(`[native] ${describeFallback()}: ${nativeFolder()} cannot be written; run npm rebuild minke as its owner`);
    return false;
  }
  if (again || readFailure() === null) return true;
  sayFailure(notice);
  return false;
}

let isBegun = false;

/** Begins to compile what this machine lacks, for later processes. Returns at once. */
export function compileBeside(notice: Notice): void {
  if (isBegun) return;
  isBegun = true;
  if (!canCompile(notice, false)) return;
  notice(`[native] compiling the native kernels in the background (${duration}); meanwhile ${describeFallback()}`);
  const child = spawn(process.execPath, [script()], { detached: true, stdio: 'ignore' });
  child.unref();
  child.on('error', ({ message }) => notice(`[native] ${describeFallback()}: ${message}`));
  child.on('exit', (status) => {
    if (status === 0) notice('[native] the native kernels are compiled; the next start uses them');
    else sayFailure(notice);
  });
  try {
    if (child.pid !== undefined) setPriority(child.pid, system.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // it has ended already
  }
}

export interface CompileOptions {
  readonly notice: Notice;
  /** Called every second with the seconds so far. */
  readonly waiting?: (seconds: number) => void;
  /** Whether to try again what failed before. @default false */
  readonly again?: boolean;
}

/** Compiles what this machine lacks and waits for it. Never rejects: what fails is said, and WebAssembly computes. */
export async function compileFirst({ notice, waiting, again = false }: CompileOptions): Promise<void> {
  isBegun = true;
  const { MINKE_DEVICE, MINKE_ISA, MINKE_ARITHMETIC } = process.env;
  if ((MINKE_DEVICE ?? MINKE_ISA ?? MINKE_ARITHMETIC) !== undefined) return; // compiled when it opens
  if (!canCompile(notice, again)) return;
  notice(`[native] compiling the native kernels first (${duration})`);
  const begun = Date.now();
  const timer = setInterval(() => waiting?.(Math.round((Date.now() - begun) / 1000)), 1000);
  const child = spawn(process.execPath, [script()], { stdio: 'ignore' });
  const status = await new Promise((done) => {
    child.on('error', () => done(null));
    child.on('exit', done);
  });
  clearInterval(timer);
  if (status === 0) notice(`[native] compiled in ${Math.round((Date.now() - begun) / 1000)} s`);
  else sayFailure(notice);
}

/** Compiles one instruction set, or the best, that the user has asked for by name, and blocks until it is done. */
export function compileNamed(isa: string | undefined, notice: Notice): void {
  if (!hasKernels() || !existsSync(script()) || !isWritable()) return;
  if (isa !== undefined && !(cpuIsas() ?? knownIsas).includes(isa)) return;
  notice(`[native] compiling the native kernels for ${isa ?? 'this machine'} (${duration})`);
  const { status, stdout } = spawnSync(process.execPath, [script(), ...(isa === undefined ? [] : [isa])], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  if (status !== 0) notice(stdout.trim());
}
