// Errors of the train room: a run that cannot start, go on or be resumed.
import { MinkeError } from '../kernels/errors.ts';

/** `[field or file] expected ..., received ...; what to do`. */
export class TrainError extends MinkeError {}
