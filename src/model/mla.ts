// Multi-head latent attention (DeepSeek-V3 report, section 2.1.1), in its two forms.
//
// Expanded: keys and values of every head are made from the latent; training and prompts. Absorbed: queries move into
// the latent space instead, one shared key of width C + R; generation, where reading the cache is what costs. Both keep
// the same cache: [RMSNorm(c_kv) | RoPE(k_pe)]; a cache that keeps heads holds what the expanded form makes of it. Shape letters: T tokens, S tokens with the cached ones, D hidden, H
// heads, N nope width, R rope width, V value width, Q and C ranks of queries and of keys and values. Inner norms have
// eps 1e-6 whatever rms_norm_eps says, as the released code. Both forms have gradients, and the same ones.
import {
  attention,
  concat,
  groupedLinear,
  linear,
  narrow,
  type Precision,
  permute,
  type RopeTensors,
  range,
  repeatRow,
  reshape,
  rmsNorm,
  rope,
  type Sequences,
  split,
  Tensor,
  type Weight,
} from '../tensor/index.ts';
import type { Batch } from './batch.ts';
import type { AttentionOptions } from './block.ts';
import type { Cache } from './cache.ts';
import type { DeepseekConfig } from './config.ts';
import { ModelError } from './errors.ts';
import { softmaxScale } from './rope.ts';
import type { Weights } from './weights.ts';

const innerEps = 1e-6;

/** W_UK turned and W_UV, of each head: what the absorbed form reads of kv_b_proj. */
interface Absorbed {
  /** [H, C, N] */
  readonly keys: Weight;
  /** [H, V, C] */
  readonly values: Weight;
}

/** Latent rows [S, C + R] of all sequences, and where they begin. */
interface Held {
  readonly rows: Tensor;
  readonly sequences: Sequences;
}

export class MultiHeadLatentAttention {
  /** [Q + C + R, D], or [H (N + R) + C + R, D] where queries are not compressed; of a model that serves */
  readonly qKvAProj: Weight | null;
  /** [H (N + R), D], where queries are not compressed */
  readonly qProj: Weight | null;
  /** [Q, D] */
  readonly qAProj: Weight | null;
  /** [Q] */
  readonly qALayernorm: Tensor | null;
  /** [H (N + R), Q] */
  readonly qBProj: Weight | null;
  /** [C + R, D] */
  readonly kvAProjWithMqa: Weight | null;
  /** [C] */
  readonly kvALayernorm: Tensor;
  /** [H (N + V), C] */
  readonly kvBProj: Weight;
  /** [D, H V] */
  readonly oProj: Weight;
  readonly #absorbed: Absorbed | null;
  readonly #config: DeepseekConfig;
  readonly #layer: number;

  constructor(config: DeepseekConfig, weights: Weights, layer: number) {
    this.#config = config;
    this.#layer = layer;
    this.qKvAProj = weights.findMatrix('q_kv_a_proj.weight');
    this.qProj = weights.findMatrix('q_proj.weight');
    this.qAProj = weights.findMatrix('q_a_proj.weight');
    this.qALayernorm = weights.find('q_a_layernorm.weight');
    this.qBProj = weights.findMatrix('q_b_proj.weight');
    this.kvAProjWithMqa = this.qKvAProj ? null : weights.matrix('kv_a_proj_with_mqa.weight');
    this.kvALayernorm = weights.take('kv_a_layernorm.weight');
    this.kvBProj = weights.matrix('kv_b_proj.weight');
    this.oProj = weights.matrix('o_proj.weight');
    const [keys, values] = [weights.findMatrix('k_b_proj'), weights.findMatrix('v_b_proj')];
    this.#absorbed = keys && values ? { keys, values } : null;
  }

  /** x [T, D] to [T, D]. */
  forward(
    x: Tensor,
    batch: Batch,
    table: RopeTensors,
    { precision, cache, form = 'expanded' }: AttentionOptions,
  ): Tensor {
    const { numAttentionHeads: H, qkNopeHeadDim: N, qkRopeHeadDim: R, vHeadDim: V } = this.#config;
    const T = x.shape[0];
    const { queries, kv } = this.#project(x, precision);
    const q = rope(reshape(queries, [T, H, N + R]), batch.positions, table); // the last R of each head
    const heads = this.#attend(q, kv, batch, table, { precision, cache, form }); // [T, H, V]
    return linear(reshape(heads, [T, H * V]), this.oProj, { precision });
  }

