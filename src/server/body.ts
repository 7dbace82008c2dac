// Reads the JSON body of a request: limited in size and shape while it arrives, before anything is parsed.
//
// Parsing and checking a few megabytes takes seconds where they are brackets instead of text. So small bodies are
// parsed here, others in a process of their own. All bodies that are read or answered at one time share a limit on
// memory.
import { JsonScanner, type JsonShape, Sandbox, SandboxError } from '../untrusted/index.ts';
import { type BodyJob, type BodyOutcome, type BodySchema, bodySchemas, parseBody } from './body-schemas.ts';
import { ApiError, ValidBody } from './errors.ts';

const maxDepth = 64;
/** Values in a body, except numbers in lists of numbers: an agent's conversation of 1,000 messages has 10,000. */
const maxValues = 65_536;
/** What is parsed and checked here: a few milliseconds, also where each value is a fault to report. */
const small = { bytes: 65_536, values: 256 };
/** Values in a body that has no schema here, such as a recipe. */
const maxValuesWithoutSchema = 1024;
/** Bytes of all bodies that are read or answered at the same time. */
const maxBytesInFlight = 2 ** 28;
/** The time to parse and check a body: milliseconds, and milliseconds for each 2^20 bytes. */
const limitMs = { body: 10_000, megabyte: 5000 };

let bytesInFlight = 0;
let sandbox: Sandbox<BodyJob, BodyOutcome> | null = null;

interface Received {
  readonly bytes: Uint8Array;
  readonly shape: JsonShape;
}

/** Returns why a body of this shape is not parsed; null: nothing. */
function toProblem({ depth, values }: JsonShape): ApiError | null {
  const refuse = (problem: string) => new ApiError(400, `the body ${problem}`, { code: 'invalid_json' });
  if (depth > maxDepth) return refuse(`is nested deeper than ${maxDepth} levels: flatten it`);
  if (values > maxValues) return refuse(`has more than ${maxValues} values, not counting token ids: send less`);
  return null;
}

/** Reads the bytes of a body; `reserve` is called with the size of each part. */
async function readBytes(request: Request, limit: number, reserve: (bytes: number) => void): Promise<Received> {
  const tooLarge = () =>
    new ApiError(413, `the body is larger than ${limit} bytes: send less, or raise the limit of the server`);
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge();
  const scanner = new JsonScanner();
  let chunks: Uint8Array[] = [];
  let length = 0;
  let problem: ApiError | null = null;
  const reader = request.body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read().catch(() => {
      throw new ApiError(400, 'the body is incomplete: send all of it');
    });
    if (done) break;
    length += value.byteLength;
    if (length > limit) {
      reader.cancel().catch(() => {});
      throw tooLarge();
    }
    if (problem !== null) continue; // the rest is read, so that the client reads the answer
    reserve(value.byteLength);
    chunks.push(value);
    scanner.push(value);
    problem = toProblem(scanner.shape);
    if (problem !== null) chunks = [];
  }
  if (problem !== null) throw problem;
  const bytes = chunks.length === 1 ? (chunks[0] as Uint8Array) : new Uint8Array(Buffer.concat(chunks));
  return { bytes, shape: scanner.shape };
}

function openSandbox(): Sandbox<BodyJob, BodyOutcome> {
  const entry = new URL(import.meta.url.replace(/body(\.[jt]s)$/, 'body-process$1'));
  return new Sandbox({ entry, setup: () => null });
}

/** Parses and checks a body in a process of its own. */
async function parseElsewhere(bytes: Uint8Array, schema: BodySchema, signal: AbortSignal): Promise<ValidBody> {
  sandbox ??= openSandbox();
  const ms = limitMs.body + Math.ceil((limitMs.megabyte * bytes.length) / 2 ** 20);
  try {
    const outcome = await sandbox.run({ bytes, schema }, ms, signal);
    if ('data' in outcome) return new ValidBody(bodySchemas[schema], outcome.data, outcome.unknown);
    throw new ApiError(outcome.status, outcome.message, outcome.details);
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    if (error.fault === 'start') throw new ApiError(503, `the body cannot be read: ${error.message}; try again later`);
    if (error.fault === 'busy') throw new ApiError(429, 'too many large bodies at once: try again in a second');
    throw new ApiError(422, `the body: it cannot be read (${error.message}): send a smaller one`);
  }
}

async function parse({ bytes, shape }: Received, schema: BodySchema | null, signal: AbortSignal): Promise<unknown> {
  const { values, numbers } = shape;
  if (schema !== null && (bytes.length > small.bytes || values + numbers > small.values))
    return parseElsewhere(bytes, schema, signal);
  if (schema === null && values + numbers > maxValuesWithoutSchema)
    throw new ApiError(400, `the body has more than ${maxValuesWithoutSchema} values: send less`);
  return parseBody(bytes);
}

/**
 * Reads a body of at most `limit` bytes and answers it; what `validate` makes of it has the schema of that name. Throws
 * ApiError 400, 413, 422 or 429.
 */
export async function withBody<T>(
  request: Request,
  limit: number,
  schema: BodySchema | null,
  answer: (body: unknown) => T | Promise<T>,
): Promise<T> {
  let reserved = 0;
  const reserve = (bytes: number): void => {
    reserved += bytes;
    bytesInFlight += bytes;
    if (reserved > small.bytes && bytesInFlight > Math.max(maxBytesInFlight, 2 * limit))
      throw new ApiError(429, 'too many large bodies at once: try again in a second', { code: 'queue_full' });
  };
  try {
    return await answer(await parse(await readBytes(request, limit, reserve), schema, request.signal));
  } catch (error) {
    throw request.signal.aborted ? new ApiError(408, 'the client left before the answer was ready') : error;
  } finally {
    bytesInFlight -= reserved;
  }
}

/** Returns the body of a request to a route whose schema is not known here, such as a recipe. */
export function readJson(request: Request, limit: number): Promise<unknown> {
  return withBody(request, limit, null, (body) => body);
}
