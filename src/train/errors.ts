// The error of the train module: a run that cannot start, continue or resume.
import { MinkeError } from '../kernels/errors.ts';

/** `[field or file] expected ..., received ...; what to do`. */
export class TrainError extends MinkeError {}
