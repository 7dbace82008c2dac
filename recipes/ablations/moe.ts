// What do 16 experts, 4 of them per token, gain over a dense feed-forward with the same active width?
import type { AblationRecipe } from '../../src/train/index.ts';
import { base, dense } from './shared.ts';

export const recipe: AblationRecipe = {
  question: 'Mixture of experts against dense, at equal active parameters',
  published: 'Pile loss 2.060 dense, 1.808 with DeepSeekMoE, at 0.2 B and 0.3 B active (arXiv 2401.06066, table 1)',
  base,
  arms: { dense: { model: dense }, MoE: {} },
  seeds: [1, 2, 3],
  plot: 'loss',
};
