// The template around a problem for a base model: R1-Zero's, with the thinking opened.
//
// The report's Table 1 describes roles and tags in a preamble. A small base cannot read it, and it would be most of
// every sequence: `short` keeps the roles and opens the thinking, `full` says what is expected, for bases that know
// English. The same text is saved as the chat template, so that chat asks a trained model as training did.

const question = '{question}';

const templates = {
  short: `User: ${question}\nAssistant: <think>\n`,
  full:
    'A user asks, an assistant answers. The assistant first thinks, between <think> and </think>, then gives the ' +
    `final answer alone between <answer> and </answer>.\nUser: ${question}\nAssistant: <think>\n`,
} as const;

export type TemplateName = keyof typeof templates;
export const templateNames = Object.keys(templates) as [TemplateName, ...TemplateName[]];
/** Templates of conversations: those of problems, and one with calls of functions, without thinking. */
export const chatTemplateNames = [...templateNames, 'tools'] as [ChatTemplateName, ...ChatTemplateName[]];
export type ChatTemplateName = TemplateName | 'tools';

/**
 * The text before the problem, the problem, and the text after it. Each is encoded separately, as in chat, where the
 * template and the user's text are separate: no token spans a border.
 */
export type PromptParts = readonly [before: string, problem: string, after: string];

export function toPrompt(template: TemplateName, problem: string): PromptParts {
  const [before, after] = templates[template].split(question) as [string, string];
  return [before, problem, after];
}

/** The turns before the last message: texts of system and user, and answers without their thinking. */
const earlierTurns =
  '{% for message in messages[:-1] %}' +
  "{{ message.role | capitalize }}: {{ message.content | trim }}{{ '\\n' }}" +
  '{% endfor %}';

/** Calls are written in Hermes' format, as Qwen's template does; servers offer functions in the system text. */
const turnsWithCalls =
  '{% for message in messages %}' +
  '{{ message.role | capitalize }}: {% if message.content %}{{ message.content | trim }}{% endif %}' +
  '{% if message.tool_calls %}{% for call in message.tool_calls %}' +
  "{% if not loop.first %}{{ '\n' }}{% endif %}<tool_call>{{ '\n' }}" +
  '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments }}' +
  "{{ '}\n' }}</tool_call>{% endfor %}{% endif %}{{ '\n' }}" +
  '{% endfor %}Assistant: ';

/** Returns the template as a chat template (Jinja). */
export function toChatTemplate(template: ChatTemplateName): string {
  if (template === 'tools') return turnsWithCalls;
  const [before, after] = templates[template].split(question) as [string, string];
  const preamble = before.replace(/User: $/, '');
  // Jinja drops a line feed at the end of a template.
  const opening = after.replace(/\n$/, "{{ '\\n' }}");
  return `${preamble}${earlierTurns}User: {{ messages[-1].content }}${opening}`;
}
