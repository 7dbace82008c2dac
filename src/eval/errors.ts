// The error of evaluations: `[where] what is wrong; what to do`.
import { MinkeError } from '../kernels/index.ts';

/** A question, an answerer or an evaluation that cannot be used. */
export class EvaluationError extends MinkeError {}
