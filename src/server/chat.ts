// POST /chat/completions: the thinking first, then the answer, in DeepSeek's fields and order.
//
// Chunks: the role alone, `reasoning_content` with content null, `content` with reasoning_content null, then the finish
// reason. A switch of the thinking is refused where the model has none.
import {
  type ChatPrompt,
  type GenerateOptions,
  type GenerationPart,
  promptEncoder,
  type TextModel,
} from '../engine/index.ts';
import { type ChoiceFormat, completionResponse } from './completion-response.ts';
import { type Call, findModel, type ServerContext } from './context.ts';
import { ApiError } from './errors.ts';
import { checkSampling, clampMaxTokens, toGenerateOptions } from './generating.ts';
import type { ChatRequest } from './protocol.ts';
import type { ChatDelta, ChatLogprobs } from './protocol-responses.ts';
import { chatToken } from './token-text.ts';

type Variables = Readonly<Record<string, boolean | number | string>>;

function refuse(param: string, problem: string): never {
  throw new ApiError(400, `${param}: ${problem}`, { param, code: 'unsupported_parameter' });
}

/** The parameter that turns the thinking on or off, and the variables of the template by which it does so. */
interface ThinkingSwitch {
  readonly param: string;
  readonly isOn: boolean;
  readonly names: readonly string[];
}

function readSwitch({
  thinking,
  reasoning_effort: effort,
  chat_template_kwargs: kwargs,
}: ChatRequest): ThinkingSwitch | null {
  const names = ['thinking', 'enable_thinking'];
  const given = names.filter((name) => typeof kwargs?.[name] === 'boolean');
  const switches: ThinkingSwitch[] = [];
  if (thinking) switches.push({ param: 'thinking', isOn: thinking.type === 'enabled', names });
  if (effort === 'none') switches.push({ param: 'reasoning_effort', isOn: false, names });
  for (const name of given)
    switches.push({ param: 'chat_template_kwargs', isOn: kwargs?.[name] === true, names: given });
  const [first = null, ...others] = switches;
  const other = others.find(({ isOn }) => isOn !== first?.isOn);
  if (other !== undefined) refuse(other.param, `contradicts ${first?.param}: leave out one of them`);
  return first;
}

function templateVariables(request: ChatRequest, isOn: boolean, names: readonly string[] = []): Variables {
  const { reasoning_effort: effort, chat_template_kwargs: given } = request;
  return {
    ...(effort && effort !== 'none' && { reasoning_effort: effort }),
    ...given,
    ...Object.fromEntries(names.map((name) => [name, isOn])),
  };
}

const isEqual = (a: Int32Array, b: Int32Array) => a.length === b.length && a.every((id, i) => id === b[i]);

/**
 * Renders the conversation. Throws ApiError 400 for an effort that the template does not know, and for a switch of the
 * thinking without effect on a model that does otherwise. Other unknown variables are ignored fields, and so are
 * messages that the template leaves out.
 */
async function renderChat(request: ChatRequest, model: TextModel, { lease, ignored }: Call): Promise<ChatPrompt> {
  const { tokenizer, contextLength } = model;
  const { messages, reasoning_effort: effort, chat_template_kwargs: kwargs } = request;
  const template = tokenizer.chatTemplate?.text ?? '';
  const words = new Set(template.match(/\w+/g));
  const isVariable = (name: string) => words.has(name);
  if (effort && !['none', 'medium', 'high'].includes(effort) && !isVariable('reasoning_effort'))
    refuse('reasoning_effort', 'this model has one effort of thinking: leave it out, or set reasoning_budget');
  const given = readSwitch(request);
  const limits = { contextLength, signal: lease.signal };
  const render = (isOn = given?.isOn) =>
    promptEncoder(tokenizer).chat(messages, templateVariables(request, isOn === true, given?.names), limits);
  const prompt = await render();
  const thinks = prompt.startsThinking || /<\/?think>/.test(template);
  if (given !== null && (thinks ? !given.isOn : given.isOn)) {
    const hasSwitch = !isEqual(prompt.ids, (await render(!given.isOn)).ids);
    if (!hasSwitch || (prompt.startsThinking && !given.isOn))
      refuse(
        given.param,
        thinks
          ? 'this model always thinks: leave it out, or set reasoning_budget to 0'
          : 'this model does not think: leave it out',
      );
  }
  for (const name of Object.keys(kwargs ?? {})) if (!isVariable(name)) ignored.add('chat_template_kwargs', name, []);
  for (const message of prompt.unread) ignored.addUnread(message);
  return prompt;
}

interface ChatChoiceChunk {
  readonly delta: ChatDelta;
  readonly logprobs: ChatLogprobs | null;
}

class ChatFormat implements ChoiceFormat<ChatChoiceChunk> {
  readonly #model: TextModel;
  readonly #request: ChatRequest;
  /** Whether the chunks have fields for thinking: the template starts with it, or some has arrived. */
  #thinks: boolean;

  constructor(model: TextModel, request: ChatRequest, startsThinking: boolean) {
    this.#model = model;
    this.#request = request;
    this.#thinks = startsThinking && request.include_reasoning !== false;
  }

  get first(): ChatChoiceChunk {
    const content = this.#thinks ? { content: null, reasoning_content: '' } : { content: '' };
    return { delta: { role: 'assistant', ...content }, logprobs: null };
  }

  part({ channel, text, tokens }: GenerationPart): ChatChoiceChunk | null {
    const isThinking = channel === 'thinking';
    if (isThinking && this.#request.include_reasoning === false) return null;
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
export async function handleChat(context: ServerContext, request: ChatRequest, call: Call): Promise<Response> {
  const model = findModel(context, request.model);
  checkSampling(request, model);
  if (request.top_logprobs && !request.logprobs)
    throw new ApiError(422, 'top_logprobs: needs logprobs: true', { param: 'top_logprobs' });
  const { max_tokens: maxTokens, max_completion_tokens: maxCompletionTokens } = request;
  if (maxTokens && maxCompletionTokens && maxTokens !== maxCompletionTokens)
    throw new ApiError(422, 'max_tokens: differs from max_completion_tokens; send one of them', {
      param: 'max_tokens',
    });
  const { ids, startsThinking } = await renderChat(request, model, call);
  const choicesPerPrompt = request.n ?? 1;
  const options: GenerateOptions = {
    startsThinking,
    maxTokens: clampMaxTokens(maxCompletionTokens ?? maxTokens, ids.length, model),
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
