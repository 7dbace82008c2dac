// Right answers made readable: traces of a model that learned by reward alone become conversations to learn from.
//
// R1's cold start and rejection sampling keep what is right and easy to read (report, 2.3.1 and 2.3.3). Here a thought
// is rewritten by rules: lines that say nothing new and lines outside the problem's language are left out, and a last
// line states the answer. A thought with a false equation is no example. Of each problem the shortest thoughts stay.
// Contract: a function of the traces alone.
import { languageConsistency, readExpression, readResponse } from '../tasks/index.ts';
import type { Trace } from './traces.ts';

/** One equation between plain expressions: what stands before the sign, and the number after it. */
const equation = /([\d+\-*/().][\d\s+\-*/().]*)=\s*(-?\d+(?:\/\d+)?)(?![\d./*+-])/g;

/** Whether an equation in the text is false. */
export function hasFalseEquation(text: string): boolean {
  for (const [, left, right] of text.matchAll(equation)) {
    const [a, b] = [readExpression(left.trim()), readExpression(right)];
    if ('problem' in a || 'problem' in b) continue;
    if (a.value.top * b.value.bottom !== b.value.top * a.value.bottom) return true;
  }
  return false;
}

/** Returns a right response with a readable thought; null where there is nothing to read, or something false in it. */
export function toReadable({ prompt: [, problem], response }: Pick<Trace, 'prompt' | 'response'>): string | null {
  const { thinking, answer, isWellFormed } = readResponse(response);
  if (answer === null || !isWellFormed || hasFalseEquation(thinking)) return null;
  const lines = thinking.split('\n').map((line) => line.trim().replace(/\s+/g, ' '));
  const seen = new Set(['']);
  const readable = lines.filter((line) => {
    const isNew = !seen.has(line);
    seen.add(line);
    return isNew && languageConsistency(problem, line) === 1;
  });
  if (readable.length === 0) return null;
  const closing = `so ${answer.trim()}`;
  if (readable.at(-1) !== closing) readable.push(closing);
  return `<think>\n${readable.join('\n')}\n</think>\n<answer>${answer.trim()}</answer>`;
}

/** Ways to ask for the answer alone. */
const directly = ['Answer at once.', 'Only the answer.', 'Answer without thinking.', 'No thinking, just the answer.'];

export interface ReadableOptions {
  /** The maximum number of examples of one problem. */
  readonly perProblem: number;
  /** One example in so many is also asked without thinking; 0: none. */
  readonly directEvery: number;
}

export interface ReadableExample {
  readonly messages: readonly { readonly role: 'user' | 'assistant'; readonly content: string }[];
}

/** Returns the conversations of traces: of each problem the shortest readable ones, in the order of the traces. */
export function toReadableExamples(
  traces: readonly Trace[],
  { perProblem, directEvery }: ReadableOptions,
): ReadableExample[] {
  const byProblem = new Map<string, { problem: string; contents: Set<string> }>();
  for (const trace of traces) {
    const content = toReadable(trace);
    if (content === null) continue;
    const [, problem] = trace.prompt;
    const own = byProblem.get(`${trace.task} ${trace.key}`);
    if (own) own.contents.add(content);
    else byProblem.set(`${trace.task} ${trace.key}`, { problem, contents: new Set([content]) });
  }
  const chosen = [...byProblem.values()].flatMap(({ problem, contents }) =>
    [...contents]
      .sort((a, b) => a.length - b.length)
      .slice(0, perProblem)
      .map((content) => ({ problem, content })),
  );
  return chosen.flatMap(({ problem, content }, i) => {
    const example = toExample(problem, content);
    if (directEvery === 0 || i % directEvery !== 0) return [example];
    const ask = directly[(i / directEvery) % directly.length];
    return [example, toExample(`${problem} ${ask}`, content.slice(content.indexOf('<answer>')))];
  });
}

const toExample = (problem: string, content: string): ReadableExample => ({
  messages: [
    { role: 'user', content: problem },
    { role: 'assistant', content },
  ],
});
