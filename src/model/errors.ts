// Errors of the model room: a configuration or a set of weights that does not make a model.
import { MinkeError } from '../kernels/errors.ts';

/** A configuration or weights that make no model: `[source] field: expected ..., received ...; what to do`. */
export class ModelError extends MinkeError {}
