// The error of a configuration or a set of weights that does not make a model.
import { MinkeError } from '../kernels/errors.ts';

/** Its message is `[source] field: expected ..., received ...; remedy`. */
export class ModelError extends MinkeError {}
