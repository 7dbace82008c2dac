// Fields of a configuration that contradict each other.
import type { Refusal } from '../errors.ts';
import type { GqaConfig, MlaConfig, RopeScaling } from './architecture.ts';

/** Experts of all layers together; DeepSeek-V3 has 14,848. */
const maxExperts = 2 ** 17;

/** Finds a number of experts that no machine has. */
export function findTooManyExperts(field: string, experts: number, depth: number): Refusal | null {
  if (experts * depth <= maxExperts) return null;
  return [field, `at most ${Math.floor(maxExperts / depth)} in each of ${depth} layers`, experts];
}

type GroupedChoice = Pick<MlaConfig, 'nRoutedExperts' | 'numExpertsPerTok' | 'nGroup' | 'topkGroup'>;

/** Finds groups that do not divide the experts, and choices beyond them. */
export function findGroupInconsistency(c: GroupedChoice): Refusal | null {
  const { nRoutedExperts: experts, numExpertsPerTok: top } = c;
  const groups = c.nGroup ?? 1;
  const chosen = c.topkGroup ?? groups;
  if (experts % groups !== 0) return ['n_group', `a divisor of n_routed_experts = ${experts}`, groups];
  if (chosen > groups) return ['topk_group', `at most n_group = ${groups}`, chosen];
  if (top > (experts / groups) * chosen)
    return ['num_experts_per_tok', `at most the ${(experts / groups) * chosen} experts of topk_group groups`, top];
  return null;
}

/** Finds dense layers beyond the last. */
export function findDenseInconsistency(c: Pick<MlaConfig, 'firstKDenseReplace' | 'numHiddenLayers'>): Refusal | null {
  const { firstKDenseReplace: dense, numHiddenLayers: depth } = c;
  return dense > depth ? ['first_k_dense_replace', `at most num_hidden_layers = ${depth}`, dense] : null;
}

export function findMlaInconsistency(config: MlaConfig): Refusal | null {
  const { nRoutedExperts: experts, numExpertsPerTok: top, numHiddenLayers: depth, qkRopeHeadDim } = config;
  const tooMany = findTooManyExperts('n_routed_experts', experts, depth);
  if (tooMany) return tooMany;
  if (qkRopeHeadDim % 2 !== 0) return ['qk_rope_head_dim', 'an even number', qkRopeHeadDim];
  const tooDense = findDenseInconsistency(config);
  if (tooDense) return tooDense;
  if (config.topkMethod === 'greedy') return top > experts ? ['num_experts_per_tok', `at most ${experts}`, top] : null;
  return findGroupInconsistency(config);
}

/** Finds what contradicts in any grouped-query attention. `rotaryDim`: the elements of a head that turn. */
export function findGqaInconsistency(config: GqaConfig, rotaryDim: number): Refusal | null {
  const { numAttentionHeads: heads, numKeyValueHeads: kv, headDim, ropeScaling } = config;
  if (heads % kv !== 0) return ['num_key_value_heads', `a divisor of num_attention_heads = ${heads}`, kv];
  if (headDim % 2 !== 0 || headDim === 0) return ['head_dim', 'an even number', headDim];
  if (rotaryDim % 2 !== 0 || rotaryDim === 0 || rotaryDim > headDim)
    return ['partial_rotary_factor', `an even number of the ${headDim} elements of a head`, rotaryDim / headDim];
  if (ropeScaling?.type === 'longrope') return findFactorInconsistency(ropeScaling, rotaryDim / 2);
  if (ropeScaling?.type !== 'yarn') return null;
  const { mscale, mscaleAllDim } = ropeScaling; // transformers takes the two together, or neither
  if (mscaleAllDim === 0 && mscale !== 1) return ['rope_scaling.mscale', '1, or mscale_all_dim beside it', mscale];
  return mscale === 0 ? ['rope_scaling.mscale', 'a positive number', mscale] : null;
}

function findFactorInconsistency(scaling: Extract<RopeScaling, { type: 'longrope' }>, pairs: number): Refusal | null {
  const lists = [
    ['short_factor', scaling.shortFactor.length],
    ['long_factor', scaling.longFactor.length],
  ] as const;
  const wrong = lists.find(([, length]) => length !== pairs);
  return wrong ? [`rope_scaling.${wrong[0]}`, `${pairs} factors, one for each pair of a head`, wrong[1]] : null;
}
