// The device: a command queue over some memory. Ops append commands and return at once; reading is the only wait.
//
// run() appends [kernel, count, words...] to the open list; flush() copies the list into device
// memory and submits it; the backend runs lists in order off the event loop and reports the end or fault of each.
// Memory that only commands touch is freed in stream order (arena.ts). Data enters and leaves through staging blocks,
// so that a pending command never sees a value written later. Left out: several queues, events between them.
import { Arena } from './arena.ts';
import type { Arithmetic } from './arithmetic.ts';
import type { Backend, Completed, DeviceName } from './backend.ts';
import { Buffer, Mapping } from './buffer.ts';
import { CommandList, createEncoder, type Encoder } from './command-list.ts';
import type { Data } from './dtype.ts';
import { assert, DeviceError, DisposedError, type MinkeError, ValueError } from './errors.ts';
import { explainFault } from './fault.ts';
import type { Computation } from './instruction-sets.ts';
import { type Fault, faultCode, isAddress, wordParameters } from './kernel.ts';
import type { PanelLayout } from './panel-layout.ts';
import { PlannedMemory } from './planned-memory.ts';
import { Recording } from './recording.ts';
import { MemoryBudget } from './reservations.ts';
import { SharedMemory } from './shared-memory.ts';
import { type CallArguments, type KernelName, kernels } from './table.ts';

export { Buffer } from './buffer.ts';

interface Job {
  readonly address: number;
  readonly words: number;
  readonly done: () => void;
}

/** Words after which an open list is submitted without flush(), so that work starts while encoding continues. */
const flushWords = 8192;

/** Unused memory that an idle device keeps for the next step: so much, and a share of what is in use. */
const keptBytes = 64 * 2 ** 20;
const keptShare = 1 / 16;
const keptStagingBytes = 16 * 2 ** 20;

export class Device {
  readonly #backend: Backend;
  readonly #memory: Arena;
  readonly #staging: Arena;
  readonly #budget: MemoryBudget;
  readonly #encoders: ReadonlyMap<KernelName, Encoder>;
  readonly #open = new CommandList();
  readonly #jobs = new Map<number, Job>();
  readonly #waiting: number[] = [];
  #recording: Recording | null = null;
  #list = this.#open;
  #nextId = 1;
  #fault: MinkeError | null = null;
  #closed = false;
  #closing: Promise<void> | null = null;

