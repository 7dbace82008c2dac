// Pages on which people play Countdown: search as it happens, with mistakes, dead ends, doubts and giving up.
//
// For pretraining a base model in the spirit of Stream of Search (Gandhi et al. 2024): no page is an instruction, none
// says how an answer is to be given. People differ in what they try first, how long they go on, how carefully they
// compute and whether they look back; many give up or believe a wrong result. What reinforcement learning later makes
// frequent is all there, and most of it rare. Short lines, because a token costs the same whatever it says.
import { type CountdownProblem, countdown, type Made, number, operators, step } from './countdown.ts';
import type { Random } from './random.ts';
import type { Operator } from './rational.ts';
import { trainingProblem } from './task.ts';

/** How somebody searches. */
interface Habit {
  /** How gladly they try + - * /. */
  readonly weights: readonly [number, number, number, number];
  /** Probability of another try after one that failed. */
  readonly patience: number;
  /** Of a step computed wrongly. */
  readonly slips: number;
  /** Of looking at a try again before it is believed or left. */
  readonly checks: number;
  /** Of trying the same again. */
  readonly forgets: number;
}

function habitOf(random: Random): Habit {
  const weights = random.pick([
    [4, 4, 2, 1],
    [5, 5, 1, 0.3],
    [2, 3, 4, 2],
    [1, 6, 1, 1],
  ] as const);
  return {
    weights,
    patience: random.pick([0.3, 0.6, 0.8, 0.8, 0.9]),
    slips: random.pick([0, 0, 0.01, 0.05]),
    checks: random.pick([0, 0.2, 0.7]),
    forgets: random.pick([0, 0.3, 1]),
  };
}

function weighted(random: Random, weights: Habit['weights']): Operator {
  let point = random.uniform() * weights.reduce((sum, w) => sum + w, 0);
  for (const [i, weight] of weights.entries()) {
    point -= weight;
    if (point < 0) return operators[i];
  }
  return '+';
}

/** A try: steps that use up all numbers, or break off at one that leads nowhere. */
interface Try {
  readonly line: string;
  /** As the person believes it to be; null where they broke off. */
  readonly made: Made | null;
  readonly isTrue: boolean;
}

/** Nobody computes products beyond it for a target of two digits. */
const tooBig = 200;

function slipped(random: Random, value: number): number {
  return Math.max(0, value + random.pick([-10, -1, 1, 10]));
}

function tryOnce(random: Random, { numbers, target }: CountdownProblem, habit: Habit): Try {
  let parts = numbers.map(number);
  let isTrue = true;
  const steps: string[] = [];
  let last: Made | null = null;
  while (parts.length > 1) {
    const shuffled = random.shuffled(parts);
    const goesOn = last !== null && random.chance(0.8);
    const [x, y] = (goesOn ? [last, shuffled.find((part) => part !== last)] : shuffled) as [Made, Made];
    const operator = weighted(random, habit.weights);
    const [left, right] = operator === '-' || operator === '/' ? (x.value < y.value ? [y, x] : [x, y]) : [x, y];
    const exact = step(left, operator, right);
    if (exact === null) continue;
    if (exact.value > tooBig && exact.value > 3 * target)
      return { line: [...steps, `${left.value}${operator}${right.value} too big`].join(','), made: null, isTrue };
    const value = random.chance(habit.slips) ? slipped(random, exact.value) : exact.value;
    if (value !== exact.value) isTrue = false;
    last = { value, text: exact.text };
    parts = [last, ...parts.filter((part) => part !== x && part !== y)];
    steps.push(`${left.value}${operator}${right.value}=${value}`);
  }
  return { line: steps.join(','), made: last, isTrue };
}

export interface Search {
  /** The lines of the search, a line feed after each. */
  readonly text: string;
  /** What the person says in the end; null where they gave up. */
  readonly answer: string | null;
}

/** Somebody searches for a solution. */
export function searchCountdown(random: Random, problem: CountdownProblem): Search {
  const habit = habitOf(random);
  const seen = new Set<string>();
  const lines: string[] = [];
  let latest: Made | null = null;
  for (;;) {
    let attempt = tryOnce(random, problem, habit);
    for (let again = 0; again < 20 && seen.has(attempt.line) && !random.chance(habit.forgets); again++)
      attempt = tryOnce(random, problem, habit);
    seen.add(attempt.line);
    const { line, made, isTrue } = attempt;
    latest = made ?? latest;
    const isHit = made?.value === problem.target;
    const looks = random.chance(habit.checks);
    if (isHit && isTrue) {
      lines.push(`${line} yes`, ...(looks ? [`check ${made.text}=${problem.target} ok`] : []));
      return { text: lines.join('\n').concat('\n'), answer: made.text };
    }
    if (isHit) {
      lines.push(`${line} yes`);
      if (!looks) return { text: lines.join('\n').concat('\n'), answer: made.text };
      lines.push('wait, wrong');
    } else lines.push(made === null ? line : `${line} no`);
    if (random.chance(habit.patience)) continue;
    const guesses = latest !== null && random.chance(0.5);
    lines.push(guesses ? 'maybe' : 'give up');
    return { text: lines.join('\n').concat('\n'), answer: guesses ? (latest as Made).text : null };
  }
}

/** A problem as people put it. */
export function putCountdown(random: Random, { prompt, numbers, target }: CountdownProblem): string {
  return random.pick([
    prompt,
    prompt,
    `Make ${target} from ${numbers.join(', ')}`,
    `${numbers.join(', ')} to ${target}?`,
    `Use ${numbers.join(', ')} to get ${target}.`,
  ]);
}

/** A page: a problem, a search, and what came of it. */
export function countdownPage(random: Random, difficulty: number): string {
  const problem = trainingProblem(countdown, random, difficulty);
  const { text, answer } = searchCountdown(random, problem);
  const end = answer === null ? '' : random.pick([`${answer}\n`, `so ${answer}\n`, `${answer}=${problem.target}\n`]);
  return `${putCountdown(random, problem)}\n${text}${end}`;
}
