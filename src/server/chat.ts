// POST /chat/completions: thinking first, then the answer, in DeepSeek's fields and order.
//
// In chunks: the role alone, `reasoning_content` with content null, `content` with reasoning_content null, then the
// reason of the end. Usage is on the last chunk, or, with stream_options.include_usage, on one of its own without
// choices. Functions and constrained output are refused by name.
import {
  type ChatPrompt,
  chatPrompt,
  type GenerateOptions,
  type GenerationEnd,
  type GenerationPart,
  type TextModel,
} from '../engine/index.ts';
import { type Call, ChunkWriter, findModel, newHead, type ServerContext, streamResponse } from './context.ts';
import { ApiError, toApiError, validate } from './errors.ts';
import { dataFrame } from './event-stream.ts';
import {
  checkLogitBias,
  clampMaxTokens,
  type IndexedEvent,
  startGenerations,
  toFailure,
  toGenerateOptions,
  totalUsage,
} from './generating.ts';
import { type ChatRequest, chatRequest } from './protocol.ts';
import type { ChatCompletion, ChatDelta, ChatLogprobs, TokenLogprob } from './protocol-responses.ts';
import { chatToken } from './token-text.ts';

/** Throws ApiError 400 that names what is not there yet. */
function refuseMissing({ tools, functions, response_format: format, tool_choice: choice }: ChatRequest): void {
  const refuse = (param: string, remedy: string): never => {
    throw new ApiError(400, `${param} is not supported yet: ${remedy}`, { param, code: 'unsupported_parameter' });
  };
  if (tools && tools.length > 0) refuse('tools', 'leave it out, or describe the functions in a system message');
  if (functions && functions.length > 0) refuse('functions', 'leave it out');
  if (choice === 'required' || typeof choice === 'object') if (choice) refuse('tool_choice', 'leave it out');
  if (format && format.type !== 'text')
    refuse('response_format', `type "${format.type}" needs constrained decoding; use "text" and ask for JSON in words`);
}

function variablesOf({ thinking, chat_template_kwargs: given }: ChatRequest): Record<string, boolean | number> {
  if (!thinking) return given ?? {};
  const on = thinking.type === 'enabled';
  return { thinking: on, enable_thinking: on, ...given };
}

/** One answer as it comes: which fields a part has. */
interface Shape {
  readonly model: TextModel;
  readonly withLogprobs: boolean;
  readonly top: number;
  /** The thinking under its other name too. */
  readonly alias: boolean;
}

function logprobsOf({ model, withLogprobs, top }: Shape, { channel, tokens }: GenerationPart): ChatLogprobs | null {
  if (!withLogprobs || tokens.length === 0) return null;
  const list = tokens.map((token) => chatToken(model.tokenizer.tokenizer, token, top));
  return channel === 'answer' ? { content: list, reasoning_content: null } : { content: null, reasoning_content: list };
}

function deltaOf({ channel, text }: GenerationPart, thinks: boolean, alias: boolean): ChatDelta {
  if (channel === 'thinking') return { content: null, reasoning_content: text, ...(alias && { reasoning: text }) };
  return thinks ? { content: text, reasoning_content: null } : { content: text };
}

function roleDelta(thinks: boolean): ChatDelta {
  return thinks ? { role: 'assistant', content: null, reasoning_content: '' } : { role: 'assistant', content: '' };
}

interface Answering {
  readonly context: ServerContext;
  readonly call: Call;
  readonly shape: Shape;
  readonly prompt: ChatPrompt;
  readonly events: AsyncIterableIterator<IndexedEvent>;
  readonly choices: number;
}

