// A row of the table of cases: one kernel, its arguments by name, run on every device against the definition.
//
// A pointer argument is the data it holds before the run (for memory the kernel writes: what it must start from), or
// null for "absent". Everything a kernel writes is compared, in its format's tolerance, and the bytes around every
// buffer must be untouched. `exact` asks for the same bits as the definition; `fault` for a refusal.
import { type Data, type DType, newData, toBf16, toE4m3 } from '../dtype.ts';
import type { faultCode } from '../kernel.ts';
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
}

/** xorshift32: the same numbers on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 2654435761 + 1) >>> 0 || 1;
  }

  /** Uniform in [0, 1). */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state / 2 ** 32;
  }

  /** Whole number in [0, n). */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  normal(scale = 1): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return scale * radius * Math.cos(2 * Math.PI * this.next());
  }

  normals(length: number, scale = 1): Float32Array {
    return Float32Array.from({ length }, () => this.normal(scale));
  }
}

export function toFormat(dtype: DType, values: Float32Array): Data {
  const data = newData(dtype, values.length);
  if (dtype === 'bf16') for (let i = 0; i < values.length; i++) data[i] = toBf16(values[i]);
  else if (dtype === 'e4m3') for (let i = 0; i < values.length; i++) data[i] = toE4m3(values[i]);
  else data.set(values);
  return data;
}
