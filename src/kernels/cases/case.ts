// A row of the table of cases: one kernel, its arguments by name, run on every device against the definition.
//
// A pointer argument is the data it holds before the run (for memory the kernel writes: what it must start from), or
// null for "absent". The elements of a list are arguments of their own: x[0], x[1], ... Everything a kernel writes is
// compared, in its format's tolerance, and the bytes around every buffer must be untouched. `exact` asks for the same
// bits as the definition; `fault` for a refusal.
import { type Data, type DType, newData, toBf16, toE4m3 } from '../dtype.ts';
import type { faultCode, Parameter } from '../kernel.ts';
import type { KernelName } from '../table.ts';

export interface Case {
  readonly kernel: KernelName;
  /** What this row is about, with its sizes. */
  readonly name: string;
  readonly args: Readonly<Record<string, Data | number | null>>;
  /** Formats of `any` arguments; f32 where not said. */
  readonly formats?: Readonly<Record<string, DType>>;
  readonly exact?: boolean;
  /** Arguments whose contents are not compared, such as workspaces. */
  readonly ignore?: readonly string[];
  /** Factor on the format's tolerance, with its reason beside it in the row. */
  readonly slack?: number;
  readonly fault?: keyof typeof faultCode;
  /** Whether the definition may refuse the row; every device must then refuse it too. */
  readonly mayRefuse?: boolean;
  /** Whether NaN is accepted where the definition has a number, because the kernel computes whole tiles. */
  readonly spreads?: boolean;
}

/** Returns the names under which a row's arguments hold the elements of a list, or the one name of another argument. */
export function argumentNames(args: Case['args'], { name, isList }: Parameter): string[] {
  if (!isList) return [name];
  const names: string[] = [];
  while (args[`${name}[${names.length}]`] !== undefined) names.push(`${name}[${names.length}]`);
  return names;
}

export function toFormat(dtype: DType, values: Float32Array): Data {
  const data = newData(dtype, values.length);
  if (dtype === 'bf16') for (let i = 0; i < values.length; i++) data[i] = toBf16(values[i]);
  else if (dtype === 'e4m3') for (let i = 0; i < values.length; i++) data[i] = toE4m3(values[i]);
  else data.set(values);
  return data;
}
