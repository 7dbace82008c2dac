// DeepSeek-V3, V3.1, and R1; Moonlight is one of them. Kimi K2 is the same under another model_type.
//
// Sources: configuration_deepseek_v3.py of the release and of transformers; config.json of Moonlight and Kimi K2.
import { architecture, type MlaConfig } from './architecture.ts';
import { mla } from './blocks.ts';
import { findMlaInconsistency } from './checks.ts';
import { mlaFields, withDefaults } from './fields.ts';

const shared = {
  classes: ['DeepseekV3ForCausalLM'],
  gguf: { architecture: 'deepseek2' },
  fields: withDefaults(mlaFields, {
    vocabSize: 129280,
    bosTokenId: 0,
    eosTokenId: 1,
    maxPositionEmbeddings: 4096,
    hiddenSize: 7168,
    intermediateSize: 18432,
    moeIntermediateSize: 2048,
    numHiddenLayers: 61,
    numAttentionHeads: 128,
    firstKDenseReplace: 3,
    nSharedExperts: 1,
    nRoutedExperts: 256,
    numExpertsPerTok: 8,
    nGroup: 8,
    topkGroup: 4,
    scoringFunc: 'sigmoid',
    topkMethod: 'noaux_tc',
    normTopkProb: true,
    routedScalingFactor: 2.5,
  }),
  blocks: (c: MlaConfig) => mla(c),
  check: findMlaInconsistency,
} as const;

export const deepseekV3 = architecture({ ...shared, modelType: 'deepseek_v3' });
export const kimiK2 = architecture({ ...shared, modelType: 'kimi_k2' });
