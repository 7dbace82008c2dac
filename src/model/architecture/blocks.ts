// The blocks that architectures are made of, as data: attention, feed-forward, norms, rotary embeddings.
//
// An architecture says with them what its model computes; parameters, cost, and the model itself read nothing else of
// it. Shape letters: H query heads, N head width, E routed experts, F width of an expert.
import type { GgufKeyRow, GqaConfig, MlaConfig, RopeScaling } from './architecture.ts';

/** Grouped-query attention. */
export interface Gqa {
  readonly qkvBias: boolean;
  readonly outBias: boolean;
  /** Whether RMSNorm is applied to each head of queries and keys, before they are turned. */
  readonly qkNorm: boolean;
  /** The factor of the products of queries and keys. */
  readonly scale: number;
}

/** How a token chooses experts (RouterConfig of the tensor module, which no browser loads). */
interface Choice {
  readonly numExpertsPerTok: number;
  readonly nGroup: number;
  readonly topkGroup: number;
  /** How many of a group's best scores rank it. */
  readonly groupBest: number;
  readonly scoringFunc: 'sigmoid' | 'softmax';
  readonly normTopkProb: boolean;
  readonly routedScalingFactor: number;
}

/** A mixture of experts. */
export interface Experts {
  /** E */
  readonly routed: number;
  /** F */
  readonly width: number;
  /** The width of the shared experts together; 0: none. */
  readonly sharedWidth: number;
  /** Whether a bias, updated by the balancing rule, takes part in the choice. */
  readonly hasCorrection: boolean;
  readonly router: Choice;
}

/** A rotary embedding: its base and what stretches it. */
export interface RopeSpec {
  readonly base: number;
  readonly scaling: RopeScaling | null;
}

/** Which rotary embedding turns a layer; null: none does. */
export type RopeName = 'global' | 'local';

/** What a model computes, beside the sizes that every configuration has. */
export interface Blocks {
  /** null: multi-head latent attention */
  readonly gqa: Gqa | null;
  /** The elements of a head that turn: the first ones of grouped-query attention, the last ones of MLA. */
  readonly rotaryDim: number;
  readonly ropes: { readonly global: RopeSpec; readonly local: RopeSpec | null };
  readonly rope: (layer: number) => RopeName | null;
  /** How many keys a query sees, itself included; null: all of them. */
  readonly window: (layer: number) => number | null;
  readonly experts: Experts | null;
  readonly hasExperts: (layer: number) => boolean;
  readonly activation: 'silu' | 'gelu';
  /** pre: before attention and feed-forward; sandwich: after them too */
  readonly norms: 'pre' | 'sandwich';
  /** What embeddings are multiplied by; the head, though tied, is not. */
  readonly embeddingScale: number;
  readonly mtpModules: number;
}

const plain = {
  rope: (): RopeName => 'global',
  window: () => null,
  experts: null,
  hasExperts: () => false,
  activation: 'silu',
  norms: 'pre',
  embeddingScale: 1,
  mtpModules: 0,
} as const;

/** llama.cpp's names of the norms of heads. */
export const ggufHeadNorms = {
  'self_attn.q_norm.weight': 'attn_q_norm.weight',
  'self_attn.k_norm.weight': 'attn_k_norm.weight',
};

/** llama.cpp's keys of DeepSeek's experts and MTP modules. */
export const ggufExpertKeys: readonly GgufKeyRow[] = [
  ['leading_dense_block_count', 'first_k_dense_replace', 'u32'],
  ['expert_count', 'n_routed_experts', 'u32'],
  ['expert_used_count', 'num_experts_per_tok', 'u32'],
  ['expert_shared_count', 'n_shared_experts', 'u32', 0],
  ['expert_feed_forward_length', 'moe_intermediate_size', 'u32'],
  ['expert_weights_scale', 'routed_scaling_factor', 'f32', 1],
  ['expert_weights_norm', 'norm_topk_prob', 'bool', false],
  ['expert_group_count', 'n_group', 'u32', 1],
  ['expert_group_used_count', 'topk_group', 'u32', 1],
  ['nextn_predict_layers', 'num_nextn_predict_layers', 'u32', 0],
];

type GqaOptions = Partial<Gqa & Omit<Blocks, 'gqa' | 'ropes'>> & { readonly localRope?: RopeSpec };

/** Returns Llama's blocks, but for what `options` says. */
export function gqa({ headDim, ropeTheta: base, ropeScaling: scaling }: GqaConfig, options: GqaOptions = {}): Blocks {
  const { qkvBias = false, outBias = false, qkNorm = false, scale = headDim ** -0.5, ...others } = options;
  const { rotaryDim = headDim, localRope: local = null, ...rest } = others;
  const ropes = { global: { base, scaling }, local };
  return { ...plain, ...rest, rotaryDim, ropes, gqa: { qkvBias, outBias, qkNorm, scale } };
}

/** The fields of expertFields (fields.ts), with the rules of choice. */
type ExpertConfig = Pick<
  MlaConfig,
  | 'nRoutedExperts'
  | 'numExpertsPerTok'
  | 'moeIntermediateSize'
  | 'nSharedExperts'
  | 'nGroup'
  | 'topkGroup'
  | 'normTopkProb'
  | 'routedScalingFactor'
  | 'scoringFunc'
  | 'topkMethod'
>;

/** Returns DeepSeek's experts. V2 ranks groups by their best score, V3 by their two best. */
export function deepseekExperts(c: ExpertConfig): Experts {
  const grouped = c.topkMethod !== 'greedy';
  const nGroup = grouped ? (c.nGroup ?? 1) : 1;
  return {
    routed: c.nRoutedExperts,
    width: c.moeIntermediateSize,
    sharedWidth: c.moeIntermediateSize * (c.nSharedExperts ?? 0),
    hasCorrection: c.topkMethod === 'noaux_tc',
    router: {
      numExpertsPerTok: c.numExpertsPerTok,
      nGroup,
      topkGroup: grouped ? (c.topkGroup ?? nGroup) : 1,
      groupBest: c.topkMethod === 'noaux_tc' ? Math.min(2, c.nRoutedExperts / nGroup) : 1,
      scoringFunc: c.scoringFunc,
      normTopkProb: c.normTopkProb,
      routedScalingFactor: c.routedScalingFactor,
    },
  };
}

/** Returns DeepSeek's blocks: latent attention, then a dense feed-forward or experts. */
export function mla(c: MlaConfig, experts = deepseekExperts(c)): Blocks {
  return {
    ...plain,
    gqa: null,
    rotaryDim: c.qkRopeHeadDim,
    ropes: { global: { base: c.ropeTheta, scaling: c.ropeScaling }, local: null },
    experts,
    hasExperts: (layer) => layer >= c.firstKDenseReplace,
    mtpModules: c.numNextnPredictLayers,
  };
}
