// Fields of a request that its schema does not have: parameters that are not honored are refused, others are listed in
// the response header x-minke-ignored, once each in the log, and refused by a strict server, so that no typo is
// invisible. So are messages that the chat template leaves out.
//
// Names come from clients: they are percent-encoded, and their length and number are limited.
import type { z } from 'zod';
import { wellFormed } from '../engine/index.ts';
import { ApiError, ValidBody } from './errors.ts';
import { findRemedy, unhonoredIn } from './parameters.ts';

export const ignoredHeader = 'x-minke-ignored';

const maxNames = 12;
const maxNameLength = 64;
/** The log names at most this number of fields, so that no client can fill it. */
const maxLogged = 256;

type Shape = Readonly<Record<string, z.core.$ZodType>>;

/** Returns a name in printable ASCII without separators of the header. */
function encodeName(name: string): string {
  const encoded = encodeURIComponent(wellFormed(name.slice(0, maxNameLength)));
  return encoded.length > maxNameLength || name.length > maxNameLength
    ? `${encoded.slice(0, maxNameLength).replace(/%.?$/, '')}...`
    : encoded;
}

/** The number of single edits (insert, delete, replace, swap neighbors) between two names. */
function editDistance(a: string, b: string): number {
  let [before, previous] = [new Array<number>(b.length + 1).fill(0), Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      row[j] = Math.min(row[j - 1] + 1, previous[j] + 1, previous[j - 1] + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, previous] = [previous, row];
  }
  return previous[b.length];
}

const plain = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** Returns the known name that was probably meant: another spelling, or one within an edit in four letters. */
export function nearestName(name: string, known: readonly string[]): string | null {
  const given = plain(name);
  if (given === '' || name.length > maxNameLength) return null;
  let [nearest, least]: [string | null, number] = [null, Math.floor(Math.max(given.length, 4) / 4) + 1];
  for (const each of known) {
    const other = plain(each);
    if (Math.abs(other.length - given.length) >= least) continue;
    const distance = editDistance(given, other);
    if (distance < least) [nearest, least] = [each, distance];
  }
  return nearest;
}

/** Returns the schema within optional and nullable ones. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodTypes {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'optional' || def.type === 'nullable') return unwrap(def.innerType);
  return schema as z.core.$ZodTypes;
}

type Report = (path: string, name: string, known: readonly string[]) => void;

const refuse = (param: string, remedy: string): never => {
  throw new ApiError(400, `${param} is not supported yet: ${remedy}`, { param, code: 'unsupported_parameter' });
};

/** Reports fields that nobody knows, at any depth. Throws ApiError 400 for one that is not honored. */
function findUnknown(schema: z.core.$ZodType, value: unknown, path: string, report: Report): void {
  const { def } = unwrap(schema)._zod;
  if (typeof value !== 'object' || value === null) return;
  if (def.type === 'union') for (const option of def.options) findUnknown(option, value, path, report);
  if (def.type === 'array' && Array.isArray(value)) {
    const { type } = unwrap(def.element)._zod.def;
    if (type === 'object' || type === 'array' || type === 'union')
      for (const [i, each] of value.entries()) findUnknown(def.element, each, `${path}[${i}]`, report);
  }
  if (def.type !== 'object' || Array.isArray(value)) return;
  const shape: Shape = def.shape;
  const unhonored = unhonoredIn(unwrap(schema));
  for (const [name, each] of Object.entries(value)) {
    const full = path === '' ? name : `${path}.${name}`;
    if (Object.hasOwn(shape, name)) findUnknown(shape[name], each, full, report);
    else if (unhonored.refused.has(name)) {
      const remedy = findRemedy(unhonored, name, each);
      if (remedy !== null) refuse(full, remedy);
    } else if (def.catchall === undefined && !unhonored.accepted.has(name))
      report(path.replaceAll(/\[\d+\]/g, '[]'), name, [
        ...Object.keys(shape),
        ...unhonored.refused.keys(),
        ...unhonored.accepted,
      ]);
  }
}

/** A field of a body that its schema does not know, and those that it knows in that place. */
export interface UnknownField {
  readonly path: string;
  readonly name: string;
  readonly known: readonly string[];
}

