// Mistral 7B, Nemo, and Small: Llama with sliding windows in the first release. Source: configuration_mistral.py.
import { architecture } from './architecture.ts';
import { gqa } from './blocks.ts';
import { count, gqaFields, withDefaults } from './fields.ts';

export const mistral = architecture({
  modelType: 'mistral',
  classes: ['MistralForCausalLM'],
  gguf: { architecture: 'llama', ordersPairs: true },
  fields: {
    ...withDefaults(gqaFields, {
      vocabSize: 32000,
      hiddenSize: 4096,
      intermediateSize: 14336,
      numHiddenLayers: 32,
      numAttentionHeads: 32,
      numKeyValueHeads: 8,
      maxPositionEmbeddings: 4096 * 32,
      bosTokenId: 1,
      eosTokenId: 2,
    }),
    slidingWindow: count.nullable().default(4096),
  },
  blocks: (c) => gqa(c, { window: () => c.slidingWindow }),
});
