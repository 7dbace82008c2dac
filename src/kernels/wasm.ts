// The WebAssembly backend: the C++ kernels and the C++ pool, compiled to WebAssembly (cpp/wasm.cc).
//
// With SharedArrayBuffer (always in Node, in a browser under cross-origin isolation) every thread is a worker that runs
// its own instance of the module over one shared memory; idle workers sleep in memory.atomic.wait32, and the main
// thread, which never blocks, learns of completions through Atomics.waitAsync, or by messages where that is missing.
// Without SharedArrayBuffer a second link of the same code runs each list in a later turn of the event loop, on the
// caller's thread: the same numbers, but the loop is blocked meanwhile, so such a page opens its device in a worker.
// Everything that differs between Node and a browser is in WasmHost. Left out: memory beyond 4 GiB.
import type { Backend, Completed } from './backend.ts';
import { DeviceError } from './errors.ts';
import { checkSignatures } from './match.ts';
import type { PanelOrder } from './panel-layout.ts';
import { checkSizes } from './sizes.ts';
import { heapLimit, WasmHeap, type WasmMemory } from './wasm-heap.ts';

/** A compiled WebAssembly.Module; opaque. */
export type WasmModule = object;

/** The exports of cpp/wasm.cc. Addresses are numbers. */
export interface WasmExports {
  readonly __heap_base: { value: number };
  readonly __stack_pointer: { value: number };
  open(threads: number, alone: number): void;
  lanes(): number;
  panel_width(): number;
  panel_order(): number;
  max_jobs(): number;
  kernel_count(): number;
  kernel_name(i: number): number;
  kernel_signature(i: number): number;
  /** Missing in builds of earlier revisions. */
  size_count?(): number;
  size_name(i: number): number;
  size_value(i: number): number;
  scratch_bytes(): number;
  completions(): number;
  submit(words: number, count: number, id: number): number;
  stop(): void;
  work(scratch: number): void;
  run_one(scratch: number): void;
}

/** What a worker needs to become a thread of the pool. */
export interface ThreadStart {
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  /** First address above its stack. */
  readonly stack: number;
  readonly scratch: number;
  /** Whether it posts a message for each completion. */
  readonly posts: boolean;
}

export interface Thread {
  /** Whether it keeps the process alive. */
  hold(busy: boolean): void;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
}

type WaitAsync = (
  words: Int32Array,
  index: number,
  value: number,
) => { async: false } | { async: true; value: Promise<unknown> };

/** What differs between Node and a browser. */
export interface WasmHost {
  /** Whether memory can be shared with workers. */
  readonly shared: boolean;
  readonly waitAsync: WaitAsync | undefined;
  module(isa: string): WasmModule;
  memory(pages: number, maximum: number, shared: boolean): WasmMemory;
  instantiate(module: WasmModule, memory: WasmMemory, completed: () => void): WasmExports;
  startThread(start: ThreadStart, posted: () => void): Thread;
  /** Calls back in a later turn of the event loop, which stays alive until then. */
  later(run: () => void): void;
}

const initialPages = 64;
const maximumPages = 65536;
/** The smallest maximum worth opening: 128 MiB. */
const minimumPages = 2048;
const stackBytes = 2 ** 20;
const recordBytes = 6 * 8; // Completions::ring of cpp/wasm.cc

/** Delivers the completions that the pool has written to memory, in order. */
class CompletionReader {
  readonly #memory: WasmMemory;
  readonly #address: number;
  readonly #maxJobs: number;
  readonly #completed: Completed;
  #seen = 0;
  underWay = 0;

  constructor(memory: WasmMemory, exports: WasmExports, completed: Completed) {
    this.#memory = memory;
    this.#address = exports.completions();
    this.#maxJobs = exports.max_jobs();
    this.#completed = completed;
  }

  /** False when one more list could overwrite a completion that was not read yet. */
  get hasRoom(): boolean {
    return this.underWay < this.#maxJobs;
  }

