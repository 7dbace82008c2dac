// Worked examples of word problems: solutions as GSM8K has them, with slips, checks and giving up.
//
// `<<48/2=24>>` is for a calculator and is left out. A slip is a line with another number behind its equation, rejected
// with `no`; the correct line follows, so everything after it rests on right numbers. Left out: other ways to the
// answer, which a file of single solutions does not know.
import type { Random } from '../../math/index.ts';
import { drawProblem, type WordProblem, wordProblems } from '../../tasks/index.ts';
import { compose, type DocumentGenerator, taggedShare, type WorkedExamples } from './document.ts';
import { joinLines, type Solution } from './scratchpad.ts';

const marks = /<<[^<>]*>>/g;
/** A calculation and its whole result, as marked and as written behind the mark. */
const calculation = /<<([^<>=]+)=(\d+)>>\2(?![\d.,])/;

/** Returns the line with a wrong result; null where it has no calculation. */
function slip(random: Random, line: string): string | null {
  const found = calculation.exec(line);
  if (found === null) return null;
  const value = Number(found[2]);
  const wrong = random.pick([value - 1, value + 1, value - 10, value + 10].filter((other) => other >= 0));
  return line.replace(found[0], `${wrong}`).replace(marks, '');
}

export function solveWordProblem(random: Random, { working, truth }: WordProblem): Solution {
  const [error, giveUp, check] = [random.pick([0, 0.1, 0.3]), random.pick([0, 0, 0.1]), random.pick([0, 0.5])];
  const lines: string[] = [];
  for (const line of working) {
    if (random.chance(giveUp))
      return { text: joinLines([...lines, random.pick(['give up', 'too long'])]), answer: null };
    const wrong = random.chance(error) ? slip(random, line) : null;
    if (wrong !== null) lines.push(`${wrong} no`);
    lines.push(line.replace(marks, ''));
  }
  const equations = working.flatMap((line) => calculation.exec(line)?.slice(1, 3).join('=') ?? []);
  if (equations.length > 0 && random.chance(check)) lines.push(`check ${random.pick(equations)} ok`);
  return { text: joinLines(lines), answer: truth };
}

/** Makes worked examples of the word problems in a file. Throws TaskError where the file cannot be read. */
export function workedWordProblems(path: string): DocumentGenerator {
  const task = wordProblems(path);
  const difficulty = task.difficulty.default;
  const examples: WorkedExamples<WordProblem> = {
    task,
    difficulty: () => difficulty,
    solve: solveWordProblem,
    phrase: (_, { prompt }) => prompt,
    conclusion: (_, answer) => `answer ${answer}`,
  };
  return (random) => {
    const problem = drawProblem(task, random, difficulty, 'train');
    return compose(examples, random, { problem, difficulty, isTagged: random.chance(taggedShare) });
  };
}
