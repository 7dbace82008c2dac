// From nothing to a model that thinks, in one command: npm run speedrun. Which recipe each stage follows.
import { recipe as base } from './countdown-base.ts';
import { recipe as distilled } from './countdown-distilled.ts';
import { recipe as student } from './countdown-student.ts';
import { recipe as zero } from './countdown-zero.ts';

export const recipe = { base, zero, student, distilled };
