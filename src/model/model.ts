// A model of any architecture: an embedding, blocks, a final norm, a head, and modules of multi-token prediction.
//
// Each block is attention (MLA or grouped queries), then a dense feed-forward or a mixture of experts, as Figure 2 of
// the DeepSeek-V3 report has it; architecture/ says which. One definition serves training, prefill and decode. A tied
// embedding is the head. Shape letters: T tokens, D hidden, V vocabulary.
import {
  add,
  balanceLoss,
  crossEntropy,
  embedding,
  linear,
  mean,
  type RopeTensors,
  scale,
  Tensor,
  type Weight,
} from '../tensor/index.ts';
import { type Blocks, describeBlocks } from './architecture/index.ts';
import type { Batch, TrainingBatch } from './batch.ts';
import { addAndNorm, Block, type ResidualStream } from './block.ts';
import { batchAlone, type Cache } from './cache.ts';
import type { GqaConfig, MlaConfig, ModelConfig } from './config.ts';
import { ModelError } from './errors.ts';
import { GroupedQueryAttention } from './gqa.ts';
import { MultiHeadLatentAttention } from './mla.ts';
import { Mlp } from './mlp.ts';
import { type LayerRouting, MixtureOfExperts } from './moe.ts';
import { type MtpOutput, MultiTokenPrediction } from './mtp.ts';
import { type PrecisionPolicy, precisions } from './precision.ts';
import { makeRopeTables, type RopeTables } from './rope.ts';
import { checkWeights, type ModelWeights, Weights } from './weights.ts';

export interface ForwardOptions {
  /** @default f32 */
  readonly policy?: PrecisionPolicy;
  /** Keeps the tokens before the batch and decides how attention is computed. @default the batch alone, expanded */
  readonly cache?: Cache;
}

/** Hidden states [T, D] after the final norm, and the routing of each MoE layer. */
export interface ForwardOutput {
  readonly out: Tensor;
  readonly routings: readonly LayerRouting[];
}

export interface AheadOptions extends ForwardOptions {
  /** Whether the embedding, which the main model owns, gets no gradient from the module. @default false */
  readonly isDetached?: boolean;
}

/** Losses in nats per token, without the factors alpha and lambda. */
export interface ModelLosses {
  readonly main: Tensor;
  /** Eq. 17 with alpha = 1: the mean over sequences, summed over MoE layers as in DeepSeek's code; null without MoE. */
  readonly balance: Tensor | null;
  /** One loss for each MTP module. */
  readonly mtp: readonly Tensor[];
  readonly routings: readonly LayerRouting[];
}

export class Model {
  readonly config: ModelConfig;
  readonly weights: ModelWeights;
  /** The longest sequence. */
  readonly context: number;
  /** [V, D] */
  readonly embedTokens: Weight;
  readonly layers: readonly Block[];
  /** [D] */
  readonly norm: Tensor;
  /** [V, D] */
  readonly lmHead: Weight;
  readonly mtp: readonly MultiTokenPrediction[];
  readonly #blocks: Blocks;
  readonly #ropes: RopeTables;

  /** `weights` stay the caller's. Throws ModelError when they do not fit. */
  constructor(config: ModelConfig, weights: ModelWeights, context: number) {
    checkWeights(config, weights);
    const all = new Weights(weights);
    const model = all.at('model');
    const blocks = describeBlocks(config);
    const { numHiddenLayers: L, rmsNormEps: eps } = config;
    const layers = model.at('layers');
    this.config = config;
    this.weights = weights;
    this.context = context;
    this.embedTokens = model.matrix('embed_tokens.weight');
    this.layers = Array.from({ length: L }, (_, i) => makeBlock(config, blocks, layers.at(i), i));
    this.norm = model.take('norm.weight');
    this.lmHead = all.findMatrix('lm_head.weight') ?? this.embedTokens;
    this.mtp = Array.from({ length: blocks.mtpModules }, (_, k) => {
      const own = layers.at(L + k);
      return new MultiTokenPrediction(eps, own, makeBlock(config, blocks, own, L + k));
    });
    this.#blocks = blocks;
    this.#ropes = makeRopeTables(config, context, { device: this.embedTokens.device });
  }

