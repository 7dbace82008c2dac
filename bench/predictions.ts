// What finished runs were predicted to compute and take, beside what they did: from their lineages, nothing runs here.
// The ratio is what came over what was predicted.
import { basename } from 'node:path';
import { predictedFlops, readLineage, TrainError } from '../src/train/index.ts';
import type { Bench } from './harness.ts';

/** Reports the rows of runs. Throws TrainError for one without a prediction. */
export async function predictions(bench: Bench, runs: readonly string[]): Promise<void> {
  for (const run of runs) {
    const lineage = readLineage(run);
    if (lineage === null || lineage.predicted === null)
      throw new TrainError(run, 'has no prediction', 'name runs that ended since predictions are recorded');
    const { kind, predicted, hours } = lineage;
    const name = `${kind} ${basename(run)}`;
    const compute = { name: 'predicted', amount: predicted.flops / 1e9 };
    bench.amount(`${name}: compute`, 'GFLOP', predictedFlops(lineage) / 1e9, compute);
    if (predicted.hours === null) continue;
    bench.amount(`${name}: time`, 'min', 60 * hours, { name: 'predicted', amount: 60 * predicted.hours });
  }
}
