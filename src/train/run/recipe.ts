// Recipes: from the fields that a recipe and the command line give to a checked recipe with all defaults.
//
// The schema of a run kind holds defaults and limits. `--set path=value` replaces any field by its path. The resolved
// recipe is written into the run folder and the lineage, so that a run can be made again from it alone.
import { z } from 'zod';
import { TrainError } from '../errors.ts';
import type { KindArgument } from './description.ts';
import type { RunKind, RunRecipe } from './kind.ts';

/** A whole number above 0. */
export const count = z.number().int().positive();
export const nonnegative = z.number().nonnegative();
/** A number from 0 to 1. */
export const fraction = z.number().min(0).max(1);

/** The fields of RunRecipe. */
export const runFields = {
  /** Checkpoints that stay on disk, besides the best one; older ones are removed. */
  keepCheckpoints: count.default(2),
  /**
   * Ends the run once its held-out score has not become better in `patience` evaluations. @default all steps are taken
   */
  earlyStopping: z.strictObject({ patience: count.default(3) }).optional(),
  /** A checkpoint is saved at least this often, whatever the period in steps is. Minutes. */
  saveMinutes: z.number().positive().default(5),
  seed: z.number().int().default(1337),
  /** The price of one hour of this machine. @default what its threads cost to rent, a band with date and source */
  pricePerHour: nonnegative.optional(),
  currency: z.string().meta({ names: 'text' }).default('USD'),
};

/** Returns `text` as JSON if it is JSON, else the text itself. */
function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Sets a field by its path, `model.num_hidden_layers`; fields above it that are missing are made. */
export function setField(target: Record<string, unknown>, path: string, value: unknown): void {
  const names = path.split('.');
  const last = names.pop() ?? '';
  let at = target;
  for (const name of names) {
    if (!Object.hasOwn(at, name)) at[name] = {};
    const below = at[name];
    if (typeof below !== 'object' || below === null || Array.isArray(below))
      throw new TrainError('--set', `${path}: ${name} has no fields`, 'name a field that exists');
    at = below as Record<string, unknown>;
  }
  at[last] = value;
}

/** A task of the command line or of a page. */
export interface NamedTask {
  readonly task: string;
  readonly difficulty?: number;
}

/** Returns what a task becomes in the recipe's list that an argument sets. */
export function toTaskItem({ item: { field, fields } = { field: 'task' } }: KindArgument, named: NamedTask): object {
  const { task, difficulty } = named;
  return { [field]: task, ...(difficulty !== undefined && { difficulty }), ...fields };
}

/** Sets the fields of arguments: lists at the same path, such as files and worked examples, become one. */
export function setArguments(
  target: Record<string, unknown>,
  given: readonly { readonly path: string; readonly value: unknown }[],
): void {
  for (const path of new Set(given.map((each) => each.path))) {
    const values = given.filter((each) => each.path === path).map(({ value }) => value);
    setField(target, path, values.length > 1 ? values.flat() : values[0]);
  }
}

/** Applies one assignment: `schedule.learningRate=3e-4`. Throws TrainError. */
export function setPath(target: Record<string, unknown>, assignment: string): void {
  const split = assignment.indexOf('=');
  const path = assignment.slice(0, split);
  if (split <= 0 || path.split('.').includes(''))
    throw new TrainError(
      '--set',
      `expected path=value, received ${assignment}`,
      'as in --set schedule.learningRate=3e-4',
    );
  setField(target, path, parseValue(assignment.slice(split + 1)));
}

/** Throws TrainError where an assignment would change a field that a resumed run keeps. */
export function expectUnfixed({ fixedFields }: Pick<RunKind, 'fixedFields'>, assignments: readonly string[]): void {
  for (const assignment of assignments)
    if (fixedFields.includes(assignment.split(/[.=]/)[0] ?? ''))
      throw new TrainError('--set', `${assignment}: a run keeps its ${fixedFields.join(', ')}`, 'start another run');
}

/** The problems that one error names. */
const maxProblems = 20;

/** Returns a checked recipe with all defaults. Throws TrainError naming each field that is wrong. */
export function resolveRecipe<R extends RunRecipe>(
  { recipe, expand, check }: Pick<RunKind<R>, 'recipe' | 'expand' | 'check'>,
  given: object,
  assignments: readonly string[] = [],
): R {
  const fields: Record<string, unknown> = structuredClone({ ...given });
  const expanded = expand?.(fields) ?? fields;
  for (const assignment of assignments) setPath(expanded, assignment);
  const checked = recipe.safeParse(expanded);
  if (!checked.success) {
    const { issues } = checked.error;
    const problems = issues
      .slice(0, maxProblems)
      .map(({ path, message }) => `${path.join('.') || 'recipe'}: ${message}`);
    if (issues.length > maxProblems) problems.push(`and ${issues.length - maxProblems} more`);
    throw new TrainError('recipe', problems.join('; '), 'correct the recipe or the --set');
  }
  check?.(checked.data);
  return checked.data;
}
