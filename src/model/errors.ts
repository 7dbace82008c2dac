// The error of a configuration or a set of weights that does not make a model.
import { MinkeError } from '../kernels/errors.ts';

/** Its message is `[source] field: expected ..., received ...; remedy`. */
export class ModelError extends MinkeError {}

/** What a field of a configuration must be, what it is, and what to do instead of correcting it. */
export type Refusal = readonly [field: string, expected: string, received: unknown, remedy?: string];

const maxShown = 80;

/** Returns a value of a file as an error shows it: JSON, not longer than a line, whatever the file holds. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  let text: string;
  try {
    text = JSON.stringify(ArrayBuffer.isView(value) ? Array.from((value as Int32Array).subarray(0, 20)) : value);
  } catch {
    return 'a value that is nested too deeply'; // JSON.parse takes any depth, JSON.stringify does not
  }
  return text.length <= maxShown ? text : `${text.slice(0, maxShown)}... (${text.length} characters)`;
}
