// Chooses a device: the best native build, else WebAssembly; MINKE_DEVICE, MINKE_ISA, MINKE_ARITHMETIC, MINKE_THREADS
// and MINKE_MEMORY (MiB) force one. A native build that is missing is compiled: beside, or at once where it was forced.
import { availableParallelism } from 'node:os';
import { type Arithmetic, arithmetics } from './arithmetic.ts';
import type { DeviceName } from './backend.ts';
import { bestNativeIsa, cpuIsas, isasWith, nativeIsas } from './cpu.ts';
import { Device } from './device.ts';
import { DeviceError } from './errors.ts';
import { nativeArithmetic, requestedArithmetic } from './instruction-sets.ts';
import { describeMemory } from './memory.ts';
import { openNative } from './native.ts';
import { compileBeside, compileNamed, type Notice } from './native-build.ts';
import { openReference } from './reference.ts';
import { openWasm } from './wasm.ts';
import { nodeHost, wasmIsas } from './wasm-node.ts';

export interface DeviceOptions {
  /** @default native where it was built, else wasm */
  device?: DeviceName;
  /** Instruction set. @default the best this machine has */
  isa?: string;
  /** How products round. @default as the best native build does; exact, in f64, on the reference */
  arithmetic?: Arithmetic;
  /** @default all cores */
  threads?: number;
  /** The limit of reserved bytes. @default 90 % of the machine's memory, or of its container's */
  memoryBytes?: number;
  /** Called with a sentence about what is compiled here. @default console.error */
  notice?: Notice;
}

/** Opens a device. Throws DeviceError when this machine or build does not have it. */
export function openDevice(options: DeviceOptions = {}): Device {
  const notice = options.notice ?? console.error;
  const isa = options.isa ?? process.env.MINKE_ISA;
  const arithmetic = options.arithmetic ?? requestedArithmetic();
  const chosen = options.device ?? (process.env.MINKE_DEVICE as DeviceName | undefined);
  const device = chosen ?? chooseDevice(isa, arithmetic, notice);
  const threads = options.threads ?? positive('MINKE_THREADS') ?? availableParallelism();
  const mebibytes = positive('MINKE_MEMORY');
  const memory = options.memoryBytes ?? (mebibytes ? mebibytes * 2 ** 20 : 0.9 * describeMemory().totalBytes);
  switch (device) {
    case 'native': {
      const name = requireNative(arithmetic === undefined ? isa : requireArithmetic(arithmetic, isa, notice), notice);
      return new Device((completed) => openNative(name, threads, completed), memory);
    }
    case 'wasm':
      if (arithmetic !== undefined) refuseArithmetic(arithmetic, 'WebAssembly has an arithmetic of its own');
      return new Device((completed) => openWasm(nodeHost(), isa ?? wasmIsas()[0] ?? 'any', threads, completed), memory);
    case 'reference':
      return new Device((completed) => openReference(completed, arithmetic), memory);
    default:
      throw new DeviceError('open', `no device named ${device}`, 'choose native, wasm or reference');
  }
}

function refuseArithmetic(arithmetic: Arithmetic, problem: string): never {
  const others = arithmetics.filter((each) => each !== arithmetic && isasWith(each).length > 0);
  const choice = cpuIsas() === null || others.length === 0 ? '' : `, or choose ${others.join(' or ')}`;
  throw new DeviceError('open', `MINKE_ARITHMETIC=${arithmetic}: ${problem}`, `unset it${choice}`);
}

function chooseDevice(isa: string | undefined, arithmetic: Arithmetic | undefined, notice: Notice): DeviceName {
  if (isa !== undefined) return isWasm(isa) ? 'wasm' : 'native';
  if (arithmetic !== undefined) return 'native';
  compileBeside(notice);
  return bestNativeIsa() === undefined ? 'wasm' : 'native';
}

/** Returns the instruction set to open natively, compiled now if it is missing. */
function requireNative(isa: string | undefined, notice: Notice): string {
  const isBuilt = isa === undefined ? bestNativeIsa() !== undefined : nativeIsas().includes(isa);
  if (!isBuilt) compileNamed(isa, notice);
  return isa ?? bestNativeIsa() ?? 'this machine';
}

/** Returns the instruction set that was named, or the best with this arithmetic. */
function requireArithmetic(arithmetic: Arithmetic, isa: string | undefined, notice: Notice): string {
  if (isa !== undefined && nativeArithmetic(isa) !== arithmetic)
    refuseArithmetic(arithmetic, `the instruction set that was chosen, ${isa}, does not compute so`);
  if (isa !== undefined) return isa;
  if (cpuIsas() === null) compileNamed(undefined, notice); // what this machine runs is known after it
  const [best] = isasWith(arithmetic);
  if (best !== undefined && cpuIsas() !== null) return best;
  const others = cpuIsas()?.join(', ') ?? 'WebAssembly';
  return refuseArithmetic(arithmetic, `this machine runs none of its instruction sets, only ${others}`);
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
