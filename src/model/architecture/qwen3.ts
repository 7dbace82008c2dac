// Qwen3, and R1-0528's distillation: a norm of each query and key head, no biases. Source: configuration_qwen3.py.
import { z } from 'zod';
import { architecture } from './architecture.ts';
import { ggufHeadNorms, gqa } from './blocks.ts';
import { count, gqaFields, withDefaults } from './fields.ts';

export const qwen3 = architecture({
  modelType: 'qwen3',
  classes: ['Qwen3ForCausalLM'],
  gguf: { architecture: 'qwen3', tensors: ggufHeadNorms },
  fields: {
    ...withDefaults(gqaFields, {
      vocabSize: 151936,
      hiddenSize: 4096,
      intermediateSize: 22016,
      numHiddenLayers: 32,
      numAttentionHeads: 32,
      numKeyValueHeads: 32,
      maxPositionEmbeddings: 32768,
    }),
    headDim: count.default(128),
    attentionBias: z.boolean().default(false),
    useSlidingWindow: z.literal(false).default(false),
  },
  unread: ['sliding_window', 'max_window_layers'],
  blocks: (c) => gqa(c, { qkNorm: true, qkvBias: c.attentionBias, outBias: c.attentionBias }),
});
