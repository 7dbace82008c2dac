// DeepSeek-V3 (and V2): Figure 2 of the V3 report, top to bottom.
//
// One definition for training, prompts and generation. forward: hidden states after the final norm; logits: of chosen
// rows; loss: main cross-entropy, the balance loss of each sequence and the MTP losses, each as its own tensor.
// Shape letters: T tokens, D hidden, V vocabulary.
import {
  add,
  balanceLoss,
  crossEntropy,
  embedding,
  linear,
  mean,
  type RopeTensors,
  type Tensor,
} from '../tensor/index.ts';
import type { Batch, TrainingBatch } from './batch.ts';
import { type Block, normed, type Stream } from './block.ts';
import type { Cache } from './cache.ts';
import type { DeepseekConfig } from './config.ts';
import { ModelError } from './errors.ts';
import type { MlaForm } from './mla.ts';
import type { LayerRouting } from './moe.ts';
import { deepseekBlock, MultiTokenPrediction, type Prediction } from './mtp.ts';
import { type PrecisionPolicy, precisions } from './precision.ts';
import { ropeOf } from './rope.ts';
import { checkWeights, type WeightMap, Weights } from './weights.ts';

export interface ForwardOptions {
  /** @default f32 */
  readonly policy?: PrecisionPolicy;
  readonly cache?: Cache;
  /** @default expanded */
  readonly form?: MlaForm;
}

/** Hidden states [T, D] after the final norm, and what each MoE layer chose. */
export interface Hidden {
  readonly out: Tensor;
  readonly routings: readonly LayerRouting[];
}

/** Losses in nats a token; alpha and lambda are not yet in them. */
export interface Losses {
  readonly main: Tensor;
  /** Eq. 17 with alpha = 1: the mean over sequences, summed over MoE layers as in DeepSeek's code; null without any. */
  readonly balance: Tensor | null;
  /** Of each MTP module. */
  readonly mtp: readonly Tensor[];
  readonly routings: readonly LayerRouting[];
}

export class Deepseek {
  readonly config: DeepseekConfig;
  /** [V, D] */
  readonly embedTokens: Tensor;
  readonly layers: readonly Block[];
  /** [D] */
  readonly norm: Tensor;
  /** [V, D] */
  readonly lmHead: Tensor;
  readonly mtp: readonly MultiTokenPrediction[];
  readonly #table: RopeTensors;

  /** `weights` stay the caller's. `context`: the longest sequence. @default context: maxPositionEmbeddings */
  constructor(config: DeepseekConfig, weights: WeightMap, context: number = config.maxPositionEmbeddings) {
    checkWeights(config, weights);
    const all = new Weights(weights);
    const model = all.at('model');
    this.config = config;
    this.embedTokens = model.take('embed_tokens.weight');
    const main = config.numHiddenLayers;
    this.layers = Array.from({ length: main }, (_, i) => deepseekBlock(config, model.at('layers').at(i), i));
    this.norm = model.take('norm.weight');
    this.lmHead = all.find('lm_head.weight') ?? this.embedTokens;
    this.mtp = Array.from({ length: config.numNextnPredictLayers }, (_, k) => {
      const layer = main + k;
      return new MultiTokenPrediction(config, model.at('layers').at(layer), layer);
    });
    this.#table = ropeOf(config, context, { device: this.embedTokens.device });
  }

  forward(batch: Batch, { policy = precisions.f32, cache, form }: ForwardOptions = {}): Hidden {
    const routings: LayerRouting[] = [];
    let stream: Stream = { sum: embedding(batch.ids, this.embedTokens), term: null }; // [T, D]
    for (const layer of this.layers) {
      const step = layer.forward(stream, batch, this.#table, { precision: policy.linear, cache, form });
      stream = step.stream;
      if (step.routing) routings.push(step.routing);
    }
    const { out } = normed(stream, this.norm, this.config.rmsNormEps);
    return { out, routings };
  }

  /** Logits [R, V] f32 of rows [R] i32 of hidden states; of all rows without. */
  logits(hidden: Tensor, rows?: Tensor, policy: PrecisionPolicy = precisions.f32): Tensor {
    const chosen = rows ? embedding(rows, hidden) : hidden;
    return linear(chosen, this.lmHead, { precision: policy.head, out: 'f32' });
  }

  /**
   * MTP module k = 0, 1, ...: hidden [T, D] (forward's for k = 0, then the module's before) and ids [T] of the tokens
   * k + 1 ahead, to its hidden states and `out`, of which logits are taken.
   */
  predictAhead(k: number, hidden: Tensor, ids: Tensor, batch: Batch, options: ForwardOptions = {}): Prediction {
    const module = this.mtp[k];
    if (!module) throw new ModelError('mtp', `module ${k} of ${this.mtp.length}`, 'use a model with more modules');
    const { policy = precisions.f32, ...attention } = options;
    return module.forward(hidden, ids, this.embedTokens, batch, this.#table, policy, attention);
  }

  loss(batch: TrainingBatch, policy: PrecisionPolicy = precisions.f32): Losses {
    const { out, routings } = this.forward(batch, { policy });
    const precision = policy.head;
    const main = crossEntropy(out, this.lmHead, batch.targets, { precision, count: batch.count });
    const chosen = [...routings];
    let hidden = out;
    const mtp = this.mtp.map((_, k) => {
      const ahead = batch.ahead[k];
      if (!ahead) throw new ModelError('batch', `no targets for MTP module ${k}`, 'pack with the depth of the model');
      const step = this.predictAhead(k, hidden, ahead.ids, batch, { policy });
      hidden = step.hidden;
      if (step.routing) chosen.push(step.routing);
      return crossEntropy(step.out, this.lmHead, ahead.targets, { precision, count: Math.max(1, ahead.count) });
    });
    return { main, balance: balanceOf(chosen, batch), mtp, routings: chosen };
  }

  /** Frees the rotary tables, which are all that a model owns. */
  dispose(): void {
    this.#table.cos.dispose();
    this.#table.sin.dispose();
  }
}

/** The sequence-wise balance loss with alpha = 1, its mean over sequences summed over layers. */
function balanceOf(routings: readonly LayerRouting[], { sequences }: Batch): Tensor | null {
  const each = routings.map(({ scores, indices }) => mean(balanceLoss(scores, indices, sequences.queryStart, 1)));
  return each.length === 0 ? null : each.reduce((sum, term) => add(sum, term));
}
