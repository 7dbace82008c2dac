// POST /v1/messages and /v1/messages/count_tokens: Anthropic's Messages.
//
// Thinking is a block of its own; its signature is the fingerprint of the model. A last message of the assistant is
// continued, as Anthropic's prefill is. input_tokens are those that were not in the prefix cache.
import type { ChatMessage } from '../../engine/index.ts';
import { offeredTools } from '../answer-constraint.ts';
import { answer } from '../answering.ts';
import { type Call, findModel, type ServerContext } from '../context.ts';
import type { Conversation, Tool, ToolChoice } from '../conversation.ts';
import { renderConversation } from '../conversation-prompt.ts';
import { ApiError, toApiError } from '../errors.ts';
import { namedFrame, serverSentEvents } from '../event-stream.ts';
import { jsonPieces, jsonResponse } from '../json-response.ts';
import { streamResponse } from '../stream-response.ts';
import { errorBody } from './error-shapes.ts';
import type {
  AnthropicBlock,
  AnthropicMessageParam,
  CountTokensRequest,
  MessagesRequest,
} from './messages-protocol.ts';
import { messageEvents, wholeMessage } from './messages-writer.ts';

const joinTexts = (content: string | readonly { readonly text?: string | null | undefined }[] | null | undefined) =>
  typeof content === 'string' ? content : (content ?? []).map(({ text }) => text ?? '').join('');

function need<T>(value: T | null | undefined, path: string, name: string): T {
  if (value === null || value === undefined)
    throw new ApiError(422, `${path}.${name}: is missing: send it`, { param: `${path}.${name}` });
  return value;
}

function readAssistant(blocks: readonly AnthropicBlock[], path: string): ChatMessage {
  const pick = (type: AnthropicBlock['type']) => blocks.filter((block) => block.type === type);
  const thinking = pick('thinking').map((block) => block.thinking ?? '');
  if (pick('redacted_thinking').length > 0 || pick('tool_result').length > 0)
    throw new ApiError(422, `${path}: expected text, thinking and tool_use of the assistant`, { param: path });
  const calls = blocks.flatMap((block, i) => {
    if (block.type !== 'tool_use') return [];
    const at = `${path}[${i}]`;
    const call = { name: need(block.name, at, 'name'), arguments: JSON.stringify(need(block.input, at, 'input')) };
    return [{ id: need(block.id, at, 'id'), type: 'function' as const, function: call }];
  });
  return {
    role: 'assistant',
    content: joinTexts(pick('text')),
    ...(thinking.length > 0 && { reasoning_content: thinking.join('\n') }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

/** Results of tools become messages of their own; texts between them are one message of the user. */
function readUser(role: string, blocks: readonly AnthropicBlock[], path: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let texts: string[] = [];
  const flush = (): void => {
    if (texts.length > 0) messages.push({ role, content: texts.join('\n\n') });
    texts = [];
  };
  for (const [i, block] of blocks.entries()) {
    if (block.type === 'text') texts.push(need(block.text, `${path}[${i}]`, 'text'));
    else if (block.type === 'tool_result') {
      flush();
      const id = need(block.tool_use_id, `${path}[${i}]`, 'tool_use_id');
      const prefix = block.is_error ? 'Error: ' : '';
      messages.push({ role: 'tool', tool_call_id: id, content: prefix + joinTexts(block.content) });
    } else throw new ApiError(422, `${path}[${i}]: ${block.type} is for the assistant`, { param: `${path}[${i}]` });
  }
  flush();
  return messages;
}

function readMessages(given: readonly AnthropicMessageParam[], system: string): ChatMessage[] {
  const messages: ChatMessage[] = system === '' ? [] : [{ role: 'system', content: system }];
  for (const [i, { role, content }] of given.entries()) {
    const blocks: readonly AnthropicBlock[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
    const path = `messages[${i}].content`;
    const read = role === 'assistant' ? [readAssistant(blocks, path)] : readUser(role, blocks, path);
    for (const message of read) {
      const last = messages.at(-1);
      // consecutive texts of the user are one turn
      if (message.role === 'user' && last?.role === 'user')
        messages[messages.length - 1] = { role: 'user', content: `${last.content}\n\n${message.content}` };
      else messages.push(message);
    }
  }
  const last = messages.at(-1);
  if (last?.role === 'assistant' && !last.tool_calls) messages[messages.length - 1] = { ...last, prefix: true };
  return messages;
}

const readTools = (tools: CountTokensRequest['tools']): Tool[] =>
  (tools ?? []).map(({ name, description, input_schema: parameters, strict }, i) => ({
    name,
    description: description ?? null,
    parameters,
    isStrict: strict ?? false,
    path: `tools[${i}].input_schema`,
  }));

function readToolChoice({ tool_choice: choice }: CountTokensRequest): ToolChoice {
  if (!choice) return 'auto';
  if (choice.type === 'tool') return { name: need(choice.name, 'tool_choice', 'name') };
  return choice.type === 'any' ? 'required' : choice.type;
}

/** The parts of a request that count_tokens has too. */
function readShared(request: CountTokensRequest): Omit<Conversation, 'sampling' | 'maxTokens'> {
  const { thinking, output_config: output } = request;
  const isOn = thinking && thinking.type !== 'disabled';
  const schema = output?.format?.schema;
  return {
    model: request.model,
    messages: readMessages(request.messages, joinTexts(request.system)),
    tools: readTools(request.tools),
    toolChoice: readToolChoice(request),
    parallelToolCalls: request.tool_choice?.disable_parallel_tool_use !== true,
    format: schema ? { constraint: { kind: 'schema', schema }, path: 'output_config.format.schema' } : null,
    thinking: {
      // adaptive: the model decides
      thinking:
        thinking && thinking.type !== 'adaptive'
          ? { type: isOn ? 'enabled' : 'disabled', budget_tokens: thinking.budget_tokens }
          : null,
      reasoning_effort: output?.effort,
    },
    logprobs: null,
  };
}

function toConversation(request: MessagesRequest): Conversation {
  return {
    ...readShared(request),
    sampling: {
      temperature: request.temperature,
      top_p: request.top_p,
      top_k: request.top_k,
      stop: request.stop_sequences,
      stream: request.stream,
    },
    maxTokens: request.max_tokens,
  };
}

/** Throws ApiError, RefusedError or TokenizerError; see toApiError. */
export async function handleMessages(context: ServerContext, request: MessagesRequest, call: Call): Promise<Response> {
  const given = await answer(context, toConversation(request), call);
  if (!request.stream) return jsonResponse(jsonPieces(await wholeMessage(given)));
  async function* frames(): AsyncGenerator<string> {
    try {
      for await (const event of messageEvents(given)) yield namedFrame(event);
    } catch (error) {
      const problem = toApiError(error);
      if (problem.status === 500) context.onError(error);
      yield namedFrame(errorBody('anthropic', problem, call.record.id) as { type: string });
    }
  }
  return streamResponse(context, call, frames(), serverSentEvents);
}

export async function handleCountTokens(
  context: ServerContext,
  request: CountTokensRequest,
  call: Call,
): Promise<Response> {
  const conversation = { ...readShared(request), sampling: {}, maxTokens: null };
  const model = findModel(context, request.model);
  offeredTools(conversation, model); // refuses what a message would be refused for
  const { ids } = await renderConversation(conversation, model, call);
  return Response.json({ input_tokens: ids.length });
}
