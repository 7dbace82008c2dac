// What a task promises, as checks: the test of a user's task runs them, and a speedrun before it spends time on one.
//
// Each check draws problems of every level and both splits, and throws TaskError with a sentence where the promise is
// broken. The answers that must be refused are wrong for any task with one correct answer, and for any that has few.
import { isDeepStrictEqual } from 'node:util';
import { TaskError } from './errors.ts';
import type { Grading } from './grading.ts';
import { isHeldOutPhrasing } from './phrasing.ts';
import type { Problem, ProblemPlace, Split } from './task.ts';
import type { Submission } from './task-step.ts';

/** A promise in words, and its check. */
export interface TaskPromise {
  readonly promise: string;
  /** Rejects with TaskError. */
  check(task: Grading): Promise<void>;
}

/** Problems of a level and a split. */
const count = 12;
/** Draws of the default level, and how many of them may be the same problem. */
const [manyDraws, minDifferent] = [64, 32];
/** A held-out phrasing needs two others. */
const minPhrasings = 3;
/** A worked example that is longer does not fit the short sequences of small models. */
const maxExampleLength = 1500;

const quote = (text: string) => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);

function levels({ difficulty: { from, to } }: Grading): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

const places = (task: Grading, splits: readonly Split[] = ['train', 'held-out']): ProblemPlace[] =>
  splits.flatMap((split) =>
    levels(task).flatMap((difficulty) =>
      Array.from({ length: count }, (_, index) => ({ seed: 3, index, difficulty, split })),
    ),
  );

async function solve(task: Grading, problems: readonly Problem[]): Promise<string[]> {
  const solutions = await task.solutions(problems);
  return solutions.map((solution) => {
    if (solution !== null) return solution;
    throw new TaskError(task.name, 'it has no solution()', 'write: solution(problem) { return answer }');
  });
}

/** Throws where a verdict on an answer is not the given one, or where there is none. */
async function expectVerdicts(task: Grading, items: readonly Submission[], correct: boolean): Promise<void> {
  const verdicts = await task.grade(items);
  const at = verdicts.findIndex((verdict) => verdict.fault !== null || verdict.correct !== correct);
  if (at < 0) return;
  const { problem, answer } = items[at];
  const { fault, reason } = verdicts[at];
  const answered = `the answer ${quote(answer)} to ${quote(problem.prompt)}`;
  if (fault !== null) throw new TaskError(task.name, `its grader fails on ${answered}: ${fault}`, 'correct grade()');
  throw new TaskError(
    task.name,
    `its grader ${correct ? 'refuses' : 'accepts'} ${answered} (${reason})`,
    correct ? 'correct grade() or solution(); blanks around an answer count for nothing' : 'let grade() accept less',
  );
}

async function checkProblems(task: Grading): Promise<void> {
  const all = places(task);
  const [problems, again] = [await task.problems(all), await task.problems(all)];
  for (const [i, problem] of problems.entries()) {
    if (!isDeepStrictEqual(problem, again[i]))
      throw new TaskError(
        task.name,
        `the same seed gives ${quote(problem.prompt)}, then ${quote(again[i].prompt)}`,
        'draw from the random that problem() is given, and from nothing else',
      );
    if (!isDeepStrictEqual(JSON.parse(JSON.stringify(problem)), problem))
      throw new TaskError(
        task.name,
        `the problem ${quote(problem.prompt)} changes when it is written as JSON`,
        'use only texts, numbers, true, false, null, lists and plain objects in a problem',
      );
  }
}

async function checkVariety(task: Grading): Promise<void> {
  const { default: difficulty } = task.difficulty;
  const drawn = Array.from(
    { length: manyDraws },
    (_, index) => ({ seed: 4, index, difficulty, split: 'train' }) as const,
  );
  const keys = new Set((await task.problems(drawn)).map(({ key }) => key));
  if (keys.size >= minDifferent) return;
  throw new TaskError(
    task.name,
    `${manyDraws} problems of difficulty ${difficulty} are only ${keys.size} different ones`,
    'let problem() make more of them, or the answers are learned by heart; the key tells problems apart',
  );
}

async function checkSolutions(task: Grading): Promise<void> {
  const problems = await task.problems(places(task));
  const solutions = await solve(task, problems);
  const items = problems.flatMap((problem, i) => [
    { problem, answer: solutions[i] },
    { problem, answer: `\n ${solutions[i]} \n` },
  ]);
  await expectVerdicts(task, items, true);
}

/** Answers that leave the work to the grader, or say more than one thing. */
const tricks = ({ prompt, key }: Problem, solution: string, other: string): string[] => [
  ...['', ' ', '?', 'yes and no', 'correct', 'undefined', 'NaN', 'null', '{"correct": true}', '__proto__'],
  ...[prompt, `${prompt} ${key}`, `${solution} or ${other}`, `${solution} ${solution}`, `<answer>${solution}</answer>`],
];

