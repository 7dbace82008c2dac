// How much each input of a model's matrices counts on a text: the mean square of what they are multiplied by.
//
// An error of a weight moves the outputs by as much as its input is large, so a quantization that knows the inputs
// puts its errors where they are small (llama.cpp's importance matrix, GPTQ's diagonal). The head is left out, as in
// llama.cpp: rows of a tied embedding are looked up as well. MTP modules do not run.
import { asyncScope, keep, type Tensor, type Weight, watchProducts } from '../tensor/index.ts';
import { packSequences } from './batch.ts';
import { listFusions } from './fusion.ts';
import type { Model } from './model.ts';
import { servingPrecision } from './precision.ts';

/** Sums of squares of the columns of a matrix's inputs: [K], or [E, K] of experts. */
interface InputSums {
  readonly squares: Float64Array;
  /** The rows that were added up, of each expert. */
  readonly rows: Float64Array;
}

/** A product of a window; its owner disposes the tensors. */
interface HeardProduct {
  readonly x: Tensor;
  readonly names: readonly string[];
  readonly offsets: Tensor | null;
}

/** Lists the parameters that each weight of a model is made of. */
function listNames({ config, weights }: Model): Map<Weight, readonly string[]> {
  const fused = new Map(listFusions(config).map(({ name, parts }) => [name, parts.map((part) => part.name)]));
  return new Map([...weights].map(([name, weight]) => [weight, fused.get(name) ?? [name]]));
}

function addRows(sums: InputSums, x: ArrayLike<number>, starts: ArrayLike<number>): void {
  const experts = sums.rows.length;
  const K = sums.squares.length / experts;
  for (let e = 0; e < experts; e++) {
    for (let row = starts[e]; row < starts[e + 1]; row++)
      for (let k = 0; k < K; k++) sums.squares[e * K + k] += x[row * K + k] ** 2;
    sums.rows[e] += starts[e + 1] - starts[e];
  }
}

/** Reads the inputs of a window's products, and adds them up under the names of their parameters. */
async function addWindow(
  all: Map<string, InputSums>,
  model: Model,
  named: ReadonlyMap<Weight, readonly string[]>,
  ids: readonly number[],
): Promise<void> {
  await asyncScope(async (inside) => {
    const heard: HeardProduct[] = [];
    try {
      inside(() => {
        const hear = (x: Tensor, weights: readonly Weight[], offsets: Tensor | null) => {
          const names = weights.flatMap((weight) => named.get(weight) ?? []);
          if (names.length > 0) heard.push({ x: keep(x.alias()), names, offsets: offsets && keep(offsets.alias()) });
        };
        watchProducts(hear, () => model.forward(packSequences([ids]), { policy: servingPrecision }));
      });
      for (const product of heard) await addProduct(all, product);
    } finally {
      for (const { x, offsets } of heard) {
        x.dispose();
        offsets?.dispose();
      }
    }
  });
}

async function addProduct(all: Map<string, InputSums>, { x, names, offsets }: HeardProduct): Promise<void> {
  const K = x.shape.at(-1) as number;
  const starts = offsets ? await offsets.toArray() : [0, x.size / K];
  const experts = starts.length - 1;
  const values = await x.toArray();
  for (const name of names) {
    const sums = all.get(name) ?? { squares: new Float64Array(experts * K), rows: new Float64Array(experts) };
    all.set(name, sums);
    addRows(sums, values, starts);
  }
}

/** Means of squares by the names of parameters: [K], or [E, K] of experts; zeros where an expert was never chosen. */
export type InputSquares = ReadonlyMap<string, Float32Array>;

/** Measures a model that serves on windows of token ids, each of which it reads from its beginning. */
export async function measureInputSquares(
  model: Model,
  windows: readonly (readonly number[])[],
  measured: (windows: number) => void = () => undefined,
): Promise<InputSquares> {
  const all = new Map<string, InputSums>();
  const named = listNames(model);
  for (const [i, ids] of windows.entries()) {
    await addWindow(all, model, named, ids);
    measured(i + 1);
  }
  return new Map([...all].map(([name, sums]) => [name, toMeans(sums)]));
}

function toMeans({ squares, rows }: InputSums): Float32Array {
  const K = squares.length / rows.length;
  return Float32Array.from(squares, (sum, i) => sum / Math.max(1, rows[Math.floor(i / K)]));
}
