// The chat formats of DeepSeek-V3 and R1 for models trained here: template, tokens, and tokenizer_config.json.
//
// No newlines between turns; system messages are joined by a blank line; an answer after a tool follows the tool's
// output directly. V3 renders what the released template renders, except for two of its faults: a single tool call is
// closed, and so is every later round of tools. Offered tools are described after the system text, because V3 and R1
// have no place for them. R1 keeps only the text after the thinking of earlier answers, and its prompt opens the
// thinking. Sources: tokenizer_config.json and tokenizer.json of V3 and R1.
import { TokenizerError } from './errors.ts';
import type { TokenizerJson } from './tokenizer-json.ts';
import type { SpecialToken } from './train.ts';

const offer =
  '## Tools\\n\\nYou may call these functions. To call one, write\\n' +
  '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\\n```json\\n{"argument": "value"}\\n```' +
  '<｜tool▁call▁end｜><｜tool▁calls▁end｜>\\n';

const call =
  "'<｜tool▁call▁begin｜>' + (call['type'] or 'function') + '<｜tool▁sep｜>' + call['function']['name'] + " +
  "'\\n```json\\n' + " +
  "(call['function']['arguments'] if call['function']['arguments'] is string else " +
  "call['function']['arguments'] | tojson)" +
  " + '\\n```<｜tool▁call▁end｜>'";

/** Builds a template. `answer` is the part of an assistant's content that is kept, `opening` the end of the prompt. */
function template(answer: string, opening: string): string {
  return [
    '{% set ns = namespace(outputs=false) %}{{ bos_token }}',
    "{{ messages | selectattr('role', 'equalto', 'system') | map(attribute='content') | join('\\n\\n') }}",
    `{% if tools %}{% if messages[0]['role'] == 'system' %}{{ '\\n\\n' }}{% endif %}{{ '${offer}' }}`,
    "{% for tool in tools %}{{ '\\n' + (tool | tojson) }}{% endfor %}{% endif %}",
    '{% for message in messages %}',
    "{% if message['role'] == 'tool' %}",
    "{{ '\\n' if ns.outputs else '<｜tool▁outputs▁begin｜>' }}{% set ns.outputs = true %}",
    "{{ '<｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>' }}",
    "{% elif message['role'] != 'system' %}",
    "{% if ns.outputs %}{{ '<｜tool▁outputs▁end｜>' }}{% endif %}",
    "{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}",
    "{% elif message['role'] == 'assistant' %}{% if not ns.outputs %}{{ '<｜Assistant｜>' }}{% endif %}",
    `{% if message['content'] %}{{ ${answer} }}{% endif %}`,
    "{% if message['tool_calls'] %}{{ '<｜tool▁calls▁begin｜>' }}",
    `{% for call in message['tool_calls'] %}{{ ('' if loop.first else '\\n') + ${call} }}{% endfor %}`,
    "{{ '<｜tool▁calls▁end｜>' }}{% endif %}{{ eos_token }}",
    "{% else %}{{ raise_exception('role ' + message['role'] + ': expected system, user, assistant or tool') }}",
    '{% endif %}',
    '{% set ns.outputs = false %}{% endif %}{% endfor %}',
    "{% if ns.outputs %}{{ '<｜tool▁outputs▁end｜>' }}",
    `{% elif add_generation_prompt %}{{ '${opening}' }}{% endif %}`,
  ].join('');
}

const names = { bos_token: '<｜begin▁of▁sentence｜>', eos_token: '<｜end▁of▁sentence｜>', pad_token: '<｜▁pad▁｜>' };
const fim = ['<｜fim▁hole｜>', '<｜fim▁begin｜>', '<｜fim▁end｜>'];
const turns = ['<｜User｜>', '<｜Assistant｜>'];
const tools = ['calls▁begin', 'calls▁end', 'call▁begin', 'call▁end', 'outputs▁begin', 'outputs▁end']
  .concat(['output▁begin', 'output▁end', 'sep'])
  .map((name) => `<｜tool▁${name}｜>`);
const thinking = ['<think>', '</think>'];

export interface ChatProfile {
  /** For trainTokenizer and characterTokenizer. As in V3's tokenizer.json, only the first three are special. */
  readonly specialTokens: readonly SpecialToken[];
  /** Fields of tokenizer_config.json, including the chat template. */
  readonly config: Readonly<Record<string, unknown>>;
}

function profile(chat_template: string, more: readonly string[]): ChatProfile {
  const others = [...turns, ...more].map((content) => ({ content, special: false }));
  return {
    specialTokens: [...Object.values(names), ...others],
    config: { ...names, add_bos_token: false, add_eos_token: false, chat_template },
  };
}

export const chatProfiles = {
  'deepseek-v3': profile(template("message['content']", '<｜Assistant｜>'), [...fim, ...tools]),
  'deepseek-r1': profile(template("message['content'].split('</think>')[-1]", '<｜Assistant｜><think>\\n'), [
    ...fim,
    ...tools,
    ...thinking,
  ]),
} as const satisfies Record<string, ChatProfile>;

export type ChatProfileName = keyof typeof chatProfiles;

/**
 * Returns V3's tokenizer.json with R1's `<think>` (128798) and `</think>` (128799) in place of two placeholders. Throws
 * TokenizerError if the vocabulary has no such placeholders.
 */
export function withThinkTokens(json: TokenizerJson): TokenizerJson {
  const places = ['<｜place▁holder▁no▁798｜>', '<｜place▁holder▁no▁799｜>'];
  const added = (Array.isArray(json.added_tokens) ? json.added_tokens : []) as { content?: unknown }[];
  const missing = places.find((place) => !added.some(({ content }) => content === place));
  if (missing !== undefined)
    throw new TokenizerError('withThinkTokens', `no added token ${missing}`, "pass DeepSeek-V3's tokenizer.json");
  return {
    ...json,
    added_tokens: added.map((token) => {
      const at = places.indexOf(token.content as string);
      return at < 0 ? token : { ...token, content: thinking[at], special: false };
    }),
  };
}
