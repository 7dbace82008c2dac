// How a kernel is declared: one signature string, the same in TypeScript and C++, and the plain definition of what it
// computes. A word of a signature is `name:kind`; kinds f32, bf16, e4m3, i32, u8 and any are addresses (a `!` marks
// memory the kernel writes), int and float are numbers. An address of 0 stands for "absent".
import type { DType } from './dtype.ts';

interface Views {
  f32: Float32Array;
  bf16: Uint16Array;
  e4m3: Uint8Array;
  i32: Int32Array;
  u8: Uint8Array;
  any: Uint8Array;
  int: number;
  float: number;
}

type ViewOf<K extends string> = K extends `${infer B}!` ? ViewOf<B> : K extends keyof Views ? Views[K] : never;

/** The arguments that a signature describes, in order. */
export type ArgumentsOf<S extends string> = S extends `${string}:${infer K} ${infer Rest}`
  ? [ViewOf<K>, ...ArgumentsOf<Rest>]
  : S extends `${string}:${infer K}`
    ? [ViewOf<K>]
    : [];

export interface Parameter {
  readonly name: string;
  readonly kind: DType | 'any' | 'int' | 'float';
  readonly written: boolean;
}

export interface Kernel {
  readonly signature: string;
  readonly parameters: readonly Parameter[];
  /** The definition, in plain TypeScript: obviously right, never optimised. Throws KernelFault on bad data. */
  // biome-ignore lint/suspicious/noExplicitAny: the signature string types the definition where it is written
  readonly define: (...words: any[]) => void;
}

export function kernel<const S extends string>(signature: S, define: (...words: ArgumentsOf<S>) => void): Kernel {
  const parameters = signature.split(' ').map((word) => {
    const [name, kind] = word.split(':') as [string, string];
    return { name, kind: kind.replace('!', '') as Parameter['kind'], written: kind.endsWith('!') };
  });
  return { signature, parameters, define };
}

export function isAddress(parameter: Parameter): boolean {
  return parameter.kind !== 'int' && parameter.kind !== 'float';
}

/** Codes of cpp/kernel.h: what a kernel can find wrong in data that only it sees. */
export const faultCode = { none: 0, indexOutOfRange: 1, notFinite: 2, badOffsets: 3, tooManyTasks: 4 } as const;

export interface Fault {
  readonly code: number;
  readonly command: number;
  readonly where: number;
  readonly value: number;
  readonly limit: number;
}

/** Thrown by a kernel's definition; the device turns it into the same error a native fault becomes. */
export class KernelFault extends Error {
  readonly code: number;
  readonly where: number;
  readonly value: number;
  readonly limit: number;

  constructor(code: keyof typeof faultCode, where: number, value: number, limit: number) {
    super(`${code} at ${where}: ${value}, limit ${limit}`);
    this.code = faultCode[code];
    this.where = where;
    this.value = value;
    this.limit = limit;
  }
}
