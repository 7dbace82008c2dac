// How a kernel is declared: one signature string, the same in TypeScript and C++, and the plain definition of what it
// computes. A word of a signature is `name:kind`. Kinds f32, bf16, e4m3, i32, u8 and any are addresses (a `!` marks
// memory that the kernel writes), int, float (f32) and double are numbers. An address of 0 stands for "absent". Words
// with `[]` come last and are lists of one length: a command holds them row by row, so that it works on many tensors.
import type { Arithmetic } from './arithmetic.ts';
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
  double: number;
}

type View<K extends string> = K extends `${infer B}!`
  ? View<B>
  : K extends `${infer B}[]`
    ? View<B>[]
    : K extends keyof Views
      ? Views[K]
      : never;

/** What a kernel's definition receives: the arguments of a signature in order, as views of memory and numbers. */
export type DefinitionArguments<S extends string> = S extends `${string}:${infer K} ${infer Rest}`
  ? [View<K>, ...DefinitionArguments<Rest>]
  : S extends `${string}:${infer K}`
    ? [View<K>]
    : [];

/** Memory that a kernel reads or writes: a buffer, a tensor, the address of either, or null for "absent". */
export type Place = number | { readonly address: number } | null;

type SignatureWord<S extends string> = S extends `${infer W} ${infer Rest}` ? W | SignatureWord<Rest> : S;
type WordName<W extends string> = W extends `${infer N}:${string}` ? N : never;
type Numeric = 'int' | 'float' | 'double';
type WordValue<W extends string> = W extends `${string}:${Numeric}[]`
  ? readonly number[]
  : W extends `${string}[]` | `${string}[]!`
    ? readonly Place[]
    : W extends `${string}:${Numeric}`
      ? number
      : Place;

/** The arguments that a signature describes, by name: what a call gives. */
export type NamedArguments<S extends string> = {
  readonly [W in SignatureWord<S> as WordName<W>]: WordValue<W>;
};

export interface Parameter {
  readonly name: string;
  readonly kind: DType | 'any' | 'int' | 'float' | 'double';
  readonly written: boolean;
  readonly isList: boolean;
}

export interface Kernel<S extends string = string> {
  readonly signature: S;
  readonly parameters: readonly Parameter[];
  /** The definition, in plain TypeScript: obviously right, never optimized. Throws KernelFault on bad data. */
  readonly define: Definition;
  /** The definition with products that round as the given arithmetic does. */
  readonly inArithmetic: (arithmetic: Arithmetic | 'exact') => Definition;
}

// biome-ignore lint/suspicious/noExplicitAny: the signature string types the definition where it is written
type Definition = (...words: any[]) => void;

export function kernel<const S extends string>(
  signature: S,
  define: (...words: DefinitionArguments<S>) => void,
): Kernel<S> {
  const parameters = signature.split(' ').map((word) => {
    const [name, kind] = word.split(':') as [string, string];
    const element = kind.replace(/(\[\])?!?$/, '') as Parameter['kind'];
    return { name, kind: element, written: kind.endsWith('!'), isList: kind.includes('[]') };
  });
  return { signature, parameters, define, inArithmetic: () => define };
}

/** A kernel whose bits depend on the arithmetic of products: its definition in each. */
export function productKernel<const S extends string>(
  signature: S,
  inArithmetic: (arithmetic: Arithmetic | 'exact') => (...words: DefinitionArguments<S>) => void,
): Kernel<S> {
  return { ...kernel(signature, inArithmetic('exact')), inArithmetic };
}

export function isAddress(parameter: Parameter): boolean {
  return parameter.kind !== 'int' && parameter.kind !== 'float' && parameter.kind !== 'double';
}

/**
 * Returns the parameter of each word of a command with `count` words, the lists row by row; null where a command of
 * that length does not fit.
 */
export function wordParameters(parameters: readonly Parameter[], count: number): Parameter[] | null {
  const lists = parameters.filter(({ isList }) => isList);
  const single = parameters.length - lists.length;
  const rows = lists.length === 0 ? 0 : (count - single) / lists.length;
  if (!Number.isInteger(rows) || rows < 0 || single + rows * lists.length !== count) return null;
  return [...parameters.slice(0, single), ...Array.from({ length: rows }, () => lists).flat()];
}

/** Fault codes of cpp/kernel.h: what only a kernel or the queue itself can find wrong. */
export const faultCode = {
  none: 0,
  indexOutOfRange: 1,
  notFinite: 2,
  badOffsets: 3,
  tooManyTasks: 4,
  badCommand: 5,
} as const;

export interface Fault {
  readonly code: number;
  /** Index of the command in its list. */
  readonly command: number;
  /** Position of the offending element. */
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
