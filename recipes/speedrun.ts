// From nothing to a model that thinks, in one command: npm run speedrun. Which recipe each stage follows.
import { recipe as base } from './00-countdown-base.ts';
import { recipe as zero } from './10-countdown-zero.ts';
import { recipe as student } from './25-countdown-student.ts';
import { recipe as distilled } from './30-countdown-distilled.ts';

export const recipe = { base, zero, student, distilled };
