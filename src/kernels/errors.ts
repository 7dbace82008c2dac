// Errors a user can act on: the op, what was expected, what was received, what to do. Broken invariants are `assert`s.

/** Base of every error minke raises on purpose. `message` reads `[op] what is wrong; what to do`. */
export class MinkeError extends Error {
  readonly op: string;

  constructor(op: string, problem: string, remedy: string) {
    super(`[${op}] ${problem}; ${remedy}`);
    this.op = op;
    this.name = new.target.name;
  }
}

/** A shape does not fit the op. */
export class ShapeError extends MinkeError {}

/** A number format does not fit the op. */
export class DTypeError extends MinkeError {}

/** A value in the data, an id or an offset, lies outside its range. */
export class ValueError extends MinkeError {}

/** A tensor or recording was used after it was freed. */
export class DisposedError extends MinkeError {}

/** The device has no memory left. */
export class OutOfMemoryError extends MinkeError {}

/** The device cannot do this: missing kernel, missing instruction set, wrong moment. */
export class DeviceError extends MinkeError {}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${message}; this is a bug in minke, please report it`);
}