  constructor(open: (completed: Completed) => Backend, memoryLimit: number) {
    this.#backend = open((id, fault) => this.#completed(id, fault));
    this.#budget = new MemoryBudget(Math.min(memoryLimit, this.#backend.memoryLimit), () => this.#trim());
    this.#memory = new Arena(this.#backend, this.#budget, this.#backend.exactMemory);
    this.#staging = new Arena(this.#backend, this.#budget, this.#backend.exactMemory);
    const encoders = this.#backend.kernelOrder.map((name, number) => {
      const { parameters } = kernels[name];
      return [name, createEncoder(name, number, parameters)] as const;
    });
    this.#encoders = new Map(encoders);
  }

  get name(): DeviceName {
    return this.#backend.name;
  }

  get isa(): string {
    return this.#backend.isa;
  }

  /** The arithmetic of bf16 and FP8 products; the reference may compute exactly. */
  get arithmetic(): Arithmetic | 'exact' {
    return this.#backend.arithmetic;
  }

  /** What decides the bits of results. */
  get computation(): Computation {
    const { name, isa, arithmetic, lanes } = this.#backend;
    return { device: name, isa, arithmetic, lanes };
  }

  get threads(): number {
    return this.#backend.threads;
  }

  /** How weights are read, as MINKE_TUNING writes it; null where there is no choice. It changes no bits. */
  get tuning(): string | null {
    return this.#backend.tuning ?? null;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get lanes(): number {
    return this.#backend.lanes;
  }

  /** Output columns of a weight panel. */
  get panelWidth(): number {
    return this.#backend.panelLayout.width;
  }

  /** The layout of packed weights in memory. */
  get panelLayout(): PanelLayout {
    return this.#backend.panelLayout;
  }

  /** Bytes of live buffers, rounded to their size classes, without recordings. */
  get liveBytes(): number {
    return this.#memory.liveBytes;
  }

  /** Bytes reserved from the system, and their limit. */
  get memory(): { reserved: number; limit: number } {
    return { reserved: this.#budget.used, limit: this.#budget.limit };
  }

  alloc(bytes: number, op = 'alloc'): Buffer {
    if (this.#closed) this.#refuseWhenClosed(op);
    const planned = this.#recording?.memory.take(this, bytes);
    return planned ?? new Buffer(this, this.#memory, this.#memory.alloc(bytes, op), bytes);
  }

  /** Allocates memory that is zeros, in queue order. */
  allocZeros(bytes: number, op = 'alloc'): Buffer {
    if (this.#closed) this.#refuseWhenClosed(op);
    const clear = (address: number) => this.run('zero_bytes', { to: address, n: bytes });
    if (!this.#recording) return new Buffer(this, this.#memory, this.#memory.allocZeros(bytes, op, clear), bytes);
    const buffer = this.alloc(bytes, op);
    clear(buffer.address); // in every replay
    return buffer;
  }

  /**
   * Maps the first `bytes` of an open file into device memory without reading them; null where the device or the file
   * cannot. `fd` may be closed afterwards. Throws DeviceError when the file is shorter.
   */
  map(fd: number, bytes: number): Mapping | null {
    if (this.#closed) this.#refuseWhenClosed('map');
    const address = this.#backend.mapFile?.(fd, bytes) ?? 0;
    return address === 0 ? null : new Mapping(this, address, bytes, (mapped) => this.#unmap(mapped));
  }

  /**
   * Appends one command: a kernel with its arguments by name. The caller has checked the shapes. Throws ValueError when
   * an argument is missing.
   */
  run<Name extends KernelName>(kernel: Name, args: CallArguments<Name>): void {
    const list = this.#list;
    const encode = this.#encoders.get(kernel);
    if (!encode) throw new DeviceError(kernel, 'no kernel has this name', 'choose one of kernelNames');
    encode(list, args);
    if (list.length > flushWords && list === this.#open) this.#submitOpen();
  }

  /** Copies data into a buffer, in queue order. */
  write(buffer: Buffer, data: Data, offsetBytes = 0): void {
    this.#check(buffer, offsetBytes, data.byteLength, 'write');
    this.#refuseWhileRecording('write');
    if (data.byteLength === 0) return;
    if (this.#jobs.size === 0 && this.#open.length === 0) {
      this.#backend.copyIn(buffer.address + offsetBytes, data);
      return;
    }
    const stage = this.#staging.alloc(data.byteLength, 'write');
    this.#backend.copyIn(stage, data);
    this.run('copy_bytes', { from: stage, to: buffer.address + offsetBytes, n: data.byteLength });
    this.#submitOpen(() => this.#staging.free(stage, data.byteLength));
  }

  /** Fills `data` from a buffer, after everything encoded so far. Rejects with the first fault since the last read. */
  async read<T extends Data>(buffer: Buffer, data: T, offsetBytes = 0): Promise<T> {
    this.#check(buffer, offsetBytes, data.byteLength, 'read');
    this.#refuseWhileRecording('read');
    const stage = this.#staging.alloc(data.byteLength, 'read');
    try {
      if (data.byteLength > 0)
        this.run('copy_bytes', { from: buffer.address + offsetBytes, to: stage, n: data.byteLength });
      await this.flush();
      this.#backend.copyOut(stage, data);
    } finally {
      this.#staging.free(stage, data.byteLength);
    }
    return data;
  }

  /** Submits the open list; resolves when all has run. Rejects with the first fault since the last report. */
  flush(): Promise<void> {
    this.#refuseWhileRecording('flush');
    return new Promise((resolve, reject) => {
      const settle = () => {
        const fault = this.#fault;
        this.#fault = null;
        if (fault) reject(fault);
        else resolve();
      };
      this.#afterAll(settle);
    });
  }

  /**
   * Records the commands that `body` encodes instead of running them. Memory taken meanwhile belongs to the recording,
   * so that what runs between two replays cannot disturb it, or to `shared`. `inputs` are the buffers that bind() may
   * replace.
   */
  record<T>(
    inputs: readonly Buffer[],
    body: () => T,
    shared: SharedMemory | null = null,
  ): { recording: Recording; result: T } {
    this.#refuseWhileRecording('record');
    const list = new CommandList();
    const memory = new PlannedMemory(this.#backend, this.#budget, () => list.commands, shared);
    const recording = new Recording(this, memory, inputs);
    this.#recording = recording;
    this.#list = list;
    try {
      const result = body();
      recording.seal(list.words.slice(0, list.length), list.commands);
      return { recording, result };
    } catch (error) {
      recording.memory.dispose();
      throw error;
    } finally {
      this.#recording = null;
      this.#list = this.#open;
    }
  }

  /** Opens memory for recordings of which one runs at a time. Its owner disposes it after them. */
  shareMemory(): SharedMemory {
    return new SharedMemory(this.#backend, this.#budget, (done) => {
      this.#refuseWhenClosed('record');
      this.#afterAll(done);
    });
  }

  /** Runs a recording's block after everything encoded so far. For Recording only. */
  submitBlock(address: number, words: number, done: () => void): void {
    this.#refuseWhileRecording('replay');
    if (this.#open.length > 0) this.#submitOpen();
    this.#submit({ address, words, done });
  }

  /** Host-visible memory for a recording's words. For Recording only. */
  stage(data: Float64Array, address = this.#staging.alloc(data.byteLength, 'record')): number {
    this.#backend.copyIn(address, data);
    return address;
  }

  unstage(address: number, bytes: number): void {
    this.#staging.free(address, bytes);
  }

  /** Which words of a kernel's command with `count` words are addresses. For Recording only. */
  addressWords(kernel: number, count: number): boolean[] {
    return wordParameters(kernels[this.#backend.kernelOrder[kernel]].parameters, count)?.map(isAddress) ?? [];
  }

  /** Waits for work in flight, then gives threads and memory back. Rejects with a fault not yet reported. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const done = this.flush();
    this.#closed = true;
    try {
      await done;
    } finally {
      this.#memory.dispose();
      this.#staging.dispose();
      await this.#backend.close();
    }
  }

  #check(buffer: Buffer, offset: number, bytes: number, op: string): void {
    this.#refuseWhenClosed(op);
    if (buffer.freed) throw new DisposedError(op, 'the buffer was freed', 'read it before its scope ends, or keep it');
    if (buffer.device !== this)
      throw new DeviceError(op, 'the buffer belongs to another device', 'copy it over with read and write');
    if (offset < 0 || offset + bytes > buffer.bytes)
      throw new ValueError(
        op,
        `bytes ${offset} to ${offset + bytes} of a buffer of ${buffer.bytes} bytes`,
        'stay inside the buffer',
      );
  }

  #refuseWhenClosed(op: string): void {
    if (this.#closed) throw new DeviceError(op, 'the device is closed', 'open a new one');
  }

  #refuseWhileRecording(op: string): void {
    this.#refuseWhenClosed(op);
    if (this.#recording)
      throw new DeviceError(op, 'not possible while a list is being recorded', 'move it out of the recorded function');
  }

  #submitOpen(done: () => void = () => {}): void {
    this.#refuseWhenClosed('submit');
    const words = this.#open.words.subarray(0, this.#open.length);
    const address = this.#staging.alloc(words.byteLength, 'submit');
    this.#backend.copyIn(address, words);
    this.#open.clear();
    const bytes = words.byteLength;
    this.#submit({
      address,
      words: words.length,
      done: () => {
        this.#staging.free(address, bytes);
        done();
      },
    });
  }

  #submit(job: Job): void {
    const id = this.#nextId++;
    if (this.#jobs.size === 0) this.#backend.hold(true);
    this.#jobs.set(id, job);
    if (this.#waiting.length > 0 || !this.#backend.submit(job.address, job.words, id)) this.#waiting.push(id);
  }

  /** Calls back when everything encoded so far has run; at once when nothing is in flight. */
  #afterAll(done: () => void): void {
    if (this.#open.length > 0) this.#submitOpen(done);
    else if (this.#jobs.size > 0) this.#onLastDone(done);
    else done();
  }

  /** Unmaps in stream order: a command in flight may read the memory. */
  #unmap(address: number): void {
    if (!this.#closed) this.#afterAll(() => this.#backend.unmapFile?.(address));
  }

  #onLastDone(settle: () => void): void {
    const last = [...this.#jobs.keys()].at(-1) as number;
    const job = this.#jobs.get(last) as Job;
    this.#jobs.set(last, {
      ...job,
      done: () => {
        job.done();
        settle();
      },
    });
  }

  #completed(id: number, fault: Fault): void {
    const job = this.#jobs.get(id);
    assert(job, `completion of an unknown job ${id}`);
    if (fault.code !== faultCode.none) this.#fault ??= this.#explain(job, fault);
    this.#jobs.delete(id);
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0];
      const waiting = this.#jobs.get(next) as Job;
      if (!this.#backend.submit(waiting.address, waiting.words, next)) break;
      this.#waiting.shift();
    }
    if (this.#jobs.size === 0) this.#backend.hold(false);
    job.done();
    if (this.#backend.exactMemory) this.#trim();
    else this.#trim(keptBytes + keptShare * this.#memory.liveBytes, keptStagingBytes);
  }

  /** Gives unused memory back but for so many bytes, unless a command may still touch it. */
  #trim(keep = 0, keepStaging = 0): void {
    if (this.#jobs.size > 0 || this.#open.length > 0) return;
    this.#memory.trim(keep);
    this.#staging.trim(keepStaging);
  }

  #explain(job: Job, fault: Fault): MinkeError {
    const words = new Float64Array(job.words);
    this.#backend.copyOut(job.address, words);
    let at = 0;
    for (let i = 0; i < fault.command; i++) at += 2 + words[at + 1];
    return explainFault(this.#backend.kernelOrder[words[at]] ?? 'queue', fault);
  }
}
