// Chat templates: conversations as the text a model was trained on. Templates are Jinja, as in tokenizer_config.json.
//
// Profiles for models of our own: deepseek-v3 (no newlines anywhere; system messages joined by a blank line) and
// deepseek-r1 (of earlier answers only what follows the thinking; the prompt opens the thinking). Sources: the released
// tokenizer_config.json of V3 and R1. Left out of the profiles: tools, for which a checkpoint brings its own template.
import { Template } from '@huggingface/jinja';
import { TokenizerError } from './errors.ts';

export interface Message {
  readonly role: string;
  readonly content: string | null;
  readonly [field: string]: unknown;
}

export interface RenderOptions {
  /** Ends with what opens the assistant's turn. @default true */
  readonly addGenerationPrompt?: boolean;
  readonly tools?: readonly unknown[];
}

const turns = (answer: string, opening: string) =>
  [
    '{{ bos_token }}',
    "{{ messages | selectattr('role', 'equalto', 'system') | map(attribute='content') | join('\\n\\n') }}",
    '{% for message in messages %}',
    "{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}",
    `{% elif message['role'] == 'assistant' %}{{ '<｜Assistant｜>' + ${answer} + eos_token }}`,
    '{% endif %}{% endfor %}',
    `{% if add_generation_prompt %}{{ '${opening}' }}{% endif %}`,
  ].join('');

export const chatProfiles = {
  'deepseek-v3': turns("message['content']", '<｜Assistant｜>'),
  'deepseek-r1': turns("message['content'].split('</think>')[-1]", '<｜Assistant｜><think>\\n'),
} as const;

export type ChatProfile = keyof typeof chatProfiles;

export class ChatTemplate {
  readonly text: string;
  readonly #template: Template;
  readonly #tokens: Readonly<Record<string, string>>;
  readonly #source: string;

  /** `tokens`: bos_token, eos_token and their like. Throws TokenizerError when the template cannot be parsed. */
  constructor(text: string, tokens: Readonly<Record<string, string>>, source = 'chat_template') {
    this.text = text;
    this.#tokens = tokens;
    this.#source = source;
    try {
      this.#template = new Template(text);
    } catch (error) {
      throw new TokenizerError(
        source,
        `the chat template cannot be parsed (${(error as Error).message})`,
        'correct it',
      );
    }
  }

  render(messages: readonly Message[], { addGenerationPrompt = true, tools }: RenderOptions = {}): string {
    for (const [i, message] of messages.entries())
      if (typeof message?.role !== 'string')
        throw new TokenizerError(
          this.#source,
          `messages[${i}]: expected a role, received ${JSON.stringify(message)}`,
          'give every message a role',
        );
    try {
      return this.#template.render({ ...this.#tokens, messages, tools, add_generation_prompt: addGenerationPrompt });
    } catch (error) {
      throw new TokenizerError(
        this.#source,
        `the template refused the messages (${(error as Error).message})`,
        'check their roles and contents',
      );
    }
  }
}

/** Special tokens by name from a tokenizer_config.json, which writes them as texts or objects. */
export function specialTokensOf(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const entries = Object.entries(config).flatMap(([name, value]): [string, string][] => {
    if (!name.endsWith('_token')) return [];
    const text = typeof value === 'string' ? value : (value as { content?: unknown } | null)?.content;
    return typeof text === 'string' ? [[name, text]] : [];
  });
  return Object.fromEntries(entries);
}

/** The chat template of a tokenizer_config.json: a text, or the named one of a list. null when it has none. */
export function chatTemplateOf(
  config: Readonly<Record<string, unknown>>,
  source = 'tokenizer_config.json',
  name = 'default',
): ChatTemplate | null {
  const { chat_template: given } = config;
  if (given === undefined || given === null) return null;
  const named = Array.isArray(given) ? given.find((each) => each?.name === name)?.template : given;
  if (typeof named !== 'string')
    throw new TokenizerError(
      source,
      `chat_template: expected a text, or a list with one named ${name}`,
      'check the file',
    );
  return new ChatTemplate(named, specialTokensOf(config), source);
}
