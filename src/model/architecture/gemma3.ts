// Gemma 3 (text): norms before and after attention and feed-forward, gains that files hold less one, GeGLU, scaled
// embeddings, two rotary embeddings: a local one in layers of sliding windows, a global one in every sixth.
//
// Source: configuration_gemma3.py and modeling_gemma3.py.
import { z } from 'zod';
import { architecture } from './architecture.ts';
import { ggufHeadNorms, gqa } from './blocks.ts';
import { count, gqaFields, withDefaults } from './fields.ts';

const gelu = z.literal('gelu_pytorch_tanh').default('gelu_pytorch_tanh');

export const gemma3 = architecture({
  modelType: 'gemma3_text',
  classes: ['Gemma3ForCausalLM'],
  gguf: {
    architecture: 'gemma3',
    tensors: {
      ...ggufHeadNorms,
      'post_attention_layernorm.weight': 'post_attention_norm.weight',
      'pre_feedforward_layernorm.weight': 'ffn_norm.weight',
      'post_feedforward_layernorm.weight': 'post_ffw_norm.weight',
    },
    keys: [
      ['attention.sliding_window', 'sliding_window', 'u32', null],
      ['rope.freq_base_swa', 'rope_local_base_freq', 'f32', 10000],
    ],
    implied: ({ num_hidden_layers: depth, hidden_size: D, num_attention_heads: heads, head_dim }) => ({
      query_pre_attn_scalar: depth === 62 ? D / heads : head_dim, // 62 layers: 27B
    }),
  },
  fields: {
    ...withDefaults(gqaFields, {
      vocabSize: 262208,
      hiddenSize: 2304,
      intermediateSize: 9216,
      numHiddenLayers: 26,
      numAttentionHeads: 8,
      numKeyValueHeads: 4,
      maxPositionEmbeddings: 131072,
      ropeTheta: 1e6,
      tieWordEmbeddings: true,
      bosTokenId: 2,
      eosTokenId: 1,
    }),
    headDim: count.default(256),
    hiddenAct: gelu,
    hiddenActivation: gelu,
    attentionBias: z.boolean().default(false),
    queryPreAttnScalar: z.number().positive().default(256),
    slidingWindow: count.nullable().default(4096),
    ropeLocalBaseFreq: z.number().positive().default(10000),
    /** absent: every slidingWindowPattern-th is full */
    layerTypes: z.array(z.enum(['sliding_attention', 'full_attention'])).optional(),
    slidingWindowPattern: count.default(6),
    finalLogitSoftcapping: z.null().default(null),
    attnLogitSoftcapping: z.null().default(null),
    useBidirectionalAttention: z.literal(false).default(false),
  },
  renamed: { _sliding_window_pattern: 'sliding_window_pattern' },
  gainOffset: 1,
  check: ({ layerTypes, numHiddenLayers: depth }) =>
    layerTypes && layerTypes.length !== depth
      ? ['layer_types', `a type for each of ${depth} layers`, layerTypes]
      : null,
  blocks: (c) => {
    const isLocal = (layer: number) =>
      c.layerTypes ? c.layerTypes[layer] === 'sliding_attention' : (layer + 1) % c.slidingWindowPattern !== 0;
    return gqa(c, {
      qkNorm: true,
      qkvBias: c.attentionBias,
      outBias: c.attentionBias,
      scale: c.queryPreAttnScalar ** -0.5,
      localRope: { base: c.ropeLocalBaseFreq, scaling: null },
      rope: (layer) => (isLocal(layer) ? 'local' : 'global'),
      window: (layer) => (isLocal(layer) ? c.slidingWindow : null),
      activation: 'gelu',
      norms: 'sandwich',
      embeddingScale: Math.sqrt(c.hiddenSize),
    });
  },
});
