// Does bias balancing spread the load at no cost in loss? Compared with an auxiliary loss and with no balancing.
import type { AblationRecipe } from '../../src/train/index.ts';
import { base } from './shared.ts';

export const recipe: AblationRecipe = {
  question: 'Bias balancing, auxiliary loss, or none',
  published:
    'perplexity 9.56 with the auxiliary loss, 9.50 with bias balancing; MaxVio 0.72 and 0.04 ' +
    '(1B parameters, arXiv 2408.15664, table 2)',
  base,
  arms: {
    bias: {},
    'auxiliary loss': { set: ['balance.method=loss'] },
    none: { set: ['balance.method=none'] },
  },
  seeds: [1, 2, 3],
  plot: 'maxVio',
};