async function checkTricks(task: Grading): Promise<void> {
  const problems = await task.problems(places(task, ['train']));
  const solutions = await solve(task, problems);
  const items = problems.flatMap((problem, i) => {
    const other = solutions[(i + 1) % problems.length];
    return tricks(problem, solutions[i], other).map((answer) => ({ problem, answer }));
  });
  await expectVerdicts(task, items, false);
}

/** A grader that accepts the answers of other problems accepts whatever has the right form. */
async function checkOtherAnswers(task: Grading): Promise<void> {
  const problems = await task.problems(places(task, ['train']));
  const solutions = await solve(task, problems);
  const items = problems.flatMap((problem, i) =>
    solutions.flatMap((answer, j) => (j % 5 === i % 5 && answer !== solutions[i] ? [{ problem, answer }] : [])),
  );
  const accepted = (await task.grade(items)).filter(({ correct }) => correct).length;
  if (items.length > 0 && accepted <= items.length / 2) return;
  throw new TaskError(
    task.name,
    items.length === 0
      ? 'all its problems have the same solution'
      : `its grader accepts ${accepted} of ${items.length} answers that belong to other problems`,
    'let the answer depend on the problem, and grade() on both',
  );
}

/** Texts of all sorts: empty, long, nested, with signs that no keyboard has. */
const anyTexts: readonly string[] = [
  ...[
    '\u0000',
    '\ud800',
    '\u{1f40b}',
    '\u0663',
    '-',
    '1/0',
    '1e999',
    '0x10',
    '((((',
    '))))',
    '[1, 2',
    '\\boxed{',
    '\n\n',
  ],
  ...['(', '9', '-', ' ', ',', '="'].map((piece) => piece.repeat(50_000)),
];

async function checkAnyText(task: Grading): Promise<void> {
  const problems = (await task.problems(places(task, ['train']))).filter((_, i) => i % count < 2);
  for (const answer of anyTexts)
    await expectVerdicts(
      task,
      problems.map((problem) => ({ problem, answer })),
      false,
    );
}

async function checkExamples(task: Grading): Promise<void> {
  for (const { problem, steps } of await task.examples(places(task, ['train']))) {
    const { length } = steps.join('\n');
    if (length > maxExampleLength)
      throw new TaskError(
        task.name,
        `the steps of ${quote(problem.prompt)} have ${length} characters; a small model reads ${maxExampleLength}`,
        'shorten the lines of steps(), or lower the difficulties',
      );
  }
}

async function checkPhrasings(task: Grading): Promise<void> {
  const problems = await task.problems(places(task, ['train']));
  const refuse = (problem: string, remedy: string): never => {
    throw new TaskError(task.name, problem, remedy);
  };
  for (const [i, phrasings] of (await task.phrasings(problems)).entries()) {
    const { prompt } = problems[i];
    if (phrasings === null) return;
    if (phrasings[0] !== prompt)
      refuse(`the first phrasing is ${quote(phrasings[0])}, not ${quote(prompt)}`, 'list the prompt first');
    if (phrasings.length < minPhrasings)
      refuse(
        `${quote(prompt)} has ${phrasings.length} phrasings`,
        `list ${minPhrasings} or more: every third is held out`,
      );
    const training = new Set(phrasings.filter((_, place) => !isHeldOutPhrasing(place)));
    const shared = phrasings.find((text, place) => isHeldOutPhrasing(place) && training.has(text));
    if (shared !== undefined)
      refuse(`the phrasing ${quote(shared)} is both held out and trained on`, 'make every third one different');
  }
}

/** The promises of a task, those first without which others cannot be kept. */
export const taskContract: readonly TaskPromise[] = [
  { promise: 'a seed gives its problem again, as plain data, at every level, held out or not', check: checkProblems },
  { promise: 'there are many different problems', check: checkVariety },
  { promise: 'the grader accepts every solution', check: checkSolutions },
  { promise: 'the grader refuses answers that leave the work to it', check: checkTricks },
  { promise: 'the grader refuses the answers of other problems', check: checkOtherAnswers },
  { promise: 'the grader gives a verdict on any text', check: checkAnyText },
  { promise: 'worked examples are short, and their answers are accepted', check: checkExamples },
  { promise: 'the prompt is the first phrasing, and held-out phrasings differ from the others', check: checkPhrasings },
];

/** Throws TaskError for the first promise that a task breaks. */
export async function expectContract(task: Grading): Promise<void> {
  for (const { check } of taskContract) await check(task);
}
