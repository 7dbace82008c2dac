// Chooses a device: the best native build, else WebAssembly; MINKE_DEVICE, MINKE_ISA, MINKE_THREADS and MINKE_MEMORY
// (MiB) force one. A native build that is missing is compiled: beside, or at once where it was forced.
import { availableParallelism, totalmem } from 'node:os';
import type { Arithmetic } from './arithmetic.ts';
import { Device, type DeviceName } from './device.ts';
import { DeviceError } from './errors.ts';
import { bestNativeIsa, nativeIsas, openNative } from './native.ts';
import { compileBeside, compileNamed, type Notice } from './native-build.ts';
import { openReference } from './reference.ts';
import { openWasm } from './wasm.ts';
import { nodeHost, wasmIsas } from './wasm-node.ts';

export interface DeviceOptions {
  /** @default native where it was built, else wasm */
  device?: DeviceName;
  /** Instruction set. @default the best this machine has */
  isa?: string;
  /** Of the reference: how products round. @default exact, in f64 */
  arithmetic?: Arithmetic;
  /** @default all cores */
  threads?: number;
  /** The limit of reserved bytes. @default 90 % of the machine's memory */
  memoryBytes?: number;
  /** Called with a sentence about what is compiled here. @default console.error */
  notice?: Notice;
}

/** Opens a device. Throws DeviceError when this machine or build does not have it. */
export function openDevice(options: DeviceOptions = {}): Device {
  const isa = options.isa ?? process.env.MINKE_ISA;
  const chosen = options.device ?? (process.env.MINKE_DEVICE as DeviceName | undefined);
  const device = chosen ?? chooseDevice(isa, options.notice ?? console.error);
  const threads = options.threads ?? positive('MINKE_THREADS') ?? availableParallelism();
  const mebibytes = positive('MINKE_MEMORY');
  const memory = options.memoryBytes ?? (mebibytes ? mebibytes * 2 ** 20 : 0.9 * totalmem());
  switch (device) {
    case 'native': {
      const name = requireNative(isa, options.notice ?? console.error);
      return new Device((completed) => openNative(name, threads, completed), memory);
    }
    case 'wasm':
      return new Device((completed) => openWasm(nodeHost(), isa ?? wasmIsas()[0] ?? 'any', threads, completed), memory);
    case 'reference':
      return new Device((completed) => openReference(completed, options.arithmetic), memory);
    default:
      throw new DeviceError('open', `no device named ${device}`, 'choose native, wasm or reference');
  }
}

function chooseDevice(isa: string | undefined, notice: Notice): DeviceName {
  if (isa !== undefined) return isWasm(isa) ? 'wasm' : 'native';
  compileBeside(notice);
  return bestNativeIsa() === undefined ? 'wasm' : 'native';
}

/** Returns the instruction set to open natively, compiled now if it is missing. */
function requireNative(isa: string | undefined, notice: Notice): string {
  const isBuilt = isa === undefined ? bestNativeIsa() !== undefined : nativeIsas().includes(isa);
  if (!isBuilt) compileNamed(isa, notice);
  return isa ?? bestNativeIsa() ?? 'this machine';
}

function isWasm(isa: string | undefined): boolean {
  return isa !== undefined && wasmIsas().includes(isa);
}

function positive(variable: string): number | undefined {
  const text = process.env[variable];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(Number.isInteger(value) && value > 0))
    throw new DeviceError('open', `${variable}=${text} is not a positive whole number`, 'correct or unset it');
  return value;
}
