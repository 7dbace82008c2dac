// What decides a run's bits besides its recipe: the arithmetic of the device that computes it. A run is resumed only
// with the bits that it began with.
import { type Computation, howToCompute, isSameComputation } from '../../kernels/index.ts';
import { TrainError } from '../errors.ts';
import { readLineage } from './lineage.ts';

const describe = ({ arithmetic, isa, lanes }: Computation): string => `${arithmetic} of ${lanes} lanes (${isa})`;

/**
 * Throws TrainError where a device would continue the run in a folder with other bits; says so where the run is too old
 * to have recorded its own.
 */
export function expectSameBits(folder: string, computation: Computation, notice?: (text: string) => void): void {
  const lineage = readLineage(folder);
  if (lineage === null) return;
  const began = lineage.computation;
  if (began === null) {
    const own = describe(computation);
    notice?.(`this run is older than the record of its arithmetic: it continues with ${own}, whatever it began with`);
    return;
  }
  if (isSameComputation(began, computation)) return;
  const setting = howToCompute(began);
  const remedy =
    setting === null ? `resume it on a machine that runs ${began.isa}` : `set ${setting} to continue with its bits`;
  throw new TrainError(
    folder,
    `computed with ${describe(began)}, and this device computes with ${describe(computation)}`,
    `${remedy}, or start a new run from its last checkpoint`,
  );
}
