// Hearing what each linear map multiplies: for statistics of its inputs.
import type { PackedWeight } from '../packed-weight.ts';
import type { Tensor } from '../tensor.ts';
import { Watched } from '../watch.ts';

/**
 * Hears the input x [.., K] and the weights of each linear map; `offsets`: those of rows by expert, null where there is
 * one weight for all rows. Tensors live only as long as the map's own: retain with alias().
 */
export type ProductWatcher = (x: Tensor, weights: readonly (Tensor | PackedWeight)[], offsets: Tensor | null) => void;

const products = new Watched<Parameters<ProductWatcher>>();

/** For linear and groupedLinear. */
export const tellProduct: ProductWatcher = (x, weights, offsets) => products.tell(x, weights, offsets);

/** Runs `body`; `hear` is called before each of its products. */
export function watchProducts<T>(hear: ProductWatcher, body: () => T): T {
  return products.during(hear, body);
}
