// What a device needs of the place where its lists run: memory by addresses, lists in order, and their ends.
import type { Arithmetic } from './arithmetic.ts';
import type { Data } from './dtype.ts';
import type { Fault } from './kernel.ts';
import type { PanelLayout } from './panel-layout.ts';
import type { KernelName } from './table.ts';

export type DeviceName = 'native' | 'wasm' | 'reference';

/** Runs the lists: native threads, WebAssembly workers, or plain TypeScript. */
export interface Backend {
  readonly name: DeviceName;
  /** Instruction set: amx, avx512bf16, avx512, avx2, tiles, neon, relaxed-simd, simd128, typescript. */
  readonly isa: string;
  /** How bf16 and FP8 products round. The reference may compute exactly, in f64. */
  readonly arithmetic: Arithmetic | 'exact';
  readonly threads: number;
  /** f32 lanes of a vector. */
  readonly lanes: number;
  readonly panelLayout: PanelLayout;
  /** Bytes this backend can address. */
  readonly memoryLimit: number;
  /** Whether every block is its own reservation (AddressSanitizer). */
  readonly exactMemory: boolean;
  /** Whether reserved memory is zeros. */
  readonly givesZeros: boolean;
  /** How weights are read (tuning.ts); missing where there is no choice. */
  readonly tuning?: string;
  /** Kernel names in the order of their numbers. */
  readonly kernelOrder: readonly KernelName[];
  reserve(bytes: number): number;
  release(address: number): void;
  /**
   * Maps a file into device memory; returns its address, or 0 where that is not possible. Throws DeviceError for a
   * shorter file.
   */
  mapFile?(fd: number, bytes: number): number;
  unmapFile?(address: number): void;
  copyIn(address: number, data: Data | Float64Array): void;
  copyOut(address: number, data: Data | Float64Array): void;
  /** Returns false when too many lists are in flight. Ends in `completed(id, fault)`, in order. */
  submit(address: number, words: number, id: number): boolean;
  /** Keeps the process alive while work is in flight. */
  hold(busy: boolean): void;
  close(): void | Promise<void>;
}

export type Completed = (id: number, fault: Fault) => void;
