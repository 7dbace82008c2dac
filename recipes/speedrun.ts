// From nothing to a model that reasons, in one command: npm run speedrun. Stages in order, and what each starts from.
import type { Speedrun } from '../src/cli/speedrun.ts';
import { recipe as base } from './00-countdown-base.ts';
import { recipe as zero } from './10-countdown-zero.ts';
import { recipe as student } from './25-countdown-student.ts';
import { recipe as distilled } from './30-countdown-distilled.ts';
import { recipe as onPolicy } from './35-countdown-on-policy.ts';
import { recipe as evaluation } from './40-countdown-eval.ts';

export const recipe: Speedrun = {
  stages: [
    { name: 'base', title: 'base, never taught to answer', kind: 'pretrain', recipe: base },
    {
      name: 'zero',
      title: 'base after R1-Zero',
      kind: 'rl',
      recipe: zero,
      from: { model: 'base' },
      // A teacher that is rarely right has nothing to teach.
      gate: [
        {
          measure: { of: 'accuracy' },
          name: 'accuracy',
          atLeast: 0.2,
          remedy: 'take more steps, an easier level, or shorter worked examples',
        },
      ],
    },
    { name: 'student', title: 'dense student before', kind: 'pretrain', recipe: student },
    {
      name: 'distilled',
      title: 'dense student, taught by traces',
      kind: 'distill',
      recipe: distilled,
      from: { student: 'student', teacher: 'zero' },
    },
    {
      name: 'on-policy',
      title: 'dense student, corrected on its own answers',
      kind: 'distill',
      recipe: onPolicy,
      from: { student: 'distilled', teacher: 'zero' },
    },
  ],
  evaluations: [evaluation],
  best: 'zero',
};
