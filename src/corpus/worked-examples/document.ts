// A worked example as a document: a problem, the work on it and how it ended. No document is an instruction.
//
// Half of the documents carry tags, each two or three of the author's own choice, and in half of these two people with
// names ask and answer. So a base model learns that a tag is closed by its own name and that another may follow, but
// not that User asks and Assistant answers, nor that thinking comes before an answer. That, and what is worth doing, is
// left to reinforcement learning. No held-out problem appears.
import type { Random } from '../../math/index.ts';
import { drawProblem, type Phrasing, type Problem, phrase, type Task, type WorkedProblem } from '../../tasks/index.ts';
import { joinLines, type Solution } from './scratchpad.ts';

/** How worked examples of a task are made. All randomness comes from `random`. */
export interface WorkedExamples<P extends Problem> {
  readonly task: Task<P>;
  difficulty(random: Random): number;
  solve(random: Random, problem: P, difficulty: number): Solution;
  /** The problem as the author of the examples words it, in one of a few ways. */
  phrase(random: Random, problem: P): string;
  /** The answer with what it answers, as a last line. */
  conclusion(problem: P, answer: string): string;
}

/** Makes a document from a stream of random numbers. */
export type DocumentGenerator = (random: Random) => string;

/** The share of documents that carry tags. */
export const taggedShare = 0.5;
const tags = ['think', 'work', 'note', 'result', 'answer', 'try', 'said'] as const;
const people = ['Ada', 'Ben', 'Chloe', 'Dev', 'Emil', 'Fay', 'Gus', 'Hana'] as const;
/** The names of the two who ask and answer. roles: User and Assistant are among them, each in either role. */
export const speakerNames = ['people', 'roles'] as const;
export type SpeakerNames = (typeof speakerNames)[number];
const namesBy: Readonly<Record<SpeakerNames, readonly string[]>> = { people, roles: [...people, 'User', 'Assistant'] };

function tagged(random: Random, { text, answer }: Solution, speakers: SpeakerNames, phrase: () => string): string {
  const [workTag, answerTag, problemTag] = random.shuffled(tags);
  const [asker, answerer] = random.shuffled(namesBy[speakers]);
  const [question, reply] = random.chance(0.5) ? [`${asker}: `, `${answerer}: `] : ['', ''];
  const problem = random.chance(0.5) ? `<${problemTag}>${phrase()}</${problemTag}>` : phrase();
  const end = answer === null ? '' : `<${answerTag}>${answer}</${answerTag}>\n`;
  return `${question}${problem}\n${reply}<${workTag}>\n${text}</${workTag}>\n${end}`;
}

/** How a document is written. */
interface Composition {
  readonly difficulty: number;
  readonly isTagged: boolean;
  /** @default 'people' */
  readonly speakers?: SpeakerNames | undefined;
}

export function compose<P extends Problem>(
  { solve, phrase, conclusion }: Pick<WorkedExamples<P>, 'solve' | 'phrase' | 'conclusion'>,
  random: Random,
  { problem, difficulty, isTagged, speakers = 'people' }: { readonly problem: P } & Composition,
): string {
  const solution = solve(random, problem, difficulty);
  if (isTagged) return tagged(random, solution, speakers, () => phrase(random, problem));
  const { text, answer } = solution;
  const end = answer === null ? '' : `${random.pick([answer, `so ${answer}`, conclusion(problem, answer)])}\n`;
  return `${phrase(random, problem)}\n${text}${end}`;
}

const answerIs = (_: unknown, answer: string) => `the answer is ${answer}`;

/** Returns worked examples of a task that says itself how its problems are solved: `steps` and `solution`. */
export function fromSteps<P extends Problem>(task: Task<P>): WorkedExamples<P> {
  const { from, to } = task.difficulty;
  return {
    task,
    difficulty: (random) => random.whole(from, to),
    solve: (_, problem) => ({ text: joinLines(task.steps?.(problem) ?? []), answer: task.solution?.(problem) ?? null }),
    phrase: (_, { prompt }) => prompt,
    conclusion: answerIs,
  };
}

/** Writes a problem that is worked already as a document. */
export function composeWorked(
  random: Random,
  { problem, steps, answer }: WorkedProblem,
  composition: Composition,
): string {
  const solution = { text: joinLines(steps), answer };
  const examples = { solve: () => solution, phrase: () => problem.prompt, conclusion: answerIs };
  return compose(examples, random, { problem, ...composition });
}

export interface DocumentOptions {
  /** @default the author's choice among all levels */
  readonly difficulty?: number | undefined;
  /** `varied`: the phrasings of the task that are not held out. @default 'canonical': the author's words */
  readonly phrasing?: Phrasing | undefined;
  readonly speakers?: SpeakerNames | undefined;
}

export function toDocuments<P extends Problem>(
  examples: WorkedExamples<P>,
  { difficulty: level, phrasing, speakers }: DocumentOptions = {},
): DocumentGenerator {
  const { task } = examples;
  const worded: WorkedExamples<P> =
    phrasing === 'varied'
      ? { ...examples, phrase: (random, problem) => phrase(task, problem, random, 'train') }
      : examples;
  return (random) => {
    const difficulty = level ?? examples.difficulty(random);
    const isTagged = random.chance(taggedShare);
    const problem = drawProblem(task, random, difficulty, 'train');
    return compose(worded, random, { problem, difficulty, isTagged, speakers });
  };
}
