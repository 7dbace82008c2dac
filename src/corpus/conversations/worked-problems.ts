// Problems as conversations: a phrasing, a worked thought that ends right, the answer between its tags.
import type { Random } from '../../math/index.ts';
import { drawProblem, type Problem, phrase, type Split } from '../../tasks/index.ts';
import {
  joinLines,
  type OwnExamples,
  type WorkedExamples,
  workedExamples,
  workOwnTask,
} from '../worked-examples/index.ts';
import { assistant, type Conversation, type Message, user } from './conversation.ts';

/** The number of worked examples of a problem among which one should end right. */
const maxDraws = 100;

/** Returns what the assistant writes: the thought, then the answer. */
export const thoughtAndAnswer = (lines: string, answer: string): Message =>
  assistant(`<think>\n${lines}</think>\n<answer>${answer}</answer>`);

/** Draws worked examples until one ends right; null where none does. */
function solve(examples: WorkedExamples<Problem>, random: Random, problem: Problem, difficulty: number) {
  for (let draw = 0; draw < maxDraws; draw++) {
    const { text, answer } = examples.solve(random, problem, difficulty);
    if (answer !== null && examples.task.grade(problem, answer).correct) return thoughtAndAnswer(text, answer);
  }
  return null;
}

export interface ProblemChoice {
  /** @default any bundled task with worked examples */
  readonly task?: string | undefined;
  /** @default any level that the worked examples have */
  readonly difficulty?: number | undefined;
}

/**
 * A problem and its worked solution; problems whose worked examples end wrong are passed over. Held-out conversations
 * have held-out problems in held-out phrasings.
 */
export function workedProblem(random: Random, split: Split, { task, difficulty }: ProblemChoice = {}): Conversation {
  const examples = workedExamples.get(task ?? random.pick([...workedExamples.keys()])) as WorkedExamples<Problem>;
  const level = difficulty ?? examples.difficulty(random);
  for (;;) {
    const problem = drawProblem(examples.task, random, level, split);
    const solution = solve(examples, random, problem, level);
    if (solution !== null) return [user(phrase(examples.task, problem, random, split)), solution];
  }
}

/** Returns problems of a user's task in the phrasings of training, each with its worked steps. Throws TaskError. */
export async function ownProblems(examples: OwnExamples, count: number): Promise<Conversation[]> {
  const conversations: Conversation[] = [];
  for await (const { worked } of workOwnTask({ ...examples, phrasing: 'varied' }, 0, count)) {
    const { problem, steps, answer } = worked;
    conversations.push([user(problem.prompt), thoughtAndAnswer(joinLines(steps), answer)]);
  }
  return conversations;
}
