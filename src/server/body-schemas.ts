// Bodies as jobs: bytes in, checked data out, so that any process can do them.
import { ApiError, type ErrorDetails, type ErrorStatus, fromIssues } from './errors.ts';
import { countTokensRequest, messagesRequest } from './faces/messages-protocol.ts';
import { ollamaChatRequest, ollamaGenerateRequest, ollamaShowRequest } from './faces/ollama-protocol.ts';
import { responsesRequest } from './faces/responses-protocol.ts';
import { listUnknown, type UnknownField } from './ignored-fields.ts';
import {
  applyTemplateRequest,
  chatRequest,
  completionRequest,
  detokenizeRequest,
  embeddingsRequest,
  tokenizeRequest,
} from './protocol.ts';
import { gradeRequest, problemRequest } from './protocol-tasks.ts';

export const bodySchemas = {
  chat: chatRequest,
  completion: completionRequest,
  tokenize: tokenizeRequest,
  detokenize: detokenizeRequest,
  applyTemplate: applyTemplateRequest,
  embeddings: embeddingsRequest,
  problem: problemRequest,
  grade: gradeRequest,
  messages: messagesRequest,
  responses: responsesRequest,
  ollamaChat: ollamaChatRequest,
  ollamaGenerate: ollamaGenerateRequest,
  ollamaShow: ollamaShowRequest,
  countTokens: countTokensRequest,
} as const;

export type BodySchema = keyof typeof bodySchemas;

export interface BodyJob {
  readonly bytes: Uint8Array;
  readonly schema: BodySchema;
}

export type BodyOutcome =
  | { readonly data: unknown; readonly unknown: readonly UnknownField[] }
  | { readonly status: ErrorStatus; readonly message: string; readonly details: ErrorDetails };

/** Bodies with token ids. In others a list of numbers may be a part of a schema or of a call's arguments. */
const withIds: ReadonlySet<BodySchema> = new Set(['completion', 'detokenize']);
/** Lists of at least this many numbers travel as typed arrays. */
const minPacked = 64;

/** Returns the parsed body. Throws ApiError 400. */
export function parseBody(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ApiError(400, 'the body is not valid UTF-8: encode it as UTF-8', { code: 'invalid_utf8' });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const problem = text.trim() === '' ? 'the body is empty: send a JSON object' : (error as Error).message;
    throw new ApiError(400, `the body is not JSON: ${problem.slice(0, 200)}`, { code: 'invalid_json' });
  }
}

const isId = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;

/** Replaces lists of token ids by typed arrays, which take a hundredth of the time to hand over. */
function packIds(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (!Array.isArray(value))
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, packIds(each)]));
  return value.length >= minPacked && value.every(isId) ? Int32Array.from(value) : value.map(packIds);
}

/** Parses and checks a body. What a client must know is an outcome. */
export function doBodyJob({ bytes, schema }: BodyJob): BodyOutcome {
  try {
    const body = parseBody(bytes);
    const result = bodySchemas[schema].safeParse(body);
    const data = withIds.has(schema) ? packIds(result.data) : result.data;
    if (result.success) return { data, unknown: listUnknown(bodySchemas[schema], body) };
    throw fromIssues(result.error.issues);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { status, message, details } = error;
    return { status, message, details };
  }
}
