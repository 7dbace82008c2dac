// Chat templates: Jinja, as in tokenizer_config.json, that turns a conversation into the text a model was trained on.
//
// Contract: a template gets messages, tools, add_generation_prompt, the special tokens by name and the caller's
// variables, as from transformers. An exception of the template becomes a TokenizerError with the same words. Templates
// are programs of strangers: they run under limits, and where others wait, in a process of their own (engine).
import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { runWithin, TimeLimitError } from '../untrusted/index.ts';
import { chatProfiles } from './chat-profile.ts';
import { TokenizerError } from './errors.ts';
import { templateGlobals } from './template-globals.ts';

export interface Message {
  readonly role: string;
  readonly content?: string | null;
  readonly [field: string]: unknown;
}

export interface RenderOptions {
  /** Whether the text ends with the beginning of the assistant's turn. @default true */
  readonly addGenerationPrompt?: boolean;
  /** Functions that the model may call, as the API describes them. Some templates ignore them. */
  readonly tools?: readonly unknown[];
  /** Further variables of the template, such as `thinking` or `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** Larger templates are refused; real ones have fewer than 20,000 characters. */
const maxTemplateLength = 2 ** 20;
/** What a template may take and write. */
const limits = { ms: 3000, characters: 2 ** 25 };

/** A loop over the messages, each of which is read once. */
const loopOfMessages = /\{% for message in messages(?:\[:-1\])? %\}((?:(?!\{%|messages).)*)\{% endfor %\}/gs;
const linearFilters = /\| (?:trim|capitalize) /g;

/**
 * Whether each expression of a template is computed once, or once for each message, and calls nothing:
 * `User: {{ messages[-1].content }}`.
 */
function isSimple(text: string): boolean {
  if (text.length >= 4096) return false;
  return !/\{%|[|(*~+]/.test(text.replace(loopOfMessages, '$1').replace(linearFilters, ''));
}

const isOwn = (text: string) => Object.values(chatProfiles).some(({ config }) => config.chat_template === text);

const remedy = 'correct it, or give a template of your own';

export class ChatTemplate {
  readonly text: string;
  /** Whether its time and its output are known to be in proportion to the messages. */
  readonly isLinear: boolean;
  readonly #template: Template;
  readonly #tokens: Readonly<Record<string, string>>;
  /** The file, for errors. */
  readonly source: string;

  /** `tokens`: bos_token, eos_token and so on. Throws TokenizerError if the template cannot be parsed. */
  constructor(text: string, tokens: Readonly<Record<string, string>>, source = 'chat_template') {
    this.text = text;
    this.isLinear = isSimple(text) || isOwn(text);
    this.#tokens = tokens;
    this.source = source;
    try {
      if (text.length > maxTemplateLength) throw new Error(`it has more than ${maxTemplateLength} characters`);
      this.#template = runWithin(limits.ms, () => new Template(text));
    } catch (error) {
      throw new TokenizerError(source, `the chat template cannot be parsed (${(error as Error).message})`, remedy);
    }
  }

  /** Returns the text of a conversation. Throws TokenizerError if the template refuses it, or takes too much. */
  render(messages: readonly Message[], options: RenderOptions = {}): string {
    const { addGenerationPrompt = true, tools, variables } = options;
    for (const [i, message] of messages.entries())
      if (typeof message?.role !== 'string')
        throw new TokenizerError(
          this.source,
          `messages[${i}]: expected a role, received ${JSON.stringify(message)}`,
          'give every message a role',
        );
    const context = { ...this.#tokens, ...variables, messages, add_generation_prompt: addGenerationPrompt };
    const render = () => this.#run(tools === undefined ? context : { ...context, tools });
    let text: string;
    try {
      text = this.isLinear ? render() : runWithin(limits.ms, render);
    } catch (error) {
      if (error instanceof TimeLimitError)
        throw new TokenizerError(this.source, `the chat template takes too long (${error.message})`, remedy);
      const problem = `the template refused the messages (${(error as Error).message})`;
      throw new TokenizerError(this.source, problem, 'check their roles and contents');
    }
    if (text.length <= limits.characters) return text;
    const problem = `the chat template writes more than ${limits.characters} characters`;
    throw new TokenizerError(this.source, problem, remedy);
  }

  /** What Template.render does, with our globals. */
  #run(variables: Readonly<Record<string, unknown>>): string {
    const environment = new Environment();
    for (const [name, value] of Object.entries({ ...templateGlobals, ...variables })) environment.set(name, value);
    return new Interpreter(environment).run(this.#template.parsed).value as string;
  }
}

/** Reads the special tokens of a tokenizer_config.json, which are texts or objects, by name. */
export function readSpecialTokens(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const entries = Object.entries(config).flatMap(([name, value]): [string, string][] => {
    if (!name.endsWith('_token')) return [];
    const text = typeof value === 'string' ? value : (value as { content?: unknown } | null)?.content;
    return typeof text === 'string' ? [[name, text]] : [];
  });
  return Object.fromEntries(entries);
}

/** Reads the chat template of a tokenizer_config.json: a text, or the named one of a list. Null: it has none. */
export function readChatTemplate(
  config: Readonly<Record<string, unknown>>,
  source = 'tokenizer_config.json',
  name = 'default',
): ChatTemplate | null {
  const { chat_template: given } = config;
  if (given === undefined || given === null) return null;
  const text = Array.isArray(given) ? given.find((each) => each?.name === name)?.template : given;
  if (typeof text !== 'string')
    throw new TokenizerError(
      source,
      `chat_template: expected a text, or a list with one named ${name}`,
      'correct the field, or remove it',
    );
  return new ChatTemplate(text, readSpecialTokens(config), source);
}
