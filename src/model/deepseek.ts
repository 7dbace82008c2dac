// DeepSeek-V3 (and V2): Figure 2 of the V3 report.
//
// Each block: multi-head latent attention, then a dense feed-forward or a mixture of experts. The modules of
// multi-token prediction follow the main model. One definition for training, prefill and decode (decoder.ts runs the
// blocks).
import { add, balanceLoss, crossEntropy, mean, type Tensor } from '../tensor/index.ts';
import type { Batch, TrainingBatch } from './batch.ts';
import { Block } from './block.ts';
import { batchAlone } from './cache.ts';
import type { DeepseekConfig } from './config.ts';
import { Decoder, type ForwardOptions, type ModelLosses } from './decoder.ts';
import { ModelError } from './errors.ts';
import { MultiHeadLatentAttention } from './mla.ts';
import { Mlp } from './mlp.ts';
import { type LayerRouting, MixtureOfExperts } from './moe.ts';
import { type MtpOutput, MultiTokenPrediction } from './mtp.ts';
import { hasExperts } from './parameters.ts';
import { type PrecisionPolicy, precisions } from './precision.ts';
import { type ModelWeights, Weights } from './weights.ts';

export interface AheadOptions extends ForwardOptions {
  /** Whether the embedding, which the main model owns, gets no gradient from the module. @default false */
  readonly isDetached?: boolean;
}

export class Deepseek extends Decoder<DeepseekConfig> {
  readonly mtp: readonly MultiTokenPrediction[];

  /** `weights` stay the caller's. `context`: the longest sequence. @default context: maxPositionEmbeddings */
  constructor(config: DeepseekConfig, weights: ModelWeights, context: number = config.maxPositionEmbeddings) {
    super(config, weights, context, (layer, i) => makeBlock(config, layer, i));
    this.mtp = Array.from({ length: config.numNextnPredictLayers }, (_, k) => {
      const i = config.numHiddenLayers + k;
      const own = new Weights(weights).at('model').at('layers').at(i);
      return new MultiTokenPrediction(config.rmsNormEps, own, makeBlock(config, own, i));
    });
  }

  /**
   * Runs MTP module k = 0, 1, ...: hidden [T, D] (forward's for k = 0, then the previous module's) and ids [T] of the
   * tokens k + 1 ahead give hidden states and `out`, the input of the head.
   */
  predictAhead(k: number, hidden: Tensor, ids: Tensor, batch: Batch, options: AheadOptions = {}): MtpOutput {
    const module = this.mtp[k];
    if (!module) throw new ModelError('mtp', `module ${k} of ${this.mtp.length}`, 'use a model with more modules');
    const { policy = precisions.f32, cache = batchAlone(), isDetached = false } = options;
    const embedTokens = isDetached ? this.embedTokens.alias() : this.embedTokens; // another handle has no gradient
    return module.forward(hidden, ids, embedTokens, batch, this.ropeTable, policy, cache);
  }

  loss(batch: TrainingBatch, policy: PrecisionPolicy = precisions.f32): ModelLosses {
    const { out, routings } = this.forward(batch, { policy });
    const precision = policy.head;
    const main = crossEntropy(out, this.unpackedHead, batch.targets, { precision, count: batch.count });
    const chosen = [...routings];
    let hidden = out;
    const mtp = this.mtp.map((_, k) => {
      const ahead = batch.ahead[k];
      if (!ahead) throw new ModelError('batch', `no targets for MTP module ${k}`, 'pack with the depth of the model');
      const step = this.predictAhead(k, hidden, ahead.ids, batch, { policy });
      hidden = step.hidden;
      if (step.routing) chosen.push(step.routing);
      return crossEntropy(step.out, this.unpackedHead, ahead.targets, { precision, count: Math.max(1, ahead.count) });
    });
    return { main, balance: sumBalanceLosses(chosen, batch), mtp, routings: chosen };
  }
}

/** Makes layer `i`: MLA, then a dense feed-forward or experts. */
function makeBlock(config: DeepseekConfig, weights: Weights, i: number): Block {
  const attention = new MultiHeadLatentAttention(config, weights.at('self_attn'), i);
  const own = weights.at('mlp');
  const feedForward = hasExperts(config, i) ? new MixtureOfExperts(config, own) : new Mlp(own);
  return new Block(config.rmsNormEps, weights, attention, feedForward);
}

/** Computes the sequence-wise balance loss with alpha = 1: the mean over sequences, summed over layers. */
function sumBalanceLosses(routings: readonly LayerRouting[], { sequences }: Batch): Tensor | null {
  const each = routings.map(({ scores, indices }) => mean(balanceLoss(scores, indices, sequences.queryStart, 1)));
  return each.length === 0 ? null : each.reduce((sum, term) => add(sum, term));
}
