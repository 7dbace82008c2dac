// Errors in DeepSeek's format: a status and {error: {message, type, param, code}}. Messages say what to change.
//
// 400 malformed or unsupported requests, 401 keys, 404 models and routes, 409 busy, 413 size, 422 parameters,
// 429 too many requests, 500 faults of the server, 503 shutting down.
// Source: api-docs.deepseek.com/quick_start/error_codes.
import type { z } from 'zod';
import { type PromptSizes, type RefusalKind, RefusedError } from '../engine/index.ts';
import { TokenizerError } from '../tokenizer/index.ts';
import { hidePaths } from '../untrusted/index.ts';
import type { UnknownField } from './ignored-fields.ts';
import type { ErrorBody } from './protocol-responses.ts';

export type ErrorStatus = 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 422 | 429 | 500 | 503;

/** The type and the default code of each status. */
const errorTypes: Readonly<Record<ErrorStatus, readonly [type: string, code: string]>> = {
  400: ['invalid_request_error', 'invalid_request'],
  401: ['authentication_error', 'invalid_api_key'],
  403: ['permission_error', 'forbidden'],
  404: ['not_found_error', 'not_found'],
  405: ['invalid_request_error', 'method_not_allowed'],
  408: ['timeout_error', 'timeout'],
  409: ['conflict_error', 'conflict'],
  413: ['invalid_request_error', 'request_too_large'],
  422: ['invalid_request_error', 'invalid_parameter'],
  429: ['rate_limit_error', 'too_many_requests'],
  500: ['server_error', 'internal_error'],
  503: ['service_unavailable_error', 'shutting_down'],
};

/** Clients that retry by themselves wait for this number of seconds. */
const retryHeaders = { 'retry-after': '1' };

export interface ErrorDetails {
  readonly param?: string | null;
  readonly code?: string;
  /** Why a prompt is too long. */
  readonly sizes?: PromptSizes | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export class ApiError extends Error {
  readonly status: ErrorStatus;
  readonly details: ErrorDetails;

  constructor(status: ErrorStatus, message: string, details: ErrorDetails = {}) {
    super(hidePaths(message));
    this.name = 'ApiError';
    this.status = status;
    this.details = details;
  }

  get body(): ErrorBody {
    const [type, code] = errorTypes[this.status];
    const { param = null, code: own = code, sizes } = this.details;
    const counts = sizes ? { n_prompt_tokens: sizes.promptTokens, n_ctx: sizes.contextLength } : {};
    return { error: { message: this.message, type, param, code: own, ...counts } };
  }

  get response(): Response {
    const again = this.status === 429 || this.status === 503 ? retryHeaders : {};
    return Response.json(this.body, { status: this.status, headers: { ...again, ...this.details.headers } });
  }
}

const refusalStatus: Readonly<Record<RefusalKind, readonly [ErrorStatus, string]>> = {
  overloaded: [429, 'queue_full'],
  closing: [503, 'shutting_down'],
  'too-long': [400, 'context_length_exceeded'],
  invalid: [422, 'invalid_parameter'],
  unsupported: [400, 'unsupported_parameter'],
};

/** Returns the parameter of the API that sets an engine option: max_tokens for maxTokens. */
const parameterName = (option: string) => option.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function fromRefusal({ kind, message, field, sizes }: RefusedError): ApiError {
  const [status, code] = refusalStatus[kind];
  const param = field === null ? null : parameterName(field);
  const own = field !== null && message.startsWith(`${field}: `) ? `${param}${message.slice(field.length)}` : message;
  return new ApiError(status, own, { param, code, sizes });
}

/** Formats a path as JavaScript does: messages[0].content. */
function formatPath(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`)).join('');
}

/** Converts the first issue that a schema finds. */
export function fromIssues(issues: readonly z.core.$ZodIssue[]): ApiError {
  const [issue] = issues as [z.core.$ZodIssue];
  const { path } = issue;
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  const param = formatPath(path).slice(0, 256);
  return new ApiError(422, param === '' ? `the body: ${message}` : `${param}: ${message}`, { param: param || null });
}

/** Converts an error to what a client may see. Faults of the server stay in its log. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof RefusedError) return fromRefusal(error);
  if (error instanceof TokenizerError) return new ApiError(422, error.publicMessage);
  return new ApiError(500, 'the server failed at this request: its log says why; try again, or report it');
}

/** A body that its schema has parsed elsewhere. Lists of token ids are typed arrays. */
export class ValidBody {
  readonly schema: z.ZodType;
  readonly data: unknown;
  /** The fields that the schema does not know. */
  readonly unknown: readonly UnknownField[];

  constructor(schema: z.ZodType, data: unknown, unknown: readonly UnknownField[]) {
    this.schema = schema;
    this.data = data;
    this.unknown = unknown;
  }
}

/** Returns the value as its schema parses it. Throws ApiError 422. */
export function validate<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  if (value instanceof ValidBody && value.schema === schema) return value.data as z.output<T>;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw fromIssues(result.error.issues);
}
