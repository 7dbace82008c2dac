// The decoder that both families share: an embedding, blocks, a final norm, a head; tokens to hidden states and logits.
//
// A tied embedding is the head. Shape letters: T tokens, D hidden, V vocabulary.
import { embedding, linear, type RopeTensors, Tensor, type Weight } from '../tensor/index.ts';
import type { Batch } from './batch.ts';
import { addAndNorm, type Block, type ResidualStream } from './block.ts';
import { batchAlone, type Cache } from './cache.ts';
import type { ModelConfig } from './config.ts';
import { ModelError } from './errors.ts';
import type { LayerRouting } from './moe.ts';
import { type PrecisionPolicy, precisions } from './precision.ts';
import { makeRopeTable } from './rope.ts';
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

/** Losses in nats per token, without the factors alpha and lambda. */
export interface ModelLosses {
  readonly main: Tensor;
  /** Eq. 17 with alpha = 1: the mean over sequences, summed over MoE layers as in DeepSeek's code; null without MoE. */
  readonly balance: Tensor | null;
  /** One loss for each MTP module. */
  readonly mtp: readonly Tensor[];
  readonly routings: readonly LayerRouting[];
}

export class Decoder<Config extends ModelConfig> {
  readonly config: Config;
  readonly weights: ModelWeights;
  /** [V, D] */
  readonly embedTokens: Tensor;
  readonly layers: readonly Block[];
  /** [D] */
  readonly norm: Tensor;
  /** [V, D] */
  readonly lmHead: Weight;
  readonly ropeTable: RopeTensors;

  /** `weights` stay the caller's. `context`: the length of the longest sequence. */
  constructor(
    config: Config,
    weights: ModelWeights,
    context: number,
    makeBlock: (weights: Weights, layer: number) => Block,
  ) {
    checkWeights(config, weights);
    const all = new Weights(weights);
    const model = all.at('model');
    this.config = config;
    this.weights = weights;
    this.embedTokens = model.take('embed_tokens.weight');
    this.layers = Array.from({ length: config.numHiddenLayers }, (_, i) => makeBlock(model.at('layers').at(i), i));
    this.norm = model.take('norm.weight');
    this.lmHead = all.findMatrix('lm_head.weight') ?? this.embedTokens;
    this.ropeTable = makeRopeTable(config, context, { device: this.embedTokens.device });
  }

  forward(batch: Batch, { policy = precisions.f32, cache = batchAlone() }: ForwardOptions = {}): ForwardOutput {
    const routings: LayerRouting[] = [];
    let stream: ResidualStream = { residual: null, hidden: embedding(batch.ids, this.embedTokens) }; // [T, D]
    for (const layer of this.layers) {
      const step = layer.forward(stream, batch, this.ropeTable, { policy, cache });
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

  /** The head for a loss. Throws ModelError when it is packed. */
  get unpackedHead(): Tensor {
    if (this.lmHead instanceof Tensor) return this.lmHead;
    throw new ModelError('loss', 'the head is packed', 'train on unpacked weights');
  }

  /** Frees the rotary tables; a model owns nothing else. */
  dispose(): void {
    this.ropeTable.cos.dispose();
    this.ropeTable.sin.dispose();
  }
}
