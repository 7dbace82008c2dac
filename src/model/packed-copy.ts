// A packed copy of a model that training changes: its products have the bits of the plain weights (packed-weight.ts),
// but nothing is packed in every step.
//
// Matrices are packed and joined as for serving, in the formats of a precision policy; everything else is the model's
// own, and so are its MTP modules. `renew` looks at the versions of the weights, so that no change is missed.
import { concat, keep, PackedWeight, packWeight, repackWeight, scope, Tensor, type Weight } from '../tensor/index.ts';
import { createModel, type Model } from './model.ts';
import { type JoinedWeight, listJoinedWeights, packedFormat } from './packing.ts';
import type { PrecisionPolicy } from './precision.ts';

/** A weight of the copy, the weights of the model that it is made of, and their version when it was made. */
interface CopiedWeight {
  readonly copy: Weight;
  readonly parts: readonly Tensor[];
  version: number;
}

const sumVersions = (parts: readonly Tensor[]) => parts.reduce((sum, { storage }) => sum + storage.version, 0);

export class PackedCopy {
  readonly model: Model;
  readonly #copied: CopiedWeight[] = [];
  /** Weights that both models use. */
  readonly #shared: readonly Tensor[];
  #sharedVersion: number;

  /** `source` and its weights stay the caller's; those that are packed already serve as they are. */
  constructor(source: Model, policy: PrecisionPolicy) {
    const weights = new Map(source.weights);
    for (const joined of listJoinedWeights(source.config, policy.linear)) {
      const found = joined.parts.map(({ name }) => source.weights.get(name));
      const parts = found.filter((part) => part instanceof Tensor);
      if (parts.length === found.length) this.#addCopies(weights, joined, parts, policy, source);
    }
    this.#shared = [...weights.values()].filter((weight) => weight instanceof Tensor);
    this.#sharedVersion = sumVersions(this.#shared);
    this.model = createModel(source.config, weights, source.context);
  }

  /** Queues the copying of what has changed. Returns whether anything has. */
  renew(): boolean {
    const changed = this.#copied.filter(({ parts, version }) => sumVersions(parts) !== version);
    for (const copied of changed) {
      const { copy, parts } = copied;
      if (copy instanceof PackedWeight) repackWeight(copy, parts);
      else overwrite(copy, parts);
      copied.version = sumVersions(parts);
    }
    const before = this.#sharedVersion;
    this.#sharedVersion = sumVersions(this.#shared);
    return changed.length > 0 || before !== this.#sharedVersion;
  }

  dispose(): void {
    this.model.dispose();
    for (const { copy } of this.#copied) copy.dispose();
  }

  #addCopies(
    weights: Map<string, Weight>,
    { name, parts: [parameter, ...others] }: JoinedWeight,
    parts: readonly Tensor[],
    policy: PrecisionPolicy,
    { config }: Model,
  ): void {
    const { kind, group, mtp } = parameter;
    const isHead = group === 'embedding' && config.tieWordEmbeddings && !weights.has('lm_head.weight');
    if (mtp || (kind !== 'matrix' && others.length === 0) || (group === 'embedding' && !isHead)) return;
    const format = packedFormat(parameter, policy.linear);
    const copy = scope(() => keep(kind === 'matrix' ? packWeight(parts, format) : concat(parts)));
    this.#copied.push({ copy, parts, version: sumVersions(parts) });
    if (isHead) {
      weights.set('lm_head.weight', copy);
      return;
    }
    for (const part of [parameter, ...others]) weights.delete(part.name);
    weights.set(name, copy);
  }
}

/** Writes joined biases over their copy. */
function overwrite(copy: Tensor, parts: readonly Tensor[]): void {
  scope(() => copy.device.run('copy_bytes', { from: concat(parts), to: copy, n: copy.bytes }));
  copy.storage.change();
}
