// What does a compressed KV cache cost in loss? All arms have the same dense feed-forward.
import type { AblationRecipe } from '../../src/train/index.ts';
import { base, dense, llama } from './shared.ts';

export const recipe: AblationRecipe = {
  question: 'MLA, MHA and GQA',
  published:
    'MHA to MLA: MMLU 48.7 to 50.0, BBH 37.9 to 39.0, with 14 % of the cache; ' +
    'GQA and MQA lose against MHA (V2 report, tables 8 and 9)',
  base,
  arms: { MHA: { model: llama(4) }, MLA: { model: dense }, 'GQA, 2 heads': { model: llama(2) } },
  seeds: [1, 2, 3],
  plot: 'loss',
};
