// Calls a kernel's definition with arguments by name, for tests that need no device.
import { type Data, newData } from '../dtype.ts';
import { KernelFault, type Parameter } from '../kernel.ts';
import { type KernelName, kernels } from '../table.ts';
import { argumentNames } from './case.ts';

export type Arguments = Readonly<Record<string, Data | number | null>>;

/** Runs the definition on these very arrays; null and left out addresses are absent. Lists are x[0], x[1], ... */
export function define(name: KernelName, args: Arguments): void {
  const words = kernels[name].parameters.map((parameter) => {
    const values = argumentNames(args, parameter).map((word) => toView(parameter, args[word]));
    return parameter.isList ? values : values[0];
  });
  kernels[name].define(...words);
}

function toView({ kind }: Parameter, value: Data | number | null | undefined): Data | number {
  const isNumber = kind === 'int' || kind === 'float' || kind === 'double';
  const given = value ?? (isNumber ? 0 : null);
  if (typeof given === 'number') return given;
  if (given === null) return newData(kind === 'any' || isNumber ? 'u8' : kind, 0);
  return kind === 'any' ? new Uint8Array(given.buffer, given.byteOffset, given.byteLength) : given;
}

/** The fault that a definition throws. */
export function catchFault(name: KernelName, args: Arguments): KernelFault {
  try {
    define(name, args);
  } catch (error) {
    if (error instanceof KernelFault) return error;
    throw error;
  }
  throw new Error(`${name} accepted what it should refuse`);
}

/** Central differences of a scalar function of `x`, which is left as it was. */
export function slopes(x: Float32Array, f: () => number, step = 1 / 64): Float64Array {
  return Float64Array.from(x, (value, i) => {
    x[i] = value + step;
    const above = f();
    x[i] = value - step;
    const below = f();
    x[i] = value;
    return (above - below) / (2 * step);
  });
}