  forward(batch: Batch, { policy = precisions.f32, cache = batchAlone() }: ForwardOptions = {}): ForwardOutput {
    const routings: LayerRouting[] = [];
    let stream: ResidualStream = { residual: null, hidden: this.#embed(batch.ids) }; // [T, D]
    for (const [i, layer] of this.layers.entries()) {
      const step = layer.forward(stream, batch, this.#tableFor(i), { policy, cache });
      stream = step.stream;
      if (step.routing) routings.push(step.routing);
    }
    return { out: addAndNorm(stream, this.norm, this.config.rmsNormEps, policy).out, routings };
  }

  /** Computes logits [R, V] f32 of rows [R] i32 of hidden states. @default rows: all */
  logits(hidden: Tensor, rows?: Tensor, policy: PrecisionPolicy = precisions.f32): Tensor {
    const chosen = rows ? embedding(rows, hidden) : hidden;
    return linear(chosen, this.lmHead, { precision: policy.head, out: 'f32' });
  }

  /**
   * Runs MTP module k = 0, 1, ...: hidden [T, D] (forward's for k = 0, then the previous module's) and ids [T] of the
   * tokens k + 1 ahead give hidden states and `out`, the input of the head.
   */
  predictAhead(k: number, hidden: Tensor, ids: Tensor, batch: Batch, options: AheadOptions = {}): MtpOutput {
    const module = this.mtp[k];
    if (!module) throw new ModelError('mtp', `module ${k} of ${this.mtp.length}`, 'use a model with more modules');
    const { policy = precisions.f32, cache = batchAlone(), isDetached = false } = options;
    const own = this.embedTokens;
    const embedTokens = isDetached && own instanceof Tensor ? own.alias() : own; // another handle has no gradient
    const table = this.#tableFor(this.config.numHiddenLayers + k);
    return module.forward(hidden, this.#embed(ids, embedTokens), batch, table, policy, cache);
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

  /** The head for a loss. Throws ModelError when it is packed. */
  get unpackedHead(): Tensor {
    if (this.lmHead instanceof Tensor) return this.lmHead;
    throw new ModelError('loss', 'the head is packed', 'train on unpacked weights');
  }

  /** Frees the rotary tables; a model owns nothing else. */
  dispose(): void {
    for (const { cos, sin } of new Set(Object.values(this.#ropes))) {
      cos.dispose();
      sin.dispose();
    }
  }

  /** ids [T] to [T, D]. */
  #embed(ids: Tensor, embedTokens = this.embedTokens): Tensor {
    const { embeddingScale } = this.#blocks;
    const rows = embedding(ids, embedTokens);
    return embeddingScale === 1 ? rows : scale(rows, embeddingScale);
  }

  #tableFor(layer: number): RopeTensors | null {
    const name = this.#blocks.rope(layer);
    return name && this.#ropes[name];
  }
}

/** Creates the model of a configuration. @default context: maxPositionEmbeddings */
export function createModel(
  config: ModelConfig,
  weights: ModelWeights,
  context: number = config.maxPositionEmbeddings,
): Model {
  return new Model(config, weights, context);
}

/** Makes layer `i`: attention, then a dense feed-forward or experts. */
function makeBlock(config: ModelConfig, blocks: Blocks, weights: Weights, i: number): Block {
  const { gqa, experts, hasExperts, activation, window } = blocks;
  const own = weights.at('self_attn');
  const attention = gqa
    ? new GroupedQueryAttention(config as GqaConfig, gqa, window(i), own, i)
    : new MultiHeadLatentAttention(config as MlaConfig, own, i);
  const inner = weights.at('mlp');
  const feedForward =
    experts && hasExperts(i) ? new MixtureOfExperts(experts, inner, activation) : new Mlp(inner, activation);
  return new Block(config.rmsNormEps, weights, attention, feedForward);
}

/** Computes the sequence-wise balance loss with alpha = 1: the mean over sequences, summed over layers. */
function sumBalanceLosses(routings: readonly LayerRouting[], { sequences }: Batch): Tensor | null {
  const each = routings.map(({ scores, indices }) => mean(balanceLoss(scores, indices, sequences.queryStart, 1)));
  return each.length === 0 ? null : each.reduce((sum, term) => add(sum, term));
}
