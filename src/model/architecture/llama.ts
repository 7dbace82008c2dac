// Llama 2 and 3, and the many models that are one: SmolLM2, R1-Distill-Llama. Source: configuration_llama.py.
import { z } from 'zod';
import { architecture } from './architecture.ts';
import { gqa } from './blocks.ts';
import { gqaFields, withDefaults } from './fields.ts';

export const llama = architecture({
  modelType: 'llama',
  classes: ['LlamaForCausalLM', 'LLaMAForCausalLM'],
  gguf: { architecture: 'llama', ordersPairs: true },
  fields: {
    ...withDefaults(gqaFields, {
      vocabSize: 32000,
      hiddenSize: 4096,
      intermediateSize: 11008,
      numHiddenLayers: 32,
      numAttentionHeads: 32,
      maxPositionEmbeddings: 2048,
      bosTokenId: 1,
      eosTokenId: 2,
    }),
    /** whether q, k, v and o have biases */
    attentionBias: z.boolean().default(false),
    mlpBias: z.literal(false).default(false),
  },
  blocks: (c) => gqa(c, { qkvBias: c.attentionBias, outBias: c.attentionBias }),
});
