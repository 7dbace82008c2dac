// POST /chat/completions: the thinking first, then the answer, in DeepSeek's fields and order.
//
// Chunks: the role alone, `reasoning_content` with content null, `content` with reasoning_content null, then the finish
// reason. Functions and constrained output are refused by name.
import { chatPrompt, type GenerateOptions, type GenerationPart, type TextModel } from '../engine/index.ts';
import { type ChoiceFormat, completionResponse } from './completion-response.ts';
import { type Call, findModel, type ServerContext } from './context.ts';
import { ApiError, validate } from './errors.ts';
import { checkLogitBias, clampMaxTokens, toGenerateOptions } from './generating.ts';
import { type ChatRequest, chatRequest } from './protocol.ts';
import type { ChatDelta, ChatLogprobs } from './protocol-responses.ts';
import { chatToken } from './token-text.ts';

/** Throws ApiError 400 that names the first field that is not supported. */
function refuseUnsupported({ tools, functions, response_format: format, tool_choice: choice }: ChatRequest): void {
  const refuse = (param: string, remedy: string): never => {
    throw new ApiError(400, `${param} is not supported yet: ${remedy}`, { param, code: 'unsupported_parameter' });
  };
  if (tools && tools.length > 0) refuse('tools', 'leave it out, or describe the functions in a system message');
  if (functions && functions.length > 0) refuse('functions', 'leave it out');
  if (choice && (choice === 'required' || typeof choice === 'object')) refuse('tool_choice', 'leave it out');
  if (format && format.type !== 'text')
    refuse('response_format', `type "${format.type}" needs constrained decoding; use "text" and ask for JSON in words`);
}

function templateVariables({ thinking, chat_template_kwargs: given }: ChatRequest): Record<string, boolean | number> {
  if (!thinking) return given ?? {};
  const isEnabled = thinking.type === 'enabled';
  return { thinking: isEnabled, enable_thinking: isEnabled, ...given };
}

interface ChatChoiceChunk {
  readonly delta: ChatDelta;
  readonly logprobs: ChatLogprobs | null;
}

class ChatFormat implements ChoiceFormat<ChatChoiceChunk> {
  readonly #model: TextModel;
  readonly #request: ChatRequest;
  /** Whether the template starts with thinking or some has arrived: then the chunks have fields for it. */
  #thinks: boolean;

  constructor(model: TextModel, request: ChatRequest, startsThinking: boolean) {
    this.#model = model;
    this.#request = request;
    this.#thinks = startsThinking;
  }

  get first(): ChatChoiceChunk {
    const content = this.#thinks ? { content: null, reasoning_content: '' } : { content: '' };
    return { delta: { role: 'assistant', ...content }, logprobs: null };
  }

  part({ channel, text, tokens }: GenerationPart): ChatChoiceChunk | null {
    const isThinking = channel === 'thinking';
    if (isThinking) this.#thinks = true;
    const logprobs = this.#logprobs(isThinking, tokens);
    if (text === '' && logprobs === null) return null;
    if (!isThinking) return { delta: this.#content(text), logprobs };
    return { delta: { content: null, ...this.#reasoning(text) }, logprobs };
  }

  last(): ChatChoiceChunk {
    return { delta: this.#content(''), logprobs: null };
  }

  join(chunks: readonly ChatChoiceChunk[]): object {
    const content = chunks.map(({ delta }) => delta.content ?? '').join('');
    const reasoning = chunks.map(({ delta }) => delta.reasoning_content ?? '').join('');
    const tokens = (field: keyof ChatLogprobs) => chunks.flatMap(({ logprobs }) => logprobs?.[field] ?? []);
    const logprobs = {
      content: tokens('content'),
      reasoning_content: this.#thinks ? tokens('reasoning_content') : null,
    };
    return {
      message: { role: 'assistant', content, ...(this.#thinks && this.#reasoning(reasoning)) },
      logprobs: this.#request.logprobs ? logprobs : null,
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

/** Throws ApiError, RefusedError or TokenizerError; see toApiError. */
export async function handleChat(context: ServerContext, call: Call, body: unknown): Promise<Response> {
  const request = validate(chatRequest, body);
  const model = findModel(context, request.model);
  refuseUnsupported(request);
  checkLogitBias(request, model);
  if (request.top_logprobs && !request.logprobs)
    throw new ApiError(422, 'top_logprobs: needs logprobs: true', { param: 'top_logprobs' });
  const { ids, startsThinking } = chatPrompt(model.tokenizer, request.messages, templateVariables(request));
  const choicesPerPrompt = request.n ?? 1;
  const options: GenerateOptions = {
    startsThinking,
    maxTokens: clampMaxTokens(request.max_completion_tokens ?? request.max_tokens, ids.length, model),
    ...(request.logprobs && { logprobs: request.top_logprobs ?? 0 }),
  };
  const generations = Array.from({ length: choicesPerPrompt }, (_, choice) => ({
    prompt: ids,
    options: { ...toGenerateOptions(request, choice), ...options },
    format: new ChatFormat(model, request, startsThinking),
  }));
  const objects = { whole: 'chat.completion', chunk: 'chat.completion.chunk' };
  return completionResponse(
    context,
    call,
    { model, generations, choicesPerPrompt, idPrefix: 'chatcmpl', objects },
    request,
  );
}