  #attend(q: Tensor, kv: Tensor, batch: Batch, table: RopeTensors, options: AttentionOptions): Tensor {
    const { precision, cache, form } = options;
    if (cache?.keepsHeads) return this.#overHeads(q, this.#latent(kv, batch, table), precision, cache);
    const held = this.#keep(kv, batch, table, cache);
    return form === 'expanded' ? this.#expand(q, held(), precision) : this.#absorb(q, held, precision, cache);
  }

  /** Stores what is cached; the function gives all rows of the sequences, with the batch's own. */
  #keep(kv: Tensor, batch: Batch, table: RopeTensors, cache?: Cache): () => Held {
    const { positions, sequences } = batch;
    if (cache?.storeLatent) {
      cache.storeLatent(this.#layer, kv, { gain: this.kvALayernorm, eps: innerEps, positions, table });
      return () => cache.rows(this.#layer, sequences);
    }
    const rows = this.#latent(kv, batch, table);
    cache?.store(this.#layer, rows);
    return () => cache?.rows(this.#layer, sequences) ?? { rows, sequences };
  }

  /** Queries [T, H (N + R)] and what the latent is made of, kv [T, C + R]. */
  #project(x: Tensor, precision: Precision): { queries: Tensor; kv: Tensor } {
    const { kvLoraRank: C, qkRopeHeadDim: R } = this.#config;
    const own = (w: Weight | null) => linear(x, w as Weight, { precision });
    const first = () => own(this.qProj ?? this.qAProj);
    const fused = this.qKvAProj && own(this.qKvAProj);
    const [q, kv] = fused ? columnsOf(fused, [fused.shape[1] - C - R, C + R]) : [first(), own(this.kvAProjWithMqa)];
    if (this.qBProj === null) return { queries: q, kv };
    const queries = linear(rmsNorm(q, this.qALayernorm as Tensor, innerEps), this.qBProj, { precision });
    return { queries, kv };
  }

  /** What is cached: [T, C + R]. */
  #latent(kv: Tensor, { positions }: Batch, table: RopeTensors): Tensor {
    const { kvLoraRank: C, qkRopeHeadDim: R } = this.#config;
    const T = kv.shape[0];
    const [cKv, kPe] = split(kv, [C, R]) as [Tensor, Tensor];
    const turned = reshape(rope(reshape(kPe, [T, 1, R]), positions, table), [T, R]);
    return concat([rmsNorm(cKv, this.kvALayernorm, innerEps), turned]);
  }

  /** Keys [S, H, N + R] and values [S, H, V] of every head, of latent rows [S, C + R]. */
  #headsOf(latent: Tensor, precision: Precision): { k: Tensor; v: Tensor } {
    const { numAttentionHeads: H, qkNopeHeadDim: N, qkRopeHeadDim: R, vHeadDim: V, kvLoraRank: C } = this.#config;
    const S = latent.shape[0];
    const [cKv, kPe] = split(latent, [C, R]) as [Tensor, Tensor];
    const kv = reshape(linear(cKv, this.kvBProj, { precision }), [S, H, N + V]);
    const [kNope, v] = split(kv, [N, V]) as [Tensor, Tensor];
    return { k: concat([kNope, repeatRow(kPe, H)]), v };
  }

  #expand(q: Tensor, { rows, sequences }: Held, precision: Precision): Tensor {
    const { k, v } = this.#headsOf(rows, precision);
    return attention(q, k, v, sequences, { scale: softmaxScale(this.#config) });
  }

  /** Stores keys and values of the batch's own tokens and attends to all of them where they lie. */
  #overHeads(q: Tensor, latent: Tensor, precision: Precision, cache: Cache): Tensor {
    const { numAttentionHeads: H, qkNopeHeadDim: N, qkRopeHeadDim: R, vHeadDim: V } = this.#config;
    const T = latent.shape[0];
    const { k, v } = this.#headsOf(latent, precision);
    cache.store(this.#layer, concat([reshape(k, [T, H * (N + R)]), reshape(v, [T, H * V])]));
    const layout = { keyHeads: H, keyWidth: N + R, valueWidth: V, valueOffset: H * (N + R) };
    const heads = cache.attend?.(this.#layer, q, { ...layout, scale: softmaxScale(this.#config) });
    if (heads) return heads;
    throw new ModelError('mla', 'the cache keeps heads but cannot attend to them', 'give it `attend`');
  }

  #absorb(q: Tensor, held: () => Held, precision: Precision, cache?: Cache): Tensor {
    const { numAttentionHeads: H, qkNopeHeadDim: N, qkRopeHeadDim: R, kvLoraRank: C } = this.#config;
    const T = q.shape[0];
    const { keys, values } = this.#absorbed ?? this.#halves();
    const [qNope, qPe] = split(q, [N, R]) as [Tensor, Tensor];
    const qLatent = concat([perHead(qNope, keys, precision), qPe]); // [T, H, C + R]
    const layout = { keyHeads: 1, keyWidth: C + R, valueWidth: C, valueOffset: 0, scale: softmaxScale(this.#config) };
    const heads = cache?.attend?.(this.#layer, qLatent, layout) ?? this.#overLatent(qLatent, held(), layout.scale);
    return perHead(reshape(heads, [T, H, C]), values, precision);
  }

  #overLatent(q: Tensor, { rows: latent, sequences }: Held, scale: number): Tensor {
    const { qkRopeHeadDim: R, kvLoraRank: C } = this.#config;
    const S = latent.shape[0];
    const [cKv] = split(latent, [C, R]) as [Tensor, Tensor];
    return attention(q, reshape(latent, [S, 1, C + R]), reshape(cKv, [S, 1, C]), sequences, { scale });
  }

  #halves(): Absorbed {
    if (this.kvBProj instanceof Tensor) return absorbedHalves(this.#config, this.kvBProj);
    throw new ModelError('mla', 'kv_b_proj is packed, k_b_proj and v_b_proj are missing', 'pack them too');
  }
}

/** kv_b_proj [H (N + V), C] as the absorbed form reads it: W_UK turned [H, C, N] and W_UV [H, V, C]. */
export function absorbedHalves(config: DeepseekConfig, kvBProj: Tensor): { keys: Tensor; values: Tensor } {
  const { numAttentionHeads: H, qkNopeHeadDim: N, vHeadDim: V, kvLoraRank: C } = config;
  const turned = permute(reshape(kvBProj, [H, N + V, C]), [0, 2, 1]); // [H, C, N + V]
  const [keys, values] = split(turned, [N, V]) as [Tensor, Tensor];
  return { keys, values: permute(values, [0, 2, 1]) };
}

/** Columns of x [T, ..]; those of one token lie as they are. */
function columnsOf(x: Tensor, [first, second]: readonly [number, number]): [Tensor, Tensor] {
  if (x.shape[0] !== 1) return split(x, [first, second]) as [Tensor, Tensor];
  const row = reshape(x, [first + second]);
  return [reshape(narrow(row, 0, first), [1, first]), reshape(narrow(row, first, second), [1, second])];
}

/** Each head times its own matrix: x [T, H, K], w [H, M, K] to [T, H, M]. */
function perHead(x: Tensor, w: Weight, precision: Precision): Tensor {
  const [T, H, K] = x.shape as [number, number, number];
  const M = w.shape[1];
  const byHead = (y: Tensor) => (T === 1 ? y : permute(y, [1, 0, 2])); // one token is in order either way
  const rows = reshape(byHead(x), [H * T, K]);
  const offsets = range(H + 1, T, { device: x.device });
  const out = groupedLinear(rows, w, offsets, { precision: precision === 'fp8' ? 'bf16' : precision });
  return T === 1 ? reshape(out, [T, H, M]) : permute(reshape(out, [H, T, M]), [1, 0, 2]);
}
