// Distillation: a dense student learns from correct answers of R1-Zero. It needs two models: a student and a teacher.

import type { DistillRecipe } from '../src/distill/index.ts';

export const kind = 'distill';

export const recipe: Omit<DistillRecipe, 'student' | 'teacher'> = {
  tasks: [{ task: 'countdown', difficulty: 3 }],
  traces: { wanted: 3000, perProblem: 2, samples: 4, parallel: 64 },
  epochs: 3,
  batch: 32,
  learningRate: 1e-3,
  evaluateEvery: 100,
};
