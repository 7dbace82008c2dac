// Qwen2, Qwen2.5, and R1-Distill-Qwen: Llama with biases of q, k and v. Source: configuration_qwen2.py.
import { z } from 'zod';
import { architecture } from './architecture.ts';
import { gqa } from './blocks.ts';
import { gqaFields, withDefaults } from './fields.ts';

export const qwen2 = architecture({
  modelType: 'qwen2',
  classes: ['Qwen2ForCausalLM'],
  gguf: { architecture: 'qwen2' },
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
    useSlidingWindow: z.literal(false).default(false),
  },
  unread: ['attention_bias', 'sliding_window', 'max_window_layers'],
  blocks: (c) => gqa(c, { qkvBias: true }),
});
