// Multi-head latent attention (DeepSeek-V3 report, section 2.1.1), in its two forms.
//
// Expanded: keys and values of every head are made from the latent; training and prompts. Absorbed: queries move into
// the latent space instead, one shared key of width C + R; generation, where reading the cache is what costs. Both keep
// the same cache: [RMSNorm(c_kv) | RoPE(k_pe)]. Shape letters: T tokens, S tokens with the cached ones, D hidden, H
// heads, N nope width, R rope width, V value width, Q and C ranks of queries and of keys and values. Inner norms have
// eps 1e-6 whatever rms_norm_eps says, as the released code. Both forms have gradients, and the same ones.
import {
  attention,
  concat,
  groupedLinear,
  linear,
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
  type Tensor,
} from '../tensor/index.ts';
import type { Batch } from './batch.ts';
import type { AttentionOptions } from './block.ts';
import type { DeepseekConfig } from './config.ts';
import { softmaxScale } from './rope.ts';
import type { Weights } from './weights.ts';

const innerEps = 1e-6;

/** Keys of the absorbed form: W_UK turned and W_UV, of each head. */
interface Absorbed {
  /** [H, C, N] */
  readonly keys: Tensor;
  /** [H, V, C] */
  readonly values: Tensor;
}

export class MultiHeadLatentAttention {
  /** [H (N + R), D], where queries are not compressed */
  readonly qProj: Tensor | null;
  /** [Q, D] */
  readonly qAProj: Tensor | null;
  /** [Q] */
  readonly qALayernorm: Tensor | null;
  /** [H (N + R), Q] */
  readonly qBProj: Tensor | null;
  /** [C + R, D] */
  readonly kvAProjWithMqa: Tensor;
  /** [C] */
  readonly kvALayernorm: Tensor;
  /** [H (N + V), C] */
  readonly kvBProj: Tensor;
  /** [D, H V] */
  readonly oProj: Tensor;
  readonly #config: DeepseekConfig;
  readonly #layer: number;

  constructor(config: DeepseekConfig, weights: Weights, layer: number) {
    this.#config = config;
    this.#layer = layer;
    this.qProj = weights.find('q_proj.weight');
    this.qAProj = weights.find('q_a_proj.weight');
    this.qALayernorm = weights.find('q_a_layernorm.weight');
    this.qBProj = weights.find('q_b_proj.weight');
    this.kvAProjWithMqa = weights.take('kv_a_proj_with_mqa.weight');
    this.kvALayernorm = weights.take('kv_a_layernorm.weight');
    this.kvBProj = weights.take('kv_b_proj.weight');
    this.oProj = weights.take('o_proj.weight');
  }

  /** x [T, D] to [T, D]. */
  forward(
    x: Tensor,
    batch: Batch,
    table: RopeTensors,
    { precision, cache, form = 'expanded' }: AttentionOptions,
  ): Tensor {
    const q = this.#queries(x, batch, table, precision);
    let latent = this.#latent(x, batch, table, precision);
    let { sequences } = batch;
    if (cache) ({ rows: latent, sequences } = cache.extend(this.#layer, latent, sequences));
    const attend = form === 'expanded' ? this.#expanded : this.#absorbed;
    const heads = attend.call(this, q, latent, sequences, precision); // [T, H, V]
    const [T, H, V] = heads.shape as [number, number, number];
    return linear(reshape(heads, [T, H * V]), this.oProj, { precision });
  }

  /** [T, H, N + R], the last R of each head rotated. */
  #queries(x: Tensor, { positions }: Batch, table: RopeTensors, precision: Precision): Tensor {
    const { numAttentionHeads: H, qkNopeHeadDim: N, qkRopeHeadDim: R } = this.#config;
    const flat =
      this.qProj !== null
        ? linear(x, this.qProj, { precision })
        : linear(
            rmsNorm(linear(x, this.qAProj as Tensor, { precision }), this.qALayernorm as Tensor, innerEps),
            this.qBProj as Tensor,
            { precision },
          );
    return rope(reshape(flat, [x.shape[0] as number, H, N + R]), positions, table);
  }

  /** What is cached: [T, C + R]. */
  #latent(x: Tensor, { positions }: Batch, table: RopeTensors, precision: Precision): Tensor {
    const { kvLoraRank: C, qkRopeHeadDim: R } = this.#config;
    const T = x.shape[0] as number;
    const [cKv, kPe] = split(linear(x, this.kvAProjWithMqa, { precision }), [C, R]) as [Tensor, Tensor];
    const turned = reshape(rope(reshape(kPe, [T, 1, R]), positions, table), [T, R]);
    return concat([rmsNorm(cKv, this.kvALayernorm, innerEps), turned]);
  }

  #expanded(q: Tensor, latent: Tensor, sequences: Sequences, precision: Precision): Tensor {
    const { numAttentionHeads: H, qkNopeHeadDim: N, qkRopeHeadDim: R, vHeadDim: V, kvLoraRank: C } = this.#config;
    const S = latent.shape[0] as number;
    const [cKv, kPe] = split(latent, [C, R]) as [Tensor, Tensor];
    const kv = reshape(linear(cKv, this.kvBProj, { precision }), [S, H, N + V]);
    const [kNope, v] = split(kv, [N, V]) as [Tensor, Tensor];
    const k = concat([kNope, repeatRow(kPe, H)]); // [S, H, N + R]
    return attention(q, k, v, sequences, { scale: softmaxScale(this.#config) });
  }

  #absorbed(q: Tensor, latent: Tensor, sequences: Sequences, precision: Precision): Tensor {
    const { numAttentionHeads: H, qkNopeHeadDim: N, qkRopeHeadDim: R, kvLoraRank: C } = this.#config;
    const T = q.shape[0] as number;
    const S = latent.shape[0] as number;
    const { keys, values } = this.#absorb();
    const [qNope, qPe] = split(q, [N, R]) as [Tensor, Tensor];
    const qLatent = perHead(qNope, keys, precision); // [T, H, C]
    const [cKv] = split(latent, [C, R]) as [Tensor, Tensor];
    const scale = softmaxScale(this.#config);
    const heads = attention(
      concat([qLatent, qPe]),
      reshape(latent, [S, 1, C + R]),
      reshape(cKv, [S, 1, C]),
      sequences,
      { scale },
    );
    return perHead(reshape(heads, [T, H, C]), values, precision);
  }

  /** W_UK and W_UV of each head from kv_b_proj. */
  #absorb(): Absorbed {
    const { numAttentionHeads: H, qkNopeHeadDim: N, vHeadDim: V, kvLoraRank: C } = this.#config;
    const turned = permute(reshape(this.kvBProj, [H, N + V, C]), [0, 2, 1]); // [H, C, N + V]
    const [keys, values] = split(turned, [N, V]) as [Tensor, Tensor];
    return { keys, values: permute(values, [0, 2, 1]) };
  }
}

/** Each head times its own matrix: x [T, H, K], w [H, M, K] to [T, H, M]. */
function perHead(x: Tensor, w: Tensor, precision: Precision): Tensor {
  const [T, H, K] = x.shape as [number, number, number];
  const M = w.shape[1] as number;
  const rows = reshape(permute(x, [1, 0, 2]), [H * T, K]);
  const offsets = range(H + 1, T, { device: x.device });
  const out = groupedLinear(rows, w, offsets, { precision: precision === 'fp8' ? 'bf16' : precision });
  return permute(reshape(out, [H, T, M]), [1, 0, 2]);
}
