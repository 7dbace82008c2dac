// The prompt of a conversation by the model's chat template. A switch of the thinking is refused where the model has
// none.
import { type ChatPrompt, promptEncoder, type TextModel } from '../engine/index.ts';
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

/**
 * Renders the conversation. Throws ApiError 400 for an effort that the template does not know, and for a switch of the
 * thinking without effect on a model that does otherwise. Other unknown variables are ignored fields, and so are
 * messages that the template leaves out.
 */
export async function renderConversation(
  { messages, thinking }: Conversation,
  model: TextModel,
  { lease, ignored }: Call,
): Promise<ChatPrompt> {
  const { tokenizer, contextLength } = model;
  const { reasoning_effort: effort, chat_template_kwargs: kwargs } = thinking;
  const template = tokenizer.chatTemplate?.text ?? '';
  const words = new Set(template.match(/\w+/g));
  const isVariable = (name: string) => words.has(name);
  if (effort && !['none', 'medium', 'high'].includes(effort) && !isVariable('reasoning_effort'))
    refuse('reasoning_effort', 'this model has one effort of thinking: leave it out, or set reasoning_budget');
  const given = readSwitch(thinking);
  const limits = { contextLength, signal: lease.signal };
  const render = (isOn = given?.isOn) =>
    promptEncoder(tokenizer).chat(messages, templateVariables(thinking, isOn === true, given?.names), limits);
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
