// Phi-3 and Phi-4: Llama with projections joined in files, partial rotation, and LongRoPE's factors.
//
// Source: configuration_phi3.py and modeling_phi3.py.
import { z } from 'zod';
import { architecture } from './architecture.ts';
import { gqa } from './blocks.ts';
import { count, gqaFields, withDefaults } from './fields.ts';

export const phi3 = architecture({
  modelType: 'phi3',
  classes: ['Phi3ForCausalLM'],
  gguf: {
    architecture: 'phi3',
    tensors: { 'self_attn.qkv_proj.weight': 'attn_qkv.weight', 'mlp.gate_up_proj.weight': 'ffn_up.weight' },
    keys: [['attention.sliding_window', 'sliding_window', 'u32', null]],
  },
  fields: {
    ...withDefaults(gqaFields, {
      vocabSize: 32064,
      hiddenSize: 3072,
      intermediateSize: 8192,
      numHiddenLayers: 32,
      numAttentionHeads: 32,
      maxPositionEmbeddings: 4096,
      rmsNormEps: 1e-5,
      bosTokenId: 1,
      eosTokenId: 32000,
    }),
    /** What LongRoPE starts from, where rope_scaling does not say it. */
    originalMaxPositionEmbeddings: count.default(4096),
    partialRotaryFactor: z.number().positive().max(1).default(1),
    slidingWindow: count.nullable().default(null),
    attentionBias: z.literal(false).default(false),
  },
  joined: {
    'self_attn.qkv_proj.weight': ['self_attn.q_proj.weight', 'self_attn.k_proj.weight', 'self_attn.v_proj.weight'],
    'mlp.gate_up_proj.weight': ['mlp.gate_proj.weight', 'mlp.up_proj.weight'],
  },
  blocks: (c) => gqa(c, { rotaryDim: Math.floor(c.headDim * c.partialRotaryFactor), window: () => c.slidingWindow }),
});
