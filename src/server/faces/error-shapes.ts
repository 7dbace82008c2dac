// An error in the shape of the protocol that asked: DeepSeek's and OpenAI's, Anthropic's, or Ollama's.
import type { ApiError, ErrorStatus } from '../errors.ts';

export type ErrorShape = 'openai' | 'anthropic' | 'ollama';

/** Which protocol a path belongs to. */
export function errorShape(path: string): ErrorShape {
  if (path.startsWith('/api/')) return 'ollama';
  return /^(\/anthropic)?\/v1\/messages(\/|$)/.test(path) ? 'anthropic' : 'openai';
}

const anthropicTypes: Readonly<Record<ErrorStatus, readonly [status: number, type: string]>> = {
  400: [400, 'invalid_request_error'],
  401: [401, 'authentication_error'],
  403: [403, 'permission_error'],
  404: [404, 'not_found_error'],
  405: [405, 'invalid_request_error'],
  408: [408, 'timeout_error'],
  409: [409, 'invalid_request_error'],
  413: [413, 'request_too_large'],
  422: [400, 'invalid_request_error'],
  429: [429, 'rate_limit_error'],
  500: [500, 'api_error'],
  503: [529, 'overloaded_error'],
};

export function errorBody(shape: ErrorShape, problem: ApiError, requestId: string): object {
  if (shape === 'openai') return problem.body;
  const { message, ...rest } = problem.body.error;
  if (shape === 'ollama') return { error: message };
  const sizes = 'n_ctx' in rest ? { n_prompt_tokens: rest.n_prompt_tokens, n_ctx: rest.n_ctx } : {};
  const [, type] = anthropicTypes[problem.status];
  return { type: 'error', error: { type, message, ...sizes }, request_id: requestId };
}

/** The response to an error, with the status that the protocol has for it. */
export function errorResponse(shape: ErrorShape, problem: ApiError, requestId: string): Response {
  const { status: own, headers } = problem.response;
  const invalid = own === 422 ? 400 : own;
  const status = shape === 'openai' ? own : shape === 'anthropic' ? anthropicTypes[problem.status][0] : invalid;
  return Response.json(errorBody(shape, problem, requestId), { status, headers });
}
