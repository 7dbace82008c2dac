// GLM-4.5 and 4.6: grouped queries of which half of each head turns, DeepSeek-V3's experts and MTP modules.
//
// Source: configuration_glm4_moe.py and modeling_glm4_moe.py.
import { z } from 'zod';
import { architecture } from './architecture.ts';
import { deepseekExperts, ggufExpertKeys, ggufHeadNorms, gqa } from './blocks.ts';
import { findDenseInconsistency, findGroupInconsistency, findTooManyExperts } from './checks.ts';
import { expertFields, gqaFields, withDefaults } from './fields.ts';

export const glm4Moe = architecture({
  modelType: 'glm4_moe',
  classes: ['Glm4MoeForCausalLM'],
  gguf: {
    architecture: 'glm4moe',
    tensors: { ...ggufHeadNorms, 'post_attention_layernorm.weight': 'post_attention_norm.weight' },
    keys: ggufExpertKeys,
  },
  fields: {
    ...withDefaults(
      { ...gqaFields, ...expertFields },
      {
        vocabSize: 151552,
        hiddenSize: 4096,
        intermediateSize: 10944,
        numHiddenLayers: 46,
        numAttentionHeads: 96,
        numKeyValueHeads: 8,
        maxPositionEmbeddings: 131072,
        rmsNormEps: 1e-5,
        moeIntermediateSize: 1408,
        numExpertsPerTok: 8,
        nSharedExperts: 1,
        nRoutedExperts: 128,
        routedScalingFactor: 1,
        nGroup: 1,
        topkGroup: 1,
        firstKDenseReplace: 1,
        normTopkProb: true,
      },
    ),
    attentionBias: z.boolean().default(false),
    partialRotaryFactor: z.number().positive().max(1).default(0.5),
    useQkNorm: z.boolean().default(false),
    moeLayerFreq: z.literal(1).default(1),
    scoringFunc: z.literal('sigmoid').default('sigmoid'),
    topkMethod: z.literal('noaux_tc').default('noaux_tc'),
  },
  renamed: { num_mtp_layers: 'num_nextn_predict_layers', num_local_experts: 'n_routed_experts' },
  check: (c) =>
    findTooManyExperts('n_routed_experts', c.nRoutedExperts, c.numHiddenLayers) ??
    findDenseInconsistency(c) ??
    findGroupInconsistency(c),
  blocks: (c) =>
    gqa(c, {
      qkvBias: c.attentionBias,
      qkNorm: c.useQkNorm,
      rotaryDim: Math.floor(c.headDim * c.partialRotaryFactor),
      experts: deepseekExperts(c),
      hasExperts: (layer) => layer >= c.firstKDenseReplace,
      mtpModules: c.numNextnPredictLayers,
    }),
});
