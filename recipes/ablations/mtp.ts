// Does predicting one more token ahead (MTP) help the next one, at the same number of tokens?
import type { AblationRecipe } from '../../src/train/index.ts';
import { base, moe } from './shared.ts';

export const recipe: AblationRecipe = {
  question: 'Multi-token prediction on and off',
  published:
    'bits per byte on the Pile: 0.729 in both small models, 0.658 to 0.657 in the large ones; ' +
    'most benchmarks gain (V3 report, table 4)',
  base,
  arms: { off: {}, on: { model: { ...moe, num_nextn_predict_layers: 1 } } },
  seeds: [1, 2, 3],
  plot: 'loss',
};
