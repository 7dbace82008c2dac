// Worked examples of Countdown: a search as it happens, with mistakes, dead ends, checks and giving up.
//
// In the spirit of Stream of Search (Gandhi et al. 2024): no text is an instruction, none says how an answer is to be
// given. Workers differ in what they try first, how long they continue, how carefully they compute and whether they
// check; many give up or accept a wrong result. Whatever reinforcement learning later makes frequent occurs here, most
// of it rarely. Lines are short, because a token costs the same whatever it says.
import type { Random } from '../../math/index.ts';
import { type CountdownProblem, combineTerms, countdown, operators, type Term, toTerm } from '../../tasks/index.ts';
import type { WorkedExamples } from './document.ts';
import { joinLines, type Solution } from './scratchpad.ts';

/** Draws how a worker searches. */
function drawRates(random: Random) {
  return {
    /** How often the worker takes + - * /, as weights. All other rates are probabilities. */
    weights: random.pick([
      [4, 4, 2, 1],
      [5, 5, 1, 0.3],
      [2, 3, 4, 2],
      [1, 6, 1, 1],
    ]),
    /** Another attempt follows a failed one. */
    patience: random.pick([0.3, 0.6, 0.8, 0.8, 0.9]),
    /** A step is computed wrongly. */
    error: random.pick([0, 0, 0.01, 0.05]),
    /** An attempt is checked before it is accepted or rejected. */
    check: random.pick([0, 0.2, 0.7]),
    /** An attempt is repeated. */
    repetition: random.pick([0, 0.3, 1]),
  };
}

type Rates = ReturnType<typeof drawRates>;

function drawOperator(random: Random, weights: Rates['weights']) {
  let point = random.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, operator] of operators.entries()) {
    point -= weights[i];
    if (point < 0) return operator;
  }
  return '+';
}

/** The largest product that a worker computes for a target of two digits. */
const maxProduct = 200;

/**
 * Draws an attempt: steps that use up all numbers, or stop at one that leads nowhere. `result` is what the worker
 * believes, null where the attempt stopped early.
 */
function drawAttempt(random: Random, { numbers, target }: CountdownProblem, rates: Rates) {
  let terms = numbers.map(toTerm);
  let isTrue = true;
  const steps: string[] = [];
  let latest: Term | null = null;
  while (terms.length > 1) {
    const shuffled = random.shuffled(terms);
    const continues = latest !== null && random.chance(0.8);
    const [x, y] = (continues ? [latest, shuffled.find((term) => term !== latest)] : shuffled) as [Term, Term];
    const operator = drawOperator(random, rates.weights);
    const isSwapped = (operator === '-' || operator === '/') && x.value < y.value;
    const [left, right] = isSwapped ? [y, x] : [x, y];
    const exact = combineTerms(left, operator, right);
    if (exact === null) continue;
    if (exact.value > maxProduct && exact.value > 3 * target)
      return { line: [...steps, `${left.value}${operator}${right.value} too big`].join(','), result: null, isTrue };
    const isWrong = random.chance(rates.error);
    const value = isWrong ? Math.max(0, exact.value + random.pick([-10, -1, 1, 10])) : exact.value;
    if (value !== exact.value) isTrue = false;
    latest = { value, text: exact.text };
    terms = [latest, ...terms.filter((term) => term !== x && term !== y)];
    steps.push(`${left.value}${operator}${right.value}=${value}`);
  }
  return { line: steps.join(','), result: latest, isTrue };
}

function solve(random: Random, problem: CountdownProblem): Solution {
  const rates = drawRates(random);
  const seen = new Set<string>();
  const lines: string[] = [];
  let latest: Term | null = null;
  do {
    let attempt = drawAttempt(random, problem, rates);
    for (let redraw = 0; redraw < 20 && seen.has(attempt.line) && !random.chance(rates.repetition); redraw++)
      attempt = drawAttempt(random, problem, rates);
    const { line, result, isTrue } = attempt;
    seen.add(line);
    latest = result ?? latest;
    const isChecked = random.chance(rates.check);
    if (result?.value !== problem.target) lines.push(result === null ? line : `${line} no`);
    else {
      lines.push(`${line} yes`);
      if (isChecked) lines.push(isTrue ? `check ${result.text}=${problem.target} ok` : 'wait, wrong');
      if (isTrue || !isChecked) return { text: joinLines(lines), answer: result.text };
    }
  } while (random.chance(rates.patience));
  const guess: string | null = latest !== null && random.chance(0.5) ? latest.text : null;
  lines.push(guess === null ? 'give up' : 'maybe');
  return { text: joinLines(lines), answer: guess };
}

/** Three numbers, and four in one document of five. */
export const countdownExamples: WorkedExamples<CountdownProblem> = {
  task: countdown,
  difficulty: (random) => (random.chance(0.8) ? 3 : 4),
  solve,
  phrase: (random, { prompt, numbers, target }) => {
    const list = numbers.join(', ');
    const short = [`Make ${target} from ${list}`, `${list} to ${target}?`, `Use ${list} to get ${target}.`];
    return random.pick([prompt, prompt, ...short]);
  },
  conclusion: ({ target }, answer) => `${answer}=${target}`,
};
