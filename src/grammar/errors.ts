// Why a constraint is refused, and where.

/** Thrown for a constraint that cannot be enforced. */
export class GrammarError extends Error {
  /** The place in the schema as a JSON pointer, `/properties/a/not`; null: no schema, or all of it. */
  readonly pointer: string | null;
  /** What is wrong and what to do, without the place. */
  readonly problem: string;
  /** The function whose schema it is; null: it is no function's. */
  readonly callee: string | null;

  constructor(problem: string, pointer: string | null = null, callee: string | null = null) {
    super(pointer === null ? problem : `${pointer === '' ? 'the schema' : pointer}: ${problem}`);
    this.name = 'GrammarError';
    this.problem = problem;
    this.pointer = pointer;
    this.callee = callee;
  }
}