/**
 * Lists the fields that nobody knows: each once, and no more than a response names. The body has passed the schema.
 * Throws ApiError 400 for a parameter that is not honored.
 */
export function listUnknown(schema: z.core.$ZodType, body: unknown): UnknownField[] {
  const found = new Map<string, UnknownField>();
  findUnknown(schema, body, '', (path, name, known) => {
    if (found.size <= maxNames) found.set(`${path}.${name}`, { path, name, known });
  });
  return [...found.values()];
}

/** The log of ignored fields of a server, and whether they are refused instead. */
export class IgnoredFieldsPolicy {
  readonly isStrict: boolean;
  readonly #log: (message: string) => void;
  readonly #logged = new Set<string>();

  constructor(isStrict: boolean, log: (message: string) => void) {
    this.isStrict = isStrict;
    this.#log = log;
  }

  /** Writes the first time that a field of a route is ignored. */
  note(route: string, path: string, problem: string, remedy: string): void {
    const key = `${route} ${path}`;
    if (this.#logged.has(key) || this.#logged.size >= maxLogged) return;
    this.#logged.add(key);
    this.#log(`[${route}] ${path} ${problem} and is ignored; ${remedy}`);
  }
}

/** Why a field is ignored, what a client of a strict server should do, and what the log says. */
interface IgnoredReason {
  readonly problem: string;
  readonly code: string;
  readonly advice: string;
  readonly loggedAs: string;
  readonly remedy: string;
}

/** The ignored fields of one request. */
export class IgnoredFields {
  readonly #policy: IgnoredFieldsPolicy;
  readonly #route: string;
  readonly #entries = new Map<string, string>();
  #hasMore = false;

  /** `route`: the path of the request. */
  constructor(policy: IgnoredFieldsPolicy, route: string) {
    this.#policy = policy;
    this.#route = route;
  }

  /** Adds the fields of a body that its schema does not know. Throws ApiError 400 where the server is strict. */
  check(schema: z.core.$ZodType, body: unknown): void {
    const unknown = body instanceof ValidBody ? body.unknown : listUnknown(schema, body);
    for (const { path, name, known } of unknown) this.add(path, name, known);
  }

  /** Adds a field; `path`: what it is in, '' for the body. Throws ApiError 400 where the server is strict. */
  add(path: string, name: string, known: readonly string[]): void {
    const prefix = path === '' ? '' : `${path}.`;
    const full = prefix + encodeName(name);
    const nearest = nearestName(name, known);
    this.#addEntry(full, nearest === null ? full : `${full} (${nearest}?)`, {
      problem: 'is not a parameter',
      code: 'unknown_parameter',
      advice: nearest === null ? 'leave it out' : `did you mean ${prefix}${nearest}?`,
      loggedAs: full,
      remedy: nearest === null ? 'serve with --strict to refuse unknown fields' : `did clients mean ${nearest}?`,
    });
  }

  /** Adds the content of a message that the template leaves out. Throws ApiError 400 where the server is strict. */
  addUnread(message: number): void {
    const full = `messages[${message}].content`;
    this.#addEntry(full, full, {
      problem: "is left out by this model's chat template",
      code: 'unread_message',
      advice: 'leave it out',
      loggedAs: 'messages[].content',
      remedy: 'serve with --strict to refuse such messages',
    });
  }

  #addEntry(path: string, entry: string, { problem, code, advice, loggedAs, remedy }: IgnoredReason): void {
    if (this.#entries.size >= maxNames) {
      this.#hasMore = true;
      return;
    }
    if (this.#entries.has(path)) return;
    if (this.#policy.isStrict)
      throw new ApiError(400, `${path} ${problem}, and this server is strict: ${advice}`, { param: path, code });
    this.#entries.set(path, entry);
    this.#policy.note(this.#route, loggedAs, problem, remedy);
  }

  /** The value of the response header; null: no field was ignored. */
  get header(): string | null {
    if (this.#entries.size === 0) return null;
    return [...this.#entries.values(), ...(this.#hasMore ? ['and more'] : [])].join(', ');
  }
}
