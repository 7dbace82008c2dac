// What MTP modules learn from sequences after pretraining: the learned tokens, from detached hidden states, embedding
// and head. Drafts follow the model, and the model learns nothing from its drafts.
import type { LayerRouting, Model, PrecisionPolicy } from '../model/index.ts';
import { add, bestAndLogprobs, mul, noGrad, scale, sum, type Tensor } from '../tensor/index.ts';
import type { SequenceBatch } from './sequence-batch.ts';

/** The loss of MTP modules, a mean over modules. */
interface AheadLoss {
  /** [], summed with the weights of the tokens: for training. */
  readonly loss: Tensor;
  /** [], summed over tokens: a metric. */
  readonly total: Tensor;
  /** [T] i32, the token that the first module finds most probable: a draft. */
  readonly drafts: Tensor;
  readonly routings: readonly LayerRouting[];
}

export interface AheadLossOptions {
  readonly policy: PrecisionPolicy;
  /** @default 1 */
  readonly temperature?: number;
}

/** `out` [T, D]: what the model gave for the batch. Null where its shape has no MTP modules. */
export function aheadLoss(
  model: Model,
  { batch, ahead, columns }: SequenceBatch<'weight'>,
  out: Tensor,
  { policy, temperature = 1 }: AheadLossOptions,
): AheadLoss | null {
  if (ahead.length === 0) return null;
  const routings: LayerRouting[] = [];
  let hidden = out.alias(); // another handle has no gradient
  const each = ahead.map(({ ids, targets }, k) => {
    const step = model.predictAhead(k, hidden, ids, batch, { policy, isDetached: true });
    if (step.routing) routings.push(step.routing);
    hidden = step.hidden;
    const head = model.unpackedHead.alias();
    const own = bestAndLogprobs(step.out, head, targets, { precision: policy.head, temperature });
    return {
      loss: sum(mul(own.logprobs, columns.weight)),
      total: noGrad(() => sum(own.logprobs)),
      drafts: own.best,
    };
  });
  const average = (terms: readonly Tensor[]) =>
    scale(
      terms.reduce((all, term) => add(all, term)),
      -1 / terms.length,
    );
  return {
    loss: average(each.map(({ loss }) => loss)),
    total: noGrad(() => average(each.map(({ total }) => total))),
    drafts: each[0].drafts,
    routings,
  };
}
