// SmolLM3: Llama whose every fourth layer has no rotary embedding (NoPE). Source: configuration_smollm3.py.
import { z } from 'zod';
import { architecture } from './architecture.ts';
import { gqa } from './blocks.ts';
import { count, gqaFields, withDefaults } from './fields.ts';

const flag = z.union([z.literal(0), z.literal(1), z.boolean()]);

export const smollm3 = architecture({
  modelType: 'smollm3',
  classes: ['SmolLM3ForCausalLM'],
  gguf: { architecture: 'smollm3', ordersPairs: true },
  fields: {
    ...withDefaults(gqaFields, {
      vocabSize: 128256,
      hiddenSize: 2048,
      intermediateSize: 11008,
      numHiddenLayers: 36,
      numAttentionHeads: 16,
      numKeyValueHeads: 4,
      maxPositionEmbeddings: 32768,
      bosTokenId: 128000,
      eosTokenId: 128001,
      ropeTheta: 2e6,
      tieWordEmbeddings: true,
    }),
    attentionBias: z.boolean().default(false),
    mlpBias: z.literal(false).default(false),
    useSlidingWindow: z.literal(false).default(false),
    noRopeLayerInterval: count.default(4),
    /** Despite its name 1 for a layer that turns; absent: from noRopeLayerInterval. */
    noRopeLayers: z.array(flag).optional(),
  },
  unread: ['sliding_window', 'max_window_layers'],
  check: ({ noRopeLayers: flags, numHiddenLayers: depth }) =>
    flags && flags.length !== depth ? ['no_rope_layers', `a flag for each of ${depth} layers`, flags] : null,
  blocks: (c) =>
    gqa(c, {
      qkvBias: c.attentionBias,
      outBias: c.attentionBias,
      rope: (layer) => {
        const turns = c.noRopeLayers?.[layer] ?? (layer + 1) % c.noRopeLayerInterval !== 0;
        return turns ? 'global' : null;
      },
    }),
});
