// Which op made the first number that is not finite: a step run again, every op's output looked at.
import { fromBf16 } from '../kernels/index.ts';
import { keep, scope, type Tensor, watchOps } from '../tensor/index.ts';

async function hasBadNumber(tensor: Tensor): Promise<boolean> {
  // A kernel that met the bad number has said so: that report is not what is asked here.
  const data = await tensor.read().catch(() => tensor.read());
  return tensor.dtype === 'bf16'
    ? (data as Uint16Array).some((code) => !Number.isFinite(fromBf16(code)))
    : (data as Float32Array).some((x) => !Number.isFinite(x));
}

/**
 * Runs `body` once, eagerly, and says in words where the first NaN or infinity comes from: a weight, or the n-th op.
 * Null when everything is finite.
 */
export async function firstBadOp(weights: ReadonlyMap<string, Tensor>, body: () => void): Promise<string | null> {
  for (const [name, weight] of weights) if (await hasBadNumber(weight)) return `the weight ${name} is not finite`;
  const seen: { readonly op: string; readonly output: Tensor }[] = [];
  try {
    scope(() =>
      watchOps((op, outputs) => {
        for (const output of outputs)
          if (output && (output.dtype === 'f32' || output.dtype === 'bf16'))
            seen.push({ op, output: keep(output.alias()) });
      }, body),
    );
    for (const [n, { op, output }] of seen.entries())
      if (await hasBadNumber(output))
        return `${op} (output ${n + 1} of ${seen.length}, ${output}) is the first that is not finite`;
    return null;
  } finally {
    for (const { output } of seen) output.dispose();
  }
}
