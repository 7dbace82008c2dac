// POST /chat/completions: the thinking first, then the answer, in DeepSeek's fields and order.
//
// Chunks: the role alone, `reasoning_content` with content null, `content` with reasoning_content null, then the finish
// reason.
import type { z } from 'zod';
import type { GenerationPart, TextModel } from '../engine/index.ts';
import { type Answer, answer } from './answering.ts';
import { type ChoiceFormat, completionResponse } from './completion-response.ts';
import type { Call, ServerContext } from './context.ts';
import type {
  AnswerEnd,
  AnswerEvent,
  Conversation,
  ToolCallArguments,
  ToolCallStart,
  ToolChoice,
} from './conversation.ts';
import { ApiError } from './errors.ts';
import { toTimings } from './generating.ts';
import type { Profile } from './profiles.ts';
import type { ChatRequest } from './protocol.ts';
import type { ChatDelta, ChatLogprobs, toolCall } from './protocol-responses.ts';
import { continuedMessages, withEarlierThinking } from './request-messages.ts';
import { readFormat } from './response-format.ts';
import { chatToken, promptTable } from './token-text.ts';

interface ChatChoiceChunk {
  readonly delta: ChatDelta;
  readonly logprobs: ChatLogprobs | null;
  /** With return_token_ids. */
  readonly token_ids?: readonly number[];
}

type CallDelta = NonNullable<ChatDelta['tool_calls']>[number];

function writeCall(event: ToolCallStart | ToolCallArguments): CallDelta {
  if (event.type === 'tool-arguments') return { index: event.index, function: { arguments: event.text } };
  return { index: event.index, id: event.id, type: 'function', function: { name: event.name, arguments: '' } };
}

/** Puts the parts of calls together. */
function joinCalls(parts: readonly CallDelta[]): z.output<typeof toolCall>[] {
  const calls: z.output<typeof toolCall>[] = [];
  for (const {
    index,
    id = '',
    function: { name, arguments: more },
  } of parts) {
    if (name !== undefined) calls[index] = { id, type: 'function', function: { name, arguments: '' } };
    calls[index].function.arguments += more;
  }
  return calls;
}

class ChatFormat implements ChoiceFormat<ChatChoiceChunk> {
  readonly #model: TextModel;
  readonly #request: ChatRequest;
  readonly #showsThinking: boolean;
  /** Whether the chunks have fields for thinking: the template starts with it, or some has arrived. */
  #thinks: boolean;

  constructor({ model, startsThinking }: Answer, request: ChatRequest, { showsThinking }: Profile) {
    this.#model = model;
    this.#request = request;
    this.#showsThinking = request.include_reasoning ?? showsThinking;
    this.#thinks = startsThinking && this.#showsThinking;
  }

  get first(): ChatChoiceChunk {
    const content = this.#thinks ? { content: null, reasoning_content: '' } : { content: '' };
    return { delta: { role: 'assistant', ...content }, logprobs: null };
  }

