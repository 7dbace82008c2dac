// The error of the planner: a quantity that cannot be, a device or date that the tables do not have.
import { MinkeError } from '../kernels/errors.ts';

/** `[quantity or row] what is wrong; what to do`. */
export class PlanError extends MinkeError {}
