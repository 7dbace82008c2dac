// What the commands return besides 0. Signals have the codes of shells: 128 and their number.
import { maxFaultShare } from '../eval/grader-faults.ts';
import { MinkeError } from '../kernels/errors.ts';
import { formatPercent } from '../math/index.ts';

/** The command itself or its input failed. */
export const failed = 1;

/** The command line is wrong: nothing was begun. */
export const misused = 2;

/** What is wrong with a command line, where commander cannot know it. */
export class UsageError extends MinkeError {}

/** Ended by SIGINT, in a command that saves nothing. */
export const interrupted = 130;

/** Ended by SIGTERM, in the same. */
export const terminated = 143;

/** What a stopped command returns, for its help. */
export const exitCodesHelp =
  '\nExit codes: 0 all steps are done; 129, 130 or 143 stopped by SIGHUP, SIGINT (Ctrl-C) or SIGTERM and saved;\n' +
  '1 failed, the last checkpoint stays; 2 the command line is wrong. A second SIGINT or SIGTERM ends at once.';

/** The same for `minke eval`. */
export const evalExitCodesHelp =
  '\nExit codes: 0 evaluated; 1 failed, or graders gave no verdict on more than ' +
  `${formatPercent(maxFaultShare)} of the answers; 2 the command line is wrong.`;
