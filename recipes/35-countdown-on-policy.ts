// On-policy distillation: the student answers, and learns its teacher's distribution at each of its own tokens. It
// needs two models with one tokenizer: a student that has learned some traces, and its teacher.

import type { DistillRecipe } from '../src/distill/index.ts';

export const kind = 'distill';

export const recipe: Omit<DistillRecipe, 'student' | 'teacher'> = {
  tasks: [{ task: 'countdown', difficulty: 3 }],
  method: 'on-policy',
  onPolicy: { steps: 120, questions: 64, samples: 1, maxTokens: 160, parallel: 64 },
  learningRate: 1.5e-3,
  evaluation: { problems: 64, samples: 2 },
  evaluateEvery: 40,
  saveEvery: 60,
};
