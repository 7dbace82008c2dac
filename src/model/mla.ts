// Multi-head latent attention: equations 1 to 11 of the DeepSeek-V3 report (section 2.1.1).
//
// A cache keeps one row a token, [RMSNorm(c_kv) | RoPE(k_pe)], and chooses the form. Expanded: keys and values of every
// head are made from the latent. Absorbed: queries move into the latent space, where all heads share one key of width C
// + R. Both forms have the same gradients. Inner norms have eps 1e-6 whatever rms_norm_eps says, as the released code.
// Shape letters: T tokens, S tokens with the cached ones, D hidden, H heads, N nope width, R rope width, V value width,
// Q and C ranks of queries and of keys and values.
import {
  cast,
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
  split,
  Tensor,
  type Weight,
  writeLatentCache,
} from '../tensor/index.ts';
import type { Batch } from './batch.ts';
import type { AttentionOptions } from './block.ts';
import type { FreshTokens, HeadRows, RowLayout } from './cache.ts';
import type { MlaConfig } from './config.ts';
import { ModelError } from './errors.ts';
import type { PrecisionPolicy } from './precision.ts';
import { softmaxScale } from './rope.ts';
import type { Weights } from './weights.ts';

const innerEps = 1e-6;

/** The two halves of kv_b_proj as the absorbed form reads them. */
interface AbsorbedWeights {
  /** W_UK of each head, transposed: [H, C, N] */
  readonly keys: Weight;
  /** W_UV of each head: [H, V, C] */
  readonly values: Weight;
}

export class MultiHeadLatentAttention {
  /** W_DQ (or W_Q, where queries are not compressed) and W_DKV with W_KR: [Q, D] and [C + R, D], or fused as one. */
  readonly downProj: readonly Weight[];
  /** The norm [Q] and W_UQ with W_QR [H (N + R), Q]; null where queries are not compressed. */
  readonly queryUp: { readonly qALayernorm: Tensor; readonly qBProj: Weight } | null;
  /** [C] */
  readonly kvALayernorm: Tensor;
  /** W_UK and W_UV: [H (N + V), C] */
  readonly kvBProj: Weight;
  /** W_O: [D, H V] */
  readonly oProj: Weight;
  readonly #absorbed: () => AbsorbedWeights;
  readonly #config: MlaConfig;
  readonly #layer: number;

  constructor(config: MlaConfig, weights: Weights, layer: number) {
    this.#config = config;
    this.#layer = layer;
    const isCompressed = config.qLoraRank !== null;
    const fused = weights.findMatrix('q_kv_a_proj.weight');
    const apart = [isCompressed ? 'q_a_proj.weight' : 'q_proj.weight', 'kv_a_proj_with_mqa.weight'];
    this.downProj = fused ? [fused] : apart.map((name) => weights.matrix(name));
    this.queryUp = isCompressed
      ? { qALayernorm: weights.take('q_a_layernorm.weight'), qBProj: weights.matrix('q_b_proj.weight') }
      : null;
    this.kvALayernorm = weights.take('kv_a_layernorm.weight');
    this.kvBProj = weights.matrix('kv_b_proj.weight');
    this.oProj = weights.matrix('o_proj.weight');
    const [keys, values] = [weights.findMatrix('k_b_proj'), weights.findMatrix('v_b_proj')];
    this.#absorbed = () => (keys && values ? { keys, values } : splitUnpacked(config, this.kvBProj));
  }

  /** x [T, D] to [T, D]. */
  forward(x: Tensor, batch: Batch, table: RopeTensors | null, { policy, cache }: AttentionOptions): Tensor {
    if (table === null) throw new ModelError('mla', 'no rotary table', 'report it');
    const { numAttentionHeads: H, qkNopeHeadDim: N, qkRopeHeadDim: R, vHeadDim: V } = this.#config;
    const T = x.shape[0];
    const { linear: precision, activations } = policy;
    const { queries, kv } = this.#project(x, policy);
    const q = rope(reshape(queries, [T, H, N + R]), batch.positions, table); // the last R of each head: eq. 8 and 9
    const heads = cache.attend(this.#layer, q, this.#fresh(kv, batch, table, policy)); // [T, H, V]: eq. 10
    return linear(reshape(heads, [T, H * V]), this.oProj, { precision, out: activations }); // eq. 11
  }

  /**
   * Computes queries [T, H (N + R)] (eq. 6 to 8, before RoPE) and kv [T, C + R] (eq. 1 and 3, before norm and RoPE).
   */
  #project(x: Tensor, policy: PrecisionPolicy): { queries: Tensor; kv: Tensor } {
    const { linear: precision, activations, attention } = policy;
    const { kvLoraRank: C, qkRopeHeadDim: R } = this.#config;
    const [first, second] = this.downProj.map((w) => linear(x, w, { precision, out: 'f32' }));
    const [q, kv] = second ? [first, second] : splitColumns(first, [first.shape[1] - C - R, C + R]);
    if (this.queryUp === null) return { queries: cast(q, attention), kv };
    const { qALayernorm, qBProj } = this.queryUp;
    const normed = rmsNorm(q, qALayernorm, innerEps, activations);
    return { queries: linear(normed, qBProj, { precision, out: attention }), kv };
  }

