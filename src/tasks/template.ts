// How a problem is put to a base model: R1-Zero's template, with the thinking opened.
//
// The report's Table 1 describes roles and tags in a preamble; a model that reads only numbers cannot read it, and it
// would be most of every sequence. `short` keeps the roles and opens the thinking, `full` says what is expected, for
// bases that know English. Both end inside the thinking. The same text is a chat template, so that a trained model is
// asked in chat as it was asked here.

const question = '{question}';

const templates = {
  short: `User: ${question}\nAssistant: <think>\n`,
  full: `A user asks, an assistant answers. The assistant first thinks, between <think> and </think>, then gives the final answer alone between <answer> and </answer>.\nUser: ${question}\nAssistant: <think>\n`,
} as const;

export type TemplateName = keyof typeof templates;
export const templateNames = Object.keys(templates) as [TemplateName, ...TemplateName[]];

/**
 * What stands before the problem, the problem, and what stands behind it. Each is encoded by itself, as a chat encodes
 * what its template says and what a user says: so no token spans a border, in training as in chat.
 */
export type PromptParts = readonly [before: string, problem: string, after: string];

export function toPrompt(template: TemplateName, problem: string): PromptParts {
  const [before, after] = templates[template].split(question) as [string, string];
  return [before, problem, after];
}

/** The template as chat models carry it: the last user's message is the problem. */
export function toChatTemplate(template: TemplateName): string {
  // Jinja drops a line feed that ends a template.
  return templates[template].replace(question, '{{ messages[-1].content }}').replace(/\n$/, "{{ '\\n' }}");
}
