// Rows with values that are no ordinary numbers, in every argument of every kernel: NaN, both infinities, a subnormal.
//
// What every kernel must give: a result that depends on a NaN is NaN, or the kernel refuses it; never a number.
// Infinity follows IEEE 754 (infinity minus infinity is NaN). A result is independent of what its definition does not
// read, so that a NaN stays in its row, its token, its sequence. Subnormals count as numbers, and results below 2^-126
// may be rounded to zero. A clip of NaN is no value but a sign: the optimizer leaves its step out. Each row is one of
// the ordinary ones with one element changed.
import { Random } from '../../math/index.ts';
import { type Data, type DType, toBf16 } from '../dtype.ts';
import { poolFormat } from '../sizes.ts';
import { type KernelName, kernels } from '../table.ts';
import { argumentNames, type Case } from './case.ts';

const specialValues = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-40];

/** Numbers of all arguments in a row that is neither trivial nor slow. */
const usualSize = 300;

/** Arguments whose values the engine has checked: temperatures, thresholds and draws. */
const checked: Readonly<Partial<Record<KernelName, readonly string[]>>> = { sample_tokens: ['settings'] };

/** Products of whole tiles: a masked score of 0 times a NaN is NaN. A NaN stays within its sequence. */
const spreading: readonly KernelName[] = ['attention_backward_f32', 'attention_backward_bf16'];

function floatFormat(row: Case, name: string, kind: string): 'f32' | 'bf16' | null {
  if (name === 'pool') return row.args.format === poolFormat.f32 ? 'f32' : null;
  const format: DType | string = kind === 'any' ? (row.formats?.[name] ?? 'f32') : kind;
  return format === 'f32' || format === 'bf16' ? format : null;
}

function countNumbers({ args }: Case): number {
  return Object.values(args).reduce<number>(
    (sum, data) => sum + (typeof data === 'object' ? (data?.length ?? 0) : 0),
    0,
  );
}

/** Arguments of a row that hold floating-point numbers. */
function listFloats(row: Case): [name: string, data: Data, format: 'f32' | 'bf16'][] {
  return kernels[row.kernel].parameters.flatMap((parameter) => {
    const format = floatFormat(row, parameter.name, parameter.kind);
    return argumentNames(row.args, parameter).flatMap((name): [string, Data, 'f32' | 'bf16'][] => {
      const data = row.args[name];
      const skips = row.ignore?.includes(name) || checked[row.kernel]?.includes(name);
      return typeof data === 'object' && data && data.length > 0 && format && !skips ? [[name, data, format]] : [];
    });
  });
}

function change(row: Case, name: string, data: Data, format: 'f32' | 'bf16', value: number, seed: number): Case {
  const changed = data.slice();
  const numbers = data instanceof Uint8Array ? new Float32Array(changed.buffer) : changed; // a pool of the cache
  const at = new Random(numbers.length, name.length, row.kernel.length, seed).below(numbers.length);
  numbers[at] = format === 'bf16' ? toBf16(value) : value;
  const { exact: _, ...rest } = row; // the bits of a NaN are the machine's
  return {
    ...rest,
    name: `${value} at ${at} of ${name}: ${row.name}`,
    args: { ...row.args, [name]: changed },
    mayRefuse: true,
    spreads: spreading.includes(row.kernel),
  };
}

/** Returns rows with special values, made of the ordinary row of each kernel that is closest to the usual size. */
export function specialRows(ordinary: readonly Case[]): Case[] {
  const distance = (row: Case) => Math.abs(Math.log(countNumbers(row) / usualSize));
  const chosen = new Map<KernelName, Case>();
  for (const row of ordinary) {
    const isCoded = (row.args.format ?? poolFormat.f32) !== poolFormat.f32; // a cache whose numbers are codes
    if (row.fault || isCoded || listFloats(row).length === 0) continue;
    const best = chosen.get(row.kernel);
    if (!best || distance(row) < distance(best)) chosen.set(row.kernel, row);
  }
  return [...chosen.values()].flatMap((row) =>
    listFloats(row).flatMap(([name, data, format]) =>
      specialValues.map((value, i) => change(row, name, data, format, value, i)),
    ),
  );
}
