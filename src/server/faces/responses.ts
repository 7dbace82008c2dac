// POST /v1/responses: OpenAI's Responses, stateless or with previous_response_id; GET and DELETE /v1/responses/{id}.
//
// A response is its events put together. It is kept in memory unless store is false, for requests with the same key.
import { type Answer, answer } from '../answering.ts';
import type { Call, ServerContext } from '../context.ts';
import type { AnswerEnd } from '../conversation.ts';
import { type ApiError, toApiError } from '../errors.ts';
import { dataFrame, namedFrame, serverSentEvents } from '../event-stream.ts';
import { totalUsage } from '../generating.ts';
import { jsonPieces, jsonResponse } from '../json-response.ts';
import { streamResponse } from '../stream-response.ts';
import type { ResponseStore } from './response-store.ts';
import { toConversation } from './responses-input.ts';
import type { ResponseItem, Response as ResponseObject, ResponsesRequest } from './responses-protocol.ts';
import { OutputWriter, type ResponseEvent } from './responses-writer.ts';

const seconds = () => Math.floor(Date.now() / 1000);

function newResponse(request: ResponsesRequest, model: string): ResponseObject {
  return {
    id: `resp_${crypto.randomUUID().replaceAll('-', '')}`,
    object: 'response',
    created_at: seconds(),
    completed_at: null,
    status: 'in_progress',
    error: null,
    incomplete_details: null,
    model,
    output: [],
    usage: null,
    instructions: request.instructions ?? null,
    previous_response_id: request.previous_response_id ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    max_tool_calls: null,
    temperature: request.temperature ?? null,
    top_p: request.top_p ?? null,
    presence_penalty: request.presence_penalty ?? 0,
    frequency_penalty: request.frequency_penalty ?? 0,
    top_logprobs: request.top_logprobs ?? 0,
    tools: (request.tools ?? []).map((tool) => ({ description: null, parameters: null, strict: null, ...tool })),
    tool_choice: request.tool_choice ?? 'auto',
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    reasoning: { effort: request.reasoning?.effort ?? null, summary: request.reasoning?.summary ?? null },
    text: { format: request.text?.format ?? { type: 'text' } },
    truncation: 'disabled',
    store: request.store ?? true,
    background: false,
    service_tier: 'default',
    metadata: request.metadata ?? {},
    user: request.user ?? null,
    safety_identifier: null,
    prompt_cache_key: null,
  };
}

function complete(response: ResponseObject, output: ResponseObject['output'], end: AnswerEnd): ResponseObject {
  const usage = totalUsage([end], 1);
  const isCut = end.finishReason === 'length';
  return {
    ...response,
    status: isCut ? 'incomplete' : 'completed',
    completed_at: isCut ? null : seconds(),
    incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
    output,
    usage: {
      input_tokens: usage.prompt_tokens,
      input_tokens_details: { cached_tokens: usage.prompt_cache_hit_tokens },
      output_tokens: usage.completion_tokens,
      output_tokens_details: { reasoning_tokens: usage.completion_tokens_details.reasoning_tokens },
      total_tokens: usage.total_tokens,
    },
  };
}

/** A response while it is made. */
interface Making {
  readonly request: ResponsesRequest;
  readonly begun: ResponseObject;
  readonly top: number | null;
  readonly given: Answer;
  /** Called with the response that is complete. */
  readonly keep: (response: ResponseObject) => void;
}

async function* responseEvents({ request, begun, top, given, keep }: Making): AsyncGenerator<ResponseEvent> {
  const writer = new OutputWriter(given.model, request, top);
  yield { type: 'response.created', response: begun };
  yield { type: 'response.in_progress', response: begun };
  for await (const [, event] of given.events) {
    if (event.type !== 'end') {
      yield* writer.write(event);
      continue;
    }
    yield* writer.close(event.finishReason === 'length' ? 'incomplete' : 'completed');
    const response = complete(begun, writer.output, event);
    keep(response);
    yield { type: `response.${response.status}`, response };
  }
}

function* failureEvents(begun: ResponseObject, problem: ApiError): Generator<ResponseEvent> {
  const { message, code, param } = problem.body.error;
  const error = { code: problem.status === 500 ? 'server_error' : code, message };
  yield { type: 'response.failed', response: { ...begun, status: 'failed', error } };
  yield { type: 'error', code, message, param };
}

async function* frames(making: Making, onError: (error: unknown) => void): AsyncGenerator<string> {
  let sequence_number = 0;
  const write = (event: ResponseEvent) => namedFrame({ ...event, sequence_number: sequence_number++ });
  try {
    for await (const event of responseEvents(making)) yield write(event);
  } catch (error) {
    const problem = toApiError(error);
    if (problem.status === 500) onError(error);
    for (const event of failureEvents(making.begun, problem)) yield write(event);
  }
  yield dataFrame('[DONE]');
}

/** Returns the items of the whole conversation: of the response before, then those of the request. */
function readAll(store: ResponseStore, { input, previous_response_id: before }: ResponsesRequest, scope: string) {
  const items: readonly ResponseItem[] = typeof input === 'string' ? [{ role: 'user', content: input }] : input;
  const earlier = before ? store.find(scope, before, 'previous_response_id').items : [];
  const own = items.map((item, i) =>
    item.type === 'item_reference' ? store.findItem(scope, item.id ?? '', `input[${i}].id`) : item,
  );
  return [...earlier, ...own];
}

/** Throws ApiError, RefusedError or TokenizerError; see toApiError. */
export async function handleResponses(
  context: ServerContext,
  request: ResponsesRequest,
  call: Call,
): Promise<Response> {
  const { scope } = call.record;
  const items = readAll(context.responses, request, scope);
  const conversation = toConversation(request, items);
  const given = await answer(context, conversation, call);
  const making: Making = {
    request,
    begun: newResponse(request, given.model.name),
    top: conversation.logprobs,
    given,
    keep: (response) => {
      if (response.store) context.responses.add(scope, [...items, ...response.output], response);
    },
  };
  if (request.stream) return streamResponse(context, call, frames(making, context.onError), serverSentEvents);
  let last: unknown = null;
  for await (const event of responseEvents(making)) last = event.response ?? last;
  return jsonResponse(jsonPieces(last));
}

export function showResponse({ responses }: ServerContext, scope: string, id: string): Response {
  return jsonResponse(jsonPieces(responses.find(scope, id, null).response));
}

export function deleteResponse({ responses }: ServerContext, scope: string, id: string): Response {
  responses.delete(scope, id);
  return Response.json({ id, object: 'response', deleted: true });
}
