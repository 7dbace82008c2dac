// Qwen3-MoE (30B-A3B, 235B-A22B): Qwen3's attention, softmax-scored experts without groups, bias, or shared expert.
//
// Source: configuration_qwen3_moe.py and modeling_qwen3_moe.py.
import { z } from 'zod';
import { architecture } from './architecture.ts';
import { ggufHeadNorms, gqa } from './blocks.ts';
import { findTooManyExperts } from './checks.ts';
import { atLeastZero, count, gqaFields, withDefaults } from './fields.ts';

export const qwen3Moe = architecture({
  modelType: 'qwen3_moe',
  classes: ['Qwen3MoeForCausalLM'],
  gguf: {
    architecture: 'qwen3moe',
    tensors: ggufHeadNorms,
    keys: [
      ['expert_count', 'num_experts', 'u32'],
      ['expert_used_count', 'num_experts_per_tok', 'u32'],
      ['expert_feed_forward_length', 'moe_intermediate_size', 'u32'],
    ],
    implied: () => ({ norm_topk_prob: true }),
  },
  fields: {
    ...withDefaults(gqaFields, {
      vocabSize: 151936,
      hiddenSize: 2048,
      intermediateSize: 6144,
      numHiddenLayers: 24,
      numAttentionHeads: 32,
      numKeyValueHeads: 4,
      maxPositionEmbeddings: 32768,
    }),
    attentionBias: z.boolean().default(false),
    useSlidingWindow: z.literal(false).default(false),
    moeIntermediateSize: count.default(768),
    numExperts: count.default(128),
    numExpertsPerTok: count.default(8),
    normTopkProb: z.boolean().default(false),
    /** Every so many layers has experts, the last of each such group. */
    decoderSparseStep: count.default(1),
    /** Layers without experts. */
    mlpOnlyLayers: z.array(atLeastZero).default([]),
  },
  unread: ['sliding_window', 'max_window_layers'],
  renamed: { num_local_experts: 'num_experts' },
  check: (c) =>
    c.numExpertsPerTok > c.numExperts
      ? ['num_experts_per_tok', `at most num_experts = ${c.numExperts}`, c.numExpertsPerTok]
      : findTooManyExperts('num_experts', c.numExperts, c.numHiddenLayers),
  blocks: (c) =>
    gqa(c, {
      qkNorm: true,
      qkvBias: c.attentionBias,
      outBias: c.attentionBias,
      experts: {
        routed: c.numExperts,
        width: c.moeIntermediateSize,
        sharedWidth: 0,
        hasCorrection: false,
        router: {
          numExpertsPerTok: c.numExpertsPerTok,
          nGroup: 1,
          topkGroup: 1,
          groupBest: 1,
          scoringFunc: 'softmax',
          normTopkProb: c.normTopkProb,
          routedScalingFactor: 1,
        },
      },
      hasExperts: (layer) => !c.mlpOnlyLayers.includes(layer) && (layer + 1) % c.decoderSparseStep === 0,
    }),
});