  #fresh(kv: Tensor, batch: Batch, table: RopeTensors, policy: PrecisionPolicy): FreshTokens {
    const { positions, sequences } = batch;
    const rows = () => this.#latent(kv, positions, table);
    return {
      sequences,
      mask: { scale: softmaxScale(this.#config), window: null },
      rows,
      write: (pool, slots) => writeLatentCache(pool, kv, this.kvALayernorm, positions, slots, table, innerEps),
      heads: () => this.#expand(rows(), policy),
      expand: (all) => this.#expand(all, policy),
      absorb: (q, attend) => this.#absorb(q, attend, policy.linear),
    };
  }

  /** Computes what is cached, [T, C + R] (eq. 1 and 3). */
  #latent(kv: Tensor, positions: Tensor, table: RopeTensors): Tensor {
    const { kvLoraRank: C, qkRopeHeadDim: R } = this.#config;
    const T = kv.shape[0];
    const [cKv, kPe] = split(kv, [C, R]) as [Tensor, Tensor];
    const rotated = reshape(rope(reshape(kPe, [T, 1, R]), positions, table), [T, R]);
    return concat([rmsNorm(cKv, this.kvALayernorm, innerEps), rotated]);
  }

  /** Computes keys [S, H, N + R] and values [S, H, V] of every head from rows [S, C + R] (eq. 2, 4 and 5). */
  #expand(rows: Tensor, { linear: precision, attention: out }: PrecisionPolicy): HeadRows {
    const { numAttentionHeads: H, qkNopeHeadDim: N, qkRopeHeadDim: R, vHeadDim: V, kvLoraRank: C } = this.#config;
    const S = rows.shape[0];
    const [cKv, kPe] = split(rows, [C, R]) as [Tensor, Tensor];
    const kv = reshape(linear(cKv, this.kvBProj, { precision, out }), [S, H, N + V]);
    const [kNope, values] = split(kv, [N, V]) as [Tensor, Tensor];
    return { keys: concat([kNope, repeatRow(cast(kPe, out), H)]), values };
  }

  /** Attends in the latent space: W_UK acts on queries [T, H, N + R], W_UV on what attention gives. */
  #absorb(q: Tensor, attend: (q: Tensor, layout: RowLayout) => Tensor, precision: Precision): Tensor {
    const { numAttentionHeads: H, qkNopeHeadDim: N, qkRopeHeadDim: R, kvLoraRank: C } = this.#config;
    const { keys, values } = this.#absorbed();
    const [qNope, qPe] = split(q, [N, R]) as [Tensor, Tensor];
    const qLatent = concat([perHead(qNope, keys, precision), qPe]); // [T, H, C + R]
    const heads = attend(qLatent, { keyHeads: 1, keyWidth: C + R, valueWidth: C, valueOffset: 0 }); // [T, H, C]
    return perHead(reshape(heads, [q.shape[0], H, C]), values, precision);
  }
}

function splitUnpacked(config: MlaConfig, kvBProj: Weight): AbsorbedWeights {
  if (kvBProj instanceof Tensor) return splitKvB(config, kvBProj);
  throw new ModelError('mla', 'kv_b_proj is packed, k_b_proj and v_b_proj are missing', 'pack them too');
}

/** Splits kv_b_proj [H (N + V), C] into W_UK, transposed [H, C, N], and W_UV [H, V, C]. */
export function splitKvB(config: MlaConfig, kvBProj: Tensor): { keys: Tensor; values: Tensor } {
  const { numAttentionHeads: H, qkNopeHeadDim: N, vHeadDim: V, kvLoraRank: C } = config;
  const turned = permute(reshape(kvBProj, [H, N + V, C]), [0, 2, 1]); // [H, C, N + V]
  const [keys, values] = split(turned, [N, V]) as [Tensor, Tensor];
  return { keys, values: permute(values, [0, 2, 1]) };
}

/** Splits the columns of x [T, ..]; for one token without a copy. */
function splitColumns(x: Tensor, [first, second]: readonly [number, number]): [Tensor, Tensor] {
  if (x.shape[0] !== 1) return split(x, [first, second]) as [Tensor, Tensor];
  const row = reshape(x, [first + second]);
  return [reshape(narrow(row, 0, first), [1, first]), reshape(narrow(row, first, second), [1, second])];
}

/** Multiplies each head by its own matrix: x [T, H, K], w [H, M, K] to [T, H, M]. */
function perHead(x: Tensor, w: Weight, precision: Precision): Tensor {
  const [T, H, K] = x.shape as [number, number, number];
  const M = w.shape[1];
  const byHead = (y: Tensor) => (T === 1 ? y : permute(y, [1, 0, 2])); // one token is in order either way
  const rows = reshape(byHead(x), [H * T, K]);
  const offsets = range(H + 1, T, { device: x.device });
  const out = groupedLinear(rows, w, offsets, { precision: precision === 'fp8' ? 'bf16' : precision });
  return T === 1 ? reshape(out, [T, H, M]) : permute(reshape(out, [H, T, M]), [1, 0, 2]);
}
