// DeepSeek-V2 and V2-Lite: softmax scores, groups ranked by their best expert.
//
// Chosen weights are scaled or made to sum to one, never both (DeepSeek's modeling code; transformers never makes them
// sum to one). Source: configuration_deepseek_v2.py.
import { architecture } from './architecture.ts';
import { deepseekExperts, mla } from './blocks.ts';
import { findMlaInconsistency } from './checks.ts';
import { mlaFields, withDefaults } from './fields.ts';

export const deepseekV2 = architecture({
  modelType: 'deepseek_v2',
  classes: ['DeepseekV2ForCausalLM'],
  gguf: { architecture: 'deepseek2' },
  fields: withDefaults(mlaFields, {
    vocabSize: 102400,
    bosTokenId: 1,
    eosTokenId: 2,
    maxPositionEmbeddings: 2048,
    hiddenSize: 4096,
    intermediateSize: 11008,
    moeIntermediateSize: 1407,
    numHiddenLayers: 32,
    numAttentionHeads: 32,
    firstKDenseReplace: 0,
    nSharedExperts: 2,
    nRoutedExperts: 64,
    nGroup: null,
    topkGroup: null,
    scoringFunc: 'softmax',
    topkMethod: 'greedy',
    normTopkProb: false,
    routedScalingFactor: 1,
  }),
  blocks: (c) => mla(c, deepseekExperts(c.normTopkProb ? { ...c, routedScalingFactor: 1 } : c)),
  check: findMlaInconsistency,
});