  /** The counter of completions and the value it had when they were last read. */
  get counter(): { words: Int32Array; seen: number } {
    return { words: new Int32Array(this.#memory.buffer, this.#address, 1), seen: this.#seen };
  }

  deliver(): void {
    const count = Atomics.load(this.counter.words, 0);
    while (this.#seen !== count) {
      const slot = (this.#seen >>> 0) % this.#maxJobs;
      const [id, code, command, where, value, limit] = new Float64Array(
        this.#memory.buffer,
        this.#address + 8 + slot * recordBytes,
        6,
      ) as unknown as [number, number, number, number, number, number];
      this.#seen = (this.#seen + 1) | 0;
      this.underWay--;
      this.#completed(id, { code, command, where, value, limit });
    }
  }
}

type Runner = Pick<Backend, 'threads' | 'submit' | 'hold' | 'close'>;

interface Opened {
  readonly host: WasmHost;
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  readonly exports: WasmExports;
  readonly heap: WasmHeap;
  readonly reader: CompletionReader;
}

/** Lists run on workers. */
function runThreads({ host, module, memory, exports, heap, reader }: Opened, threads: number): Runner {
  const { waitAsync } = host;
  let waiting = false;
  const wait = () => {
    if (waiting || reader.underWay === 0 || !waitAsync) return;
    waiting = true;
    const { words, seen } = reader.counter;
    const outcome = waitAsync(words, 0, seen);
    const wake = () => {
      waiting = false;
      reader.deliver();
      wait();
    };
    if (outcome.async) void outcome.value.then(wake);
    else host.later(wake);
  };
  const started = Array.from({ length: threads }, () => {
    const block = heap.reserve(stackBytes + exports.scratch_bytes());
    if (block === 0) throw new DeviceError('open', `no memory for ${threads} threads`, 'choose fewer threads');
    const start = { module, memory, stack: block + stackBytes, scratch: block + stackBytes, posts: !waitAsync };
    return host.startThread(start, () => reader.deliver());
  });
  return {
    threads,
    submit(address, words, id) {
      if (!reader.hasRoom || !exports.submit(address, words, id)) return false;
      reader.underWay++;
      wait();
      return true;
    },
    hold: (busy) => started[0]?.hold(busy),
    async close() {
      exports.stop();
      for (const thread of started) thread.hold(true);
      await Promise.all(started.map((thread) => thread.ended));
    },
  };
}

/** Lists run on the caller's thread, one in each turn of the event loop. */
function runAlone({ host, exports, heap, reader }: Opened): Runner {
  const scratch = heap.reserve(exports.scratch_bytes());
  const waiting: [address: number, words: number, id: number][] = [];
  const runNext = () => {
    const next = waiting.shift();
    if (!next) return;
    exports.submit(...next);
    exports.run_one(scratch);
    reader.deliver();
    if (waiting.length > 0) host.later(runNext);
  };
  return {
    threads: 1,
    submit(...list) {
      reader.underWay++;
      if (waiting.push(list) === 1) host.later(runNext);
      return true;
    },
    hold() {},
    close() {},
  };
}

/** Makes the memory. Its maximum is reserved as addresses only; it is halved until the process's limits allow it. */
function makeMemory(host: WasmHost): WasmMemory {
  for (let pages = maximumPages; ; pages /= 2)
    try {
      return host.memory(initialPages, pages, host.shared);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (pages <= minimumPages)
        throw new DeviceError(
          'open',
          'no memory for WebAssembly',
          'raise the limit of this shell: ulimit -v unlimited',
        );
    }
}

export function openWasm(host: WasmHost, isa: string, threads: number, completed: Completed): Backend {
  const module = host.module(isa);
  const memory = makeMemory(host);
  const exports = host.instantiate(module, memory, () => {});
  exports.open(host.shared ? threads : 1, host.shared ? 0 : 1);
  const heap = new WasmHeap(memory, exports.__heap_base.value);
  const build = `the ${isa} build`;
  const sizes = Array.from({ length: exports.size_count?.() ?? 0 }, (_, i) => [
    heap.text(exports.size_name(i)),
    exports.size_value(i),
  ]);
  checkSizes(sizes.flat(), build);
  const listed = Array.from({ length: exports.kernel_count() }, (_, i) => [
    heap.text(exports.kernel_name(i)),
    heap.text(exports.kernel_signature(i)),
  ]);
  const kernelOrder = checkSignatures(listed.flat(), build);
  const opened = { host, module, memory, exports, heap, reader: new CompletionReader(memory, exports, completed) };
  return {
    name: 'wasm',
    isa,
    lanes: exports.lanes(),
    arithmetic: 'steps',
    panelLayout: { width: exports.panel_width(), order: heap.text(exports.panel_order()) as PanelOrder },
    memoryLimit: heapLimit,
    exactMemory: false,
    givesZeros: false,
    kernelOrder,
    reserve: (bytes) => heap.reserve(bytes),
    release: (address) => heap.release(address),
    copyIn: (address, data) => heap.copyIn(address, data),
    copyOut: (address, data) => heap.copyOut(address, data),
    ...(host.shared ? runThreads(opened, threads) : runAlone(opened)),
  };
}
