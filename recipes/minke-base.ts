// The base of the bundled model: it reads worked examples of Countdown, arithmetic and sequences.

import type { PretrainRecipe } from '../src/train/index.ts';
import { recipe as countdown } from './00-countdown-base.ts';

export const kind = 'pretrain';

export const recipe: PretrainRecipe = {
  ...countdown,
  data: {
    ...countdown.data,
    inputs: [
      { workedExamples: 'countdown', seed: 1, count: 100_000 },
      { workedExamples: 'arithmetic', seed: 2, count: 50_000 },
      { workedExamples: 'sequence', seed: 3, count: 50_000 },
    ],
  },
  steps: 4000,
  batchSize: 8,
  sequenceLength: 512,
  schedule: { ...countdown.schedule, warmupSteps: 100 },
  every: { evaluate: 400, sample: 2000, save: 1000 },
};