async function* frames(answering: Answering, includeUsage: boolean): AsyncGenerator<string> {
  const { context, call, shape, prompt, events, choices } = answering;
  const writer = new ChunkWriter(newHead('chatcmpl', 'chat.completion.chunk', shape.model));
  const usage = includeUsage ? null : undefined;
  const ends: GenerationEnd[] = [];
  const thinks = new Array<boolean>(choices).fill(prompt.startsThinking);
  const indices = Array.from({ length: choices }, (_, index) => index);
  try {
    yield indices
      .map((index) => ({ index, delta: roleDelta(prompt.startsThinking), logprobs: null, finish_reason: null }))
      .map((choice) => writer.frame([choice], usage))
      .join('');
    for await (const [index, event] of events) {
      if (event.type === 'part') {
        const logprobs = logprobsOf(shape, event);
        if (event.channel === 'thinking') thinks[index] = true;
        if (event.text === '' && logprobs === null) continue;
        const delta = deltaOf(event, thinks[index], shape.alias);
        yield writer.frame([{ index, delta, logprobs, finish_reason: null }], usage);
        continue;
      }
      context.metrics.observe(shape.model.name, event);
      const failure = toFailure(event, call.lease);
      if (failure !== null) throw failure;
      ends[index] = event;
      const last = Object.keys(ends).length === choices && !includeUsage ? totalUsage(ends, choices) : usage;
      const delta = thinks[index] ? { content: '', reasoning_content: null } : { content: '' };
      yield writer.frame([{ index, delta, logprobs: null, finish_reason: event.finishReason }], last);
    }
    if (includeUsage) yield writer.frame([], totalUsage(ends, choices));
    yield dataFrame('[DONE]');
  } catch (error) {
    const told = toApiError(error);
    if (told.status === 500) context.onError(error);
    yield dataFrame(JSON.stringify(told.body));
  }
}

interface Collected {
  content: string;
  reasoning: string;
  thinks: boolean;
  tokens: { content: TokenLogprob[]; reasoning_content: TokenLogprob[] };
  end: GenerationEnd | null;
}

function choiceOf(shape: Shape, { content, reasoning, thinks, tokens, end }: Collected, index: number) {
  const thought = thinks ? { reasoning_content: reasoning, ...(shape.alias && { reasoning }) } : {};
  const logprobs = { content: tokens.content, reasoning_content: thinks ? tokens.reasoning_content : null };
  return {
    index,
    message: { role: 'assistant' as const, content, ...thought },
    logprobs: shape.withLogprobs ? logprobs : null,
    finish_reason: end?.finishReason as 'stop' | 'length',
  };
}

async function whole({ context, call, shape, prompt, events, choices }: Answering): Promise<ChatCompletion> {
  const collected = Array.from(
    { length: choices },
    (): Collected => ({
      content: '',
      reasoning: '',
      thinks: prompt.startsThinking,
      tokens: { content: [], reasoning_content: [] },
      end: null,
    }),
  );
  for await (const [index, event] of events) {
    const own = collected[index];
    if (event.type === 'end') {
      context.metrics.observe(shape.model.name, event);
      const failure = toFailure(event, call.lease);
      if (failure !== null) throw failure;
      own.end = event;
      continue;
    }
    if (event.channel === 'answer') own.content += event.text;
    else {
      own.reasoning += event.text;
      own.thinks = true;
    }
    const logprobs = logprobsOf(shape, event);
    own.tokens.content.push(...(logprobs?.content ?? []));
    own.tokens.reasoning_content.push(...(logprobs?.reasoning_content ?? []));
  }
  const ends = collected.map(({ end }) => end as GenerationEnd);
  return {
    ...newHead('chatcmpl', 'chat.completion', shape.model),
    object: 'chat.completion',
    choices: collected.map((each, index) => choiceOf(shape, each, index)),
    usage: totalUsage(ends, choices),
  };
}

/** Throws ApiError, RefusedError, TokenizerError; see toApiError. */
export async function handleChat(context: ServerContext, call: Call, body: unknown): Promise<Response> {
  const request = validate(chatRequest, body);
  const model = findModel(context, request.model);
  refuseMissing(request);
  checkLogitBias(request, model);
  if (request.top_logprobs && !request.logprobs)
    throw new ApiError(422, 'top_logprobs: needs logprobs: true', { param: 'top_logprobs' });
  const prompt = chatPrompt(model.tokenizer, request.messages, variablesOf(request));
  const choices = request.n ?? 1;
  const asked = request.max_completion_tokens ?? request.max_tokens;
  const common: GenerateOptions = {
    startsThinking: prompt.startsThinking,
    maxTokens: clampMaxTokens(asked, prompt.ids.length, model),
    ...(request.logprobs && { logprobs: request.top_logprobs ?? 0 }),
  };
  const runs = Array.from({ length: choices }, (_, choice) => ({
    prompt: prompt.ids,
    options: { ...toGenerateOptions(request, choice), ...common },
  }));
  const shape: Shape = {
    model,
    withLogprobs: request.logprobs ?? false,
    top: request.top_logprobs ?? 0,
    alias: request.include_reasoning ?? false,
  };
  const events = await startGenerations(model, runs, call.lease);
  const answering: Answering = { context, call, shape, prompt, events, choices };
  if (!request.stream) return Response.json(await whole(answering));
  return streamResponse(context, call, frames(answering, request.stream_options?.include_usage ?? false));
}
