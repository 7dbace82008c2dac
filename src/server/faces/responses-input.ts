// From the items of a Responses request to the messages of a conversation.
//
// Reasoning, text and calls that follow each other are one message of the assistant. The thinking of an item is its
// content; where a client keeps only encrypted_content, it is in there, in base64, because nothing here is secret.
import type { ChatMessage } from '../../engine/index.ts';
import type { Conversation, ToolChoice } from '../conversation.ts';
import { ApiError } from '../errors.ts';
import type { ResponseItem, ResponsesRequest } from './responses-protocol.ts';

const joinParts = (content: ResponseItem['content']): string =>
  typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? part.refusal ?? '').join('');

function need<T>(value: T | null | undefined, path: string): T {
  if (value === null || value === undefined) throw new ApiError(422, `${path}: is missing: send it`, { param: path });
  return value;
}

export const hideThinking = (thinking: string): string => Buffer.from(thinking).toString('base64');

function readThinking({ content, summary, encrypted_content: hidden }: ResponseItem): string {
  const given = joinParts(content);
  if (given !== '') return given;
  return hidden ? Buffer.from(hidden, 'base64').toString() : joinParts(summary);
}

interface Growing {
  content: string;
  thinking: string;
  readonly calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[];
}

function close({ content, thinking, calls }: Growing): ChatMessage {
  return {
    role: 'assistant',
    content,
    ...(thinking !== '' && { reasoning_content: thinking }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

/** Throws ApiError 422 for an item that lacks what its type needs. */
export function readItems(items: readonly ResponseItem[]): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let open: Growing | null = null;
  const flush = (): void => {
    if (open !== null) messages.push(close(open));
    open = null;
  };
  const assistant = (): Growing => {
    open ??= { content: '', thinking: '', calls: [] };
    return open;
  };
  for (const [i, item] of items.entries()) {
    const path = `input[${i}]`;
    if (item.type === 'reasoning') assistant().thinking += readThinking(item);
    else if (item.type === 'function_call') {
      const called = { name: need(item.name, `${path}.name`), arguments: need(item.arguments, `${path}.arguments`) };
      assistant().calls.push({ id: need(item.call_id, `${path}.call_id`), type: 'function', function: called });
    } else if (item.type === 'function_call_output') {
      flush();
      const id = need(item.call_id, `${path}.call_id`);
      messages.push({ role: 'tool', tool_call_id: id, content: joinParts(need(item.output, `${path}.output`)) });
    } else if (item.role === 'assistant') assistant().content += joinParts(need(item.content, `${path}.content`));
    else {
      flush();
      const content = joinParts(need(item.content, `${path}.content`));
      messages.push({ role: need(item.role, `${path}.role`), content });
    }
  }
  flush();
  return messages;
}

function readToolChoice({ tool_choice: choice }: ResponsesRequest): ToolChoice {
  return choice && typeof choice === 'object' ? { name: choice.name } : (choice ?? 'auto');
}

function readFormat({ text }: ResponsesRequest): Conversation['format'] {
  const format = text?.format;
  if (!format || format.type === 'text') return null;
  const path = 'text.format.schema';
  if (format.type === 'json_object') return { constraint: { kind: 'object' }, path: 'text.format' };
  return { constraint: { kind: 'schema', schema: need(format.schema, path) }, path };
}

/** `items`: the whole conversation. */
export function toConversation(request: ResponsesRequest, items: readonly ResponseItem[]): Conversation {
  const { instructions, reasoning, top_logprobs: top, include } = request;
  const system: ChatMessage[] = instructions ? [{ role: 'system', content: instructions }] : [];
  return {
    model: request.model,
    messages: [...system, ...readItems(items)],
    tools: (request.tools ?? []).map(({ name, description, parameters, strict }, i) => ({
      name,
      description: description ?? null,
      parameters: parameters ?? { type: 'object', properties: {} },
      isStrict: strict ?? false,
      path: `tools[${i}].parameters`,
    })),
    toolChoice: readToolChoice(request),
    parallelToolCalls: request.parallel_tool_calls ?? true,
    format: readFormat(request),
    thinking: { reasoning_effort: reasoning?.effort },
    sampling: request,
    maxTokens: request.max_output_tokens,
    logprobs: top || include?.includes('message.output_text.logprobs') ? (top ?? 0) : null,
  };
}
