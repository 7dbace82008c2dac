// WebAssembly in Node: where the builds are, which of them this V8 accepts, and worker threads.
//
// Relaxed SIMD needs a flag in Node 20, which can still be set while the process runs. Newer versions have it on and
// warn about the flag, so a build is validated first.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { assert, DeviceError } from './errors.ts';
import { packageRoot } from './root.ts';
import type { ThreadStart, WasmExports, WasmHost, WasmModule } from './wasm.ts';
import type { WasmMemory } from './wasm-heap.ts';

/** The part of the global WebAssembly that is used; the lib of Node has no types for it. */
interface WebAssemblyApi {
  validate(bytes: Uint8Array): boolean;
  Module: new (bytes: Uint8Array) => WasmModule;
  Memory: new (limits: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  Instance: new (module: WasmModule, imports: object) => { readonly exports: unknown };
}

const api = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

/** Best first. */
const isas = ['relaxed-simd', 'simd128'];

function buildPath(isa: string, shared: boolean): string {
  return join(packageRoot(), 'build/wasm', `${isa}${shared ? '' : '.single'}.wasm`);
}

function takes(bytes: Uint8Array, isa: string): boolean {
  if (!api.validate(bytes) && isa === 'relaxed-simd') setFlagsFromString('--experimental-wasm-relaxed-simd');
  return api.validate(bytes);
}

let found: string[] | undefined;

/** Instruction sets of the WebAssembly builds that this V8 can run, best first. */
export function wasmIsas(): string[] {
  found ??= isas.filter((isa) => existsSync(buildPath(isa, true)) && takes(readFileSync(buildPath(isa, true)), isa));
  return found;
}

const compiled = new Map<string, WasmModule>();

function compile(isa: string, shared: boolean): WasmModule {
  if (!wasmIsas().includes(isa)) {
    const have = wasmIsas().join(', ') || 'none: npm run build';
    throw new DeviceError('open', `no WebAssembly build for ${isa} here (${have})`, 'unset MINKE_ISA, or choose one');
  }
  const path = buildPath(isa, shared);
  const known = compiled.get(path) ?? new api.Module(readFileSync(path));
  compiled.set(path, known);
  return known;
}

/** An instance of a build over a memory. `completed` is called by whichever thread finishes a list. */
export function instantiate(module: WasmModule, memory: WasmMemory, completed: () => void): WasmExports {
  return new api.Instance(module, { env: { memory, completed } }).exports as WasmExports;
}

function startThread(start: ThreadStart, posted: () => void): ReturnType<WasmHost['startThread']> {
  const file = import.meta.url.replace(/wasm-node(\.[jt]s)$/, 'wasm-worker$1');
  // None of the process's own flags: they may hold for its main script only, and Node 26 refuses many for a thread.
  const worker = new Worker(new URL(file), { workerData: start, execArgv: [] });
  worker.on('message', posted);
  worker.on('error', (error: Error) => assert(false, `a WebAssembly thread died: ${error.stack}`));
  const ended = new Promise<void>((done) => worker.on('exit', () => done()));
  worker.unref();
  return {
    ended,
    hold(busy) {
      if (busy) worker.ref();
      else worker.unref();
    },
  };
}

export interface NodeHostOptions {
  /** @default true */
  shared?: boolean;
  /** Learn about completions without messages. @default true where this V8 can */
  waitAsync?: boolean;
}

/** The host for Node. `options` are for tests: they choose what a browser without isolation or an old V8 would get. */
export function nodeHost(options: NodeHostOptions = {}): WasmHost {
  const { waitAsync } = Atomics as { waitAsync?: WasmHost['waitAsync'] };
  const shared = options.shared ?? true;
  return {
    shared,
    waitAsync: (options.waitAsync ?? true) ? waitAsync : undefined,
    module: (isa) => compile(isa, shared),
    memory: (initial, maximum, isShared) => new api.Memory({ initial, maximum, shared: isShared }),
    instantiate,
    startThread,
    later: (run) => void setImmediate(run),
  };
}
