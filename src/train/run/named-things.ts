// What the texts of a recipe name: files, checkpoints, programs, addresses, environment variables.
//
// Whoever starts or resumes a run for somebody else, or from a folder that somebody else wrote, must know it before
// anything is opened. So each text of a recipe schema says what it names, as `z.string().meta({ names: 'task' })`; a
// text that says nothing may name anything. runs/permission.ts decides, and its test walks all schemas.
import type { z } from 'zod';

/**
 * text: nothing outside of the recipe. file: a file with data. checkpoint: the folder of a model or a tokenizer. run: a
 * run's folder. task: a bundled task or a file, which may be a program. model: a checkpoint, a .gguf file or the
 * address of an API. variable: an environment variable whose value is sent as a key.
 */
export type Names = 'text' | 'file' | 'checkpoint' | 'run' | 'task' | 'model' | 'variable';

/** A text in a recipe, by its place: `data.inputs.*.file`, with `*` for any item or key. */
export interface TextField {
  readonly path: string;
  /** Undefined: its schema does not say, so it may name anything. */
  readonly names: Names | undefined;
}

export interface NamedThing {
  /** Its place in the recipe: `tasks.0.task`. */
  readonly path: string;
  readonly names: Names | undefined;
  readonly value: string;
}

/** The parts of zod's definitions that this walk reads. */
interface Definition {
  readonly type: string;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly options?: readonly Schema[];
  readonly items?: readonly Schema[];
  readonly element?: Schema;
  readonly innerType?: Schema;
  readonly valueType?: Schema;
  readonly in?: Schema;
  readonly out?: Schema;
  readonly values?: readonly unknown[];
  readonly entries?: Readonly<Record<string, unknown>>;
}
type Schema = z.ZodType & { readonly def: Definition };

/** Definitions that hold no free text. */
const closed = [
  'number',
  'boolean',
  'null',
  'undefined',
  'literal',
  'enum',
  'bigint',
  'date',
  'void',
  'never',
  'nan',
  'object',
  'transform',
];

const below = (path: string, name: string) => (path === '' ? name : `${path}.${name}`);

interface Leaf {
  readonly path: string;
  readonly schema: Schema;
}

/** Returns the schemas that have no fields or items of their own, and those that say what they name. */
function listLeaves(schema: Schema, path = ''): Leaf[] {
  const { def } = schema;
  if (schema.meta()?.names !== undefined) return [{ path, schema }];
  const inner = [def.innerType, def.in, def.out, ...(def.options ?? [])].filter((each) => each !== undefined);
  const items = [def.element, def.valueType, ...(def.items ?? [])].filter((each) => each !== undefined);
  const fields = Object.entries(def.shape ?? {});
  const leaves = [
    ...inner.flatMap((each) => listLeaves(each, path)),
    ...items.flatMap((each) => listLeaves(each, below(path, '*'))),
    ...fields.flatMap(([name, each]) => listLeaves(each, below(path, name))),
  ];
  return leaves.length === 0 ? [{ path, schema }] : leaves;
}

function toTextField({ path, schema }: Leaf): TextField[] {
  const names = schema.meta()?.names as Names | undefined;
  return names === undefined && closed.includes(schema.def.type) ? [] : [{ path, names }];
}

/** Returns the texts that a recipe of this schema can hold, each place once. */
export function listTextFields(schema: z.ZodType): TextField[] {
  const fields = listLeaves(schema as Schema).flatMap(toTextField);
  return fields.filter(({ path }, i) => fields.findIndex((field) => field.path === path) === i);
}

/** Returns the words that a schema lists at a place beside free text: `characters` at `data.tokenizer`. */
function listWords(leaves: readonly Leaf[], place: string): unknown[] {
  const values = ({ def }: Schema) => [...(def.values ?? []), ...Object.values(def.entries ?? {})];
  return leaves.flatMap(({ path, schema }) => (path === place ? values(schema) : []));
}

/** Returns the texts at the places of a pattern, whatever lies between. */
function valuesAt(value: unknown, names: readonly string[], path = ''): (readonly [path: string, value: string])[] {
  const [name, ...rest] = names;
  if (name === undefined) return typeof value === 'string' ? [[path, value]] : [];
  if (typeof value !== 'object' || value === null) return [];
  const entries = Object.entries(value).filter(([key]) => name === '*' || key === name);
  return entries.flatMap(([key, each]) => valuesAt(each, rest, below(path, key)));
}

/** Returns what a resolved recipe names outside of itself. Words that its schema lists name nothing. */
export function findNamedThings(schema: z.ZodType, recipe: unknown): NamedThing[] {
  const leaves = listLeaves(schema as Schema);
  return listTextFields(schema).flatMap(({ path: place, names }) => {
    if (names === 'text') return [];
    const words = listWords(leaves, place);
    const found = valuesAt(recipe, place.split('.')).filter(([, value]) => !words.includes(value));
    return found.map(([path, value]) => ({ path, names, value }));
  });
}
