// Evaluation: 250 held-out Countdown problems with three numbers, four answers to each, sampled as in the R1 report.

import type { EvaluationRecipe } from '../src/cli/eval.ts';

export const recipe: EvaluationRecipe = {
  task: 'countdown',
  difficulty: 3,
  problems: 250,
  samples: 4,
  temperature: 0.6,
  topP: 0.95,
  maxTokens: 256,
  template: 'short',
  seed: 7,
};
