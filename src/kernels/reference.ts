// The reference backend: every list runs at once, in plain TypeScript, by the kernels' definitions.
//
// Memory is a set of separate blocks, each with an address far from the next, so that an access outside its block
// yields nothing instead of another block. This is the definition that the other backends are tested against.

import type { Arithmetic } from './arithmetic.ts';
import type { Backend, Completed } from './backend.ts';
import type { Data } from './dtype.ts';
import { viewAs } from './dtype.ts';
import { assert } from './errors.ts';
import {
  type Fault,
  faultCode,
  isAddress,
  type Kernel,
  KernelFault,
  type Parameter,
  wordParameters,
} from './kernel.ts';
import { kernelNames, kernels } from './table.ts';

const noFault: Fault = { code: faultCode.none, command: 0, where: 0, value: 0, limit: 0 };
const nothing = new Uint8Array(0);
const gap = 2 ** 20;

class ReferenceMemory {
  readonly #blocks: { address: number; bytes: Uint8Array }[] = []; // ascending addresses
  #next = gap;

  reserve(bytes: number): number {
    const address = this.#next;
    this.#blocks.push({ address, bytes: new Uint8Array(bytes) });
    this.#next = address + Math.ceil(bytes / gap) * gap + gap;
    return address;
  }

  release(address: number): void {
    const at = this.#blocks.findIndex((block) => block.address === address);
    assert(at >= 0, 'release of an address that was never reserved');
    this.#blocks.splice(at, 1);
  }

  /** Returns the bytes from an address to the end of its block. */
  from(address: number): Uint8Array {
    const block = this.#blocks.find((b) => address >= b.address && address <= b.address + b.bytes.length);
    assert(block, `address ${address} outside device memory`);
    return block.bytes.subarray(address - block.address);
  }
}

function argument(memory: ReferenceMemory, parameter: Parameter, word: number): unknown {
  if (parameter.kind === 'float') return Math.fround(word);
  if (!isAddress(parameter)) return word;
  const bytes = word === 0 ? nothing : memory.from(word);
  return parameter.kind === 'any' ? bytes : viewAs(parameter.kind as 'f32', bytes);
}

/** Returns what a definition receives: one argument of each parameter, lists as arrays. */
function definitionArguments(memory: ReferenceMemory, { parameters }: Kernel, words: Float64Array): unknown[] | null {
  const places = wordParameters(parameters, words.length);
  if (places === null) return null;
  const values = places.map((parameter, i) => argument(memory, parameter, words[i]));
  return parameters.map((parameter, i) =>
    parameter.isList ? values.filter((_, word) => places[word] === parameter) : values[i],
  );
}

function runList(memory: ReferenceMemory, words: Float64Array, arithmetic: Arithmetic | 'exact'): Fault {
  let command = 0;
  for (let at = 0; at < words.length; at += 2 + words[at + 1], command++) {
    const [number, count] = [words[at], words[at + 1]];
    const kernel: Kernel | undefined = kernels[kernelNames[number]];
    const limit = kernel?.parameters.length ?? 0;
    const given = kernel && definitionArguments(memory, kernel, words.subarray(at + 2, at + 2 + count));
    if (!given) return { code: faultCode.badCommand, command, where: number, value: count, limit };
    try {
      kernel.inArithmetic(arithmetic)(...given);
    } catch (error) {
      if (!(error instanceof KernelFault)) throw error;
      return { code: error.code, command, where: error.where, value: error.value, limit: error.limit };
    }
  }
  return noFault;
}

/** `arithmetic`: of bf16 and FP8 products, to compare with a build to the bit; by default they are exact sums. */
export function openReference(completed: Completed, arithmetic: Arithmetic | 'exact' = 'exact'): Backend {
  const memory = new ReferenceMemory();
  const toBytes = (data: Data | Float64Array) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return {
    name: 'reference',
    isa: 'typescript',
    threads: 1,
    lanes: 1,
    arithmetic,
    panelLayout: { width: 4, order: 'rows' },
    memoryLimit: Number.POSITIVE_INFINITY,
    exactMemory: true,
    givesZeros: true,
    kernelOrder: kernelNames,
    reserve: (bytes) => memory.reserve(bytes),
    release: (address) => memory.release(address),
    copyIn: (address, data) => memory.from(address).set(toBytes(data)),
    copyOut: (address, data) => toBytes(data).set(memory.from(address).subarray(0, data.byteLength)),
    submit(address, count, id) {
      const words = new Float64Array(memory.from(address).slice(0, count * 8).buffer);
      const fault = runList(memory, words, arithmetic);
      queueMicrotask(() => completed(id, fault));
      return true;
    },
    hold() {},
    close() {},
  };
}
