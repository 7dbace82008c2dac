// Pages on which people solve word problems: worked solutions as GSM8K has them, with slips, checks and giving up.
//
// `<<48/2=24>>` is for a calculator and is left out. A slip is a line with another number behind its equation, given up
// with `no`; the line as it should be follows, so what comes after stands on right numbers. Left out: other ways to the
// answer, which a file of single solutions does not know.
import type { Search } from './countdown-pages.ts';
import { ending } from './notes.ts';
import type { Random } from './random.ts';
import type { WordProblem } from './word-problems.ts';

const marks = /<<[^<>]*>>/g;
/** A calculation and its whole result, as marked and as written behind the mark. */
const calculation = /<<([^<>=]+)=(\d+)>>\2(?![\d.,])/;

/** The line with a wrong result; null where it has no calculation. */
function slipped(random: Random, line: string): string | null {
  const found = calculation.exec(line);
  if (found === null) return null;
  const value = Number(found[2]);
  const wrong = random.pick([value - 1, value + 1, value - 10, value + 10].filter((other) => other >= 0));
  return line.replace(found[0], `${wrong}`).replace(marks, '');
}

/** Somebody solves a problem of a file. */
export function workWordProblem(random: Random, { working, truth }: WordProblem): Search {
  const [slips, tires, checks] = [random.pick([0, 0.1, 0.3]), random.pick([0, 0, 0.1]), random.pick([0, 0.5])];
  const lines: string[] = [];
  const text = () => lines.map((line) => `${line}\n`).join('');
  for (const line of working) {
    if (random.chance(tires)) {
      lines.push(random.pick(['give up', 'too long']));
      return { text: text(), answer: null };
    }
    const slip = random.chance(slips) ? slipped(random, line) : null;
    if (slip !== null) lines.push(`${slip} no`);
    lines.push(line.replace(marks, ''));
  }
  const equations = working.flatMap((line) => calculation.exec(line)?.slice(1, 3).join('=') ?? []);
  if (equations.length > 0 && random.chance(checks)) lines.push(`check ${random.pick(equations)} ok`);
  return { text: text(), answer: truth };
}

/** A page: a problem, how it is solved, and what came of it. */
export function wordProblemPage(random: Random, problem: WordProblem): string {
  const { text, answer } = workWordProblem(random, problem);
  return `${problem.prompt}\n${text}${answer === null ? '' : ending(random, answer, 'answer ')}`;
}