  part(event: Exclude<AnswerEvent, AnswerEnd>): ChatChoiceChunk | null {
    if (event.type === 'tool-end') return null;
    if (event.type !== 'part') return { delta: { tool_calls: [writeCall(event)] }, logprobs: null };
    const { channel, text, tokens } = event;
    const isThinking = channel === 'thinking';
    const ids = this.#request.return_token_ids && tokens.length > 0 ? { token_ids: tokens.map(({ id }) => id) } : null;
    if (isThinking && !this.#showsThinking) return ids && { delta: {}, logprobs: null, ...ids };
    if (isThinking) this.#thinks = true;
    const logprobs = this.#logprobs(isThinking, tokens);
    if (text === '' && logprobs === null && ids === null) return null;
    if (!isThinking) return { delta: this.#content(text), logprobs, ...ids };
    return { delta: { content: null, ...this.#reasoning(text) }, logprobs, ...ids };
  }

  last(): ChatChoiceChunk {
    return { delta: this.#content(''), logprobs: null };
  }

  join(chunks: readonly ChatChoiceChunk[]): object {
    const content = chunks.map(({ delta }) => delta.content ?? '').join('');
    const reasoning = chunks.map(({ delta }) => delta.reasoning_content ?? '').join('');
    const calls = joinCalls(chunks.flatMap(({ delta }) => delta.tool_calls ?? []));
    const tokens = (field: keyof ChatLogprobs) => chunks.flatMap(({ logprobs }) => logprobs?.[field] ?? []);
    const logprobs = {
      content: tokens('content'),
      reasoning_content: this.#thinks ? tokens('reasoning_content') : null,
    };
    return {
      message: {
        role: 'assistant',
        content: calls.length > 0 && content === '' ? null : content,
        ...(this.#thinks && this.#reasoning(reasoning)),
        ...(calls.length > 0 && { tool_calls: calls }),
      },
      logprobs: this.#request.logprobs ? logprobs : null,
      ...(this.#request.return_token_ids && { token_ids: chunks.flatMap(({ token_ids: ids = [] }) => ids) }),
    };
  }

  #content(content: string): ChatDelta {
    return this.#thinks ? { content, reasoning_content: null } : { content };
  }

  #reasoning(text: string): ChatDelta {
    return { reasoning_content: text, ...(this.#request.include_reasoning && { reasoning: text }) };
  }

  #logprobs(isThinking: boolean, tokens: GenerationPart['tokens']): ChatLogprobs | null {
    if (!this.#request.logprobs || tokens.length === 0) return null;
    const { tokenizer } = this.#model.tokenizer;
    const list = tokens.map((token) => chatToken(tokenizer, token, this.#request.top_logprobs ?? 0));
    return isThinking ? { content: null, reasoning_content: list } : { content: list, reasoning_content: null };
  }
}

function readToolChoice({ tools, tool_choice: choice }: ChatRequest): ToolChoice {
  if (typeof choice === 'object' && choice !== null) return { name: choice.function.name };
  return choice ?? (tools && tools.length > 0 ? 'auto' : 'none');
}

function toConversation(request: ChatRequest, profile: Profile): Conversation {
  const { max_tokens: maxTokens, max_completion_tokens: maxCompletionTokens } = request;
  if (request.top_logprobs && !request.logprobs)
    throw new ApiError(422, 'top_logprobs: needs logprobs: true', { param: 'top_logprobs' });
  if (maxTokens && maxCompletionTokens && maxTokens !== maxCompletionTokens)
    throw new ApiError(422, 'max_tokens: differs from max_completion_tokens; send one of them', {
      param: 'max_tokens',
    });
  if (request.stream && typeof request.prompt_logprobs === 'number')
    throw new ApiError(400, 'prompt_logprobs: come with the whole answer: leave out stream', {
      param: 'prompt_logprobs',
    });
  const tools = (request.tools ?? []).map(({ function: { name, description, parameters, strict } }, i) => ({
    name,
    description: description ?? null,
    parameters: parameters ?? { type: 'object', properties: {} },
    isStrict: strict ?? false,
    path: `tools[${i}].function.parameters`,
  }));
  return {
    model: request.model,
    messages: withEarlierThinking(continuedMessages(request), profile),
    tools,
    toolChoice: readToolChoice(request),
    parallelToolCalls: request.parallel_tool_calls ?? true,
    format: readFormat(request),
    thinking: request,
    sampling: request,
    maxTokens: maxCompletionTokens ?? maxTokens,
    logprobs: request.logprobs ? (request.top_logprobs ?? 0) : null,
    promptLogprobs: request.prompt_logprobs,
  };
}

/** Throws ApiError, RefusedError or TokenizerError; see toApiError. */
export async function handleChat(context: ServerContext, request: ChatRequest, call: Call): Promise<Response> {
  const given = await answer(context, toConversation(request, context.profile), call);
  const { model, prompt, events } = given;
  const choicesPerPrompt = request.n ?? 1;
  const formats = Array.from({ length: choicesPerPrompt }, () => new ChatFormat(given, request, context.profile));
  const objects = { whole: 'chat.completion', chunk: 'chat.completion.chunk' };
  const front = request.return_token_ids ? { prompt_token_ids: [...prompt] } : {};
  const back = (ends: readonly AnswerEnd[]) => {
    const scored = ends[0]?.promptLogprobs ?? null;
    return {
      ...(scored && { prompt_logprobs: promptTable(model.tokenizer.tokenizer, scored) }),
      ...(request.timings && { timings: toTimings(ends, choicesPerPrompt) }),
    };
  };
  const spec = { model, events, formats, choicesPerPrompt, idPrefix: 'chatcmpl', objects, front, back };
  return completionResponse(context, call, spec, request);
}
