// The prompt of a conversation by the model's chat template, with its thinking on, off, or limited.
import {
  type ChatPrompt,
  promptEncoder,
  type TextModel,
  type ThinkingStart,
  type ToolDefinition,
} from '../engine/index.ts';
import { findCallSyntax } from './call-syntax.ts';
import type { Call } from './context.ts';
import type { Conversation } from './conversation.ts';
import { ApiError } from './errors.ts';

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
}: Conversation['thinking']): ThinkingSwitch | null {
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

function templateVariables(
  thinking: Conversation['thinking'],
  isOn: boolean,
  names: readonly string[] = [],
): Variables {
  const { reasoning_effort: effort, chat_template_kwargs: given } = thinking;
  return {
    ...(effort && effort !== 'none' && { reasoning_effort: effort }),
    ...given,
    ...Object.fromEntries(names.map((name) => [name, isOn])),
  };
}

const isEqual = (a: Int32Array, b: Int32Array) => a.length === b.length && a.every((id, i) => id === b[i]);

/** The most thinking tokens for an effort, where the template has no variable for it. Source: Gemini's OpenAI API. */
const effortBudgets: Readonly<Record<string, number | null>> = {
  none: null,
  minimal: 512,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: null,
  max: null,
};

/** Whether a template names a variable. */
const hasVariable = (template: string, name: string) => new RegExp(`\\b${name}\\b`).test(template);

const knowsThinking = (template: string) => /<\/?think>/.test(template);

/** Offers functions by the template, or in the system message where the template has no place for them. */
function offerTools({ messages, tools, toolChoice }: Conversation, template: string) {
  const syntax = findCallSyntax(template);
  if (tools.length === 0 || toolChoice === 'none' || syntax === null) return { messages, tools: [] };
  const definitions = tools.map(({ name, description, parameters }): ToolDefinition => {
    return { type: 'function', function: { name, description: description ?? '', parameters } };
  });
  if (/\btools\b/.test(template)) return { messages, tools: definitions };
  const { open, beforeName, afterName, afterArguments, close } = syntax;
  const example = `${open}${beforeName}NAME${afterName}{"argument": "value"}${afterArguments}${close}`;
  const offer = [
    '## Tools\n\nYou may call these functions. To call one, write',
    `${example}\n`,
    ...definitions.map((each) => JSON.stringify(each)),
  ].join('\n');
  const [first] = messages;
  if (first?.role !== 'system') return { messages: [{ role: 'system', content: offer }, ...messages], tools: [] };
  const parts = typeof first.content === 'string' ? [{ text: first.content }] : (first.content ?? []);
  const system = { ...first, content: [...parts, { text: `\n\n${offer}` }] };
  return { messages: [system, ...messages.slice(1)], tools: [] };
}

/**
 * Returns the most thinking tokens: of reasoning_budget, of thinking.budget_tokens, or of reasoning_effort where the
 * template does not read it; null: no limit. Throws ApiError 400 for two that differ.
 */
function readBudget({ thinking: given, sampling }: Conversation, template: string): number | null {
  const { thinking, reasoning_effort: effort } = given;
  const [own, other] = [sampling.reasoning_budget, thinking?.budget_tokens];
  if (typeof own === 'number' && typeof other === 'number' && own !== other)
    refuse('reasoning_budget', 'differs from thinking.budget_tokens: send one of them');
  const explicit = own ?? other;
  if (typeof explicit === 'number' || !effort) return explicit ?? null;
  if (!knowsThinking(template) || hasVariable(template, 'reasoning_effort')) return null;
  return effortBudgets[effort] ?? null;
}

export interface ConversationPrompt extends ChatPrompt {
  /** The most thinking tokens; null: no limit. */
  readonly reasoningBudget: number | null;
}

/**
 * Renders the conversation. Where the template has no switch of the thinking, an open or a closed thinking follows it.
 * Throws ApiError 400 for thinking or effort on a model that does not think. Other unknown variables are ignored
 * fields, and so are messages that the template leaves out.
 */
export async function renderConversation(
  conversation: Conversation,
  model: TextModel,
  { lease, ignored }: Call,
): Promise<ConversationPrompt> {
  const { thinking } = conversation;
  const { tokenizer, contextLength } = model;
  const { reasoning_effort: effort, chat_template_kwargs: kwargs } = thinking;
  const template = tokenizer.chatTemplate?.text ?? '';
  const { messages, tools } = offerTools(conversation, template);
  const given = readSwitch(thinking);
  const limits = { contextLength, signal: lease.signal };
  const render = (isOn = given?.isOn, start: ThinkingStart | null = null) =>
    promptEncoder(tokenizer).chat(
      messages,
      templateVariables(thinking, isOn === true, given?.names),
      limits,
      start,
      tools,
    );
  let prompt = await render();
  const thinks = prompt.startsThinking || knowsThinking(template);
  const isNeutral = !effort || ['none', 'medium', 'high'].includes(effort);
  if (!thinks && !isNeutral && !hasVariable(template, 'reasoning_effort'))
    refuse('reasoning_effort', 'this model does not think: leave it out');
  if (given !== null && (thinks ? !(given.isOn && prompt.startsThinking) : given.isOn)) {
    const hasSwitch = !isEqual(prompt.ids, (await render(!given.isOn)).ids);
    if (!thinks && !hasSwitch) refuse(given.param, 'this model does not think: leave it out');
    if (thinks && (prompt.startsThinking || !hasSwitch))
      prompt = await render(given.isOn, given.isOn ? 'open' : 'closed');
  }
  for (const name of Object.keys(kwargs ?? {}))
    if (!hasVariable(template, name)) ignored.add('chat_template_kwargs', name, []);
  for (const message of prompt.unread) ignored.addUnread(message);
  return { ...prompt, reasoningBudget: readBudget(conversation, template) };
}
