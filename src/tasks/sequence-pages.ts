// Pages on which people look for the next number: rules tried one after the other, given up where they do not hold.
//
// For pretraining a base model, as countdown-pages.ts: no page is an instruction. A rule is tried from the left until it
// fails, `6-2=4, 18-6=12 no`, or holds, `7-3=4, 11-7=4, 15-11=4 so +4: 15+4=19`. Hasty people believe a rule that they
// have seen once. A check tries the rule where it was not yet tried, or goes the last step back.
import type { Search } from './countdown-pages.ts';
import { type Care, ending, Notes, Tired } from './notes.ts';
import type { Random } from './random.ts';
import { type SequenceProblem, sequence } from './sequence.ts';
import { trainingProblem } from './task.ts';

interface Habit extends Care {
  /** Of believing a rule after the first time that it holds. */
  readonly hastes: number;
  /** Of trying the rules in any order at all, not the simplest first. */
  readonly jumps: number;
}

/** More tries, more care, or hardly anybody would come to the rules that are tried last. */
function habitOf(random: Random, shown: number): Habit {
  const haste = shown > 4 ? 0.8 : 1.3;
  return {
    slips: haste * random.pick([0, 0.01, 0.03, 0.08]),
    notices: random.pick([0.3, 0.5, 0.9]),
    checks: random.pick([0, 0, 0.3, 0.8]),
    patience: random.pick([0.9, 0.95, 1]),
    wanders: 0,
    tires: haste * random.pick([0, 0.03, 0.07]),
    hastes: random.pick([0, 0, 0.1, 0.2]),
    jumps: random.pick([0, 0.3, 1]),
  };
}

/** What a rule leads to, and what a check would compute and expect. */
interface Found {
  readonly next: number;
  readonly check: { readonly left: string; readonly value: number; readonly expected: number };
}

const any = () => true;
const signed = (value: number) => (value < 0 ? `${value}` : `+${value}`);
const sum = (a: number, b: number) => ({ left: `${a}${signed(b)}`, value: a + b });
const gap = (a: number, b: number) => sum(b, -a);

class Look extends Notes {
  readonly #numbers: readonly number[];
  readonly #isHasty: () => boolean;

  constructor(random: Random, habit: Habit, numbers: readonly number[]) {
    super(random, habit);
    this.#numbers = numbers;
    this.#isHasty = () => random.chance(habit.hastes);
  }

  /** Differences of neighbours, as they are believed, until two differ. */
  #steps(numbers: readonly number[]): { texts: string[]; steps: number[]; areSame: boolean } {
    const [texts, steps] = [[] as string[], [] as number[]];
    for (let i = 1; i < numbers.length; i++) {
      const { text, value } = this.equation(gap(numbers[i - 1], numbers[i]), any);
      texts.push(text);
      steps.push(value);
      if (value !== steps[0]) return { texts, steps, areSame: false };
    }
    return { texts, steps, areSame: true };
  }

  sameStep(): Found | null {
    const numbers = this.#numbers;
    const isHasty = this.#isHasty();
    const { texts, steps, areSame } = this.#steps(isHasty ? numbers.slice(0, 2) : numbers);
    if (!areSame) return this.#leave(texts);
    const [step, last] = [steps[0], numbers[numbers.length - 1]];
    const { text, value } = this.equation(sum(last, step));
    this.line(`${texts.join(', ')} so ${signed(step)}: ${text}`);
    const [a, b] = isHasty ? [numbers[1], numbers[2]] : [last, value];
    return { next: value, check: { ...gap(a, b), expected: step } };
  }

  sameFactor(): Found | null {
    const numbers = this.#numbers;
    const isHasty = this.#isHasty();
    const falls = numbers[1] < numbers[0];
    const [texts, factors] = [[] as string[], [] as number[]];
    for (let i = 1; i < (isHasty ? 2 : numbers.length); i++) {
      const [small, big] = [numbers[i - 1], numbers[i]].sort((a, b) => a - b) as [number, number];
      if (small === 0 || big % small !== 0) return this.#leave([...texts, `${big}/${small}`]);
      const { text, value } = this.equation({ left: `${big}/${small}`, value: big / small });
      texts.push(text);
      factors.push(value);
      if (value !== factors[0] || value <= 1) return this.#leave(texts);
    }
    const [factor, last] = [factors[0], numbers[numbers.length - 1]];
    if (falls && last % factor !== 0) return this.#leave([...texts, `${last}/${factor}`]);
    const sign = falls ? '/' : '*';
    const { text, value } = this.equation({
      left: `${last}${sign}${factor}`,
      value: falls ? last / factor : last * factor,
    });
    this.line(`${texts.join(', ')} so ${sign}${factor}: ${text}`);
    const pair = isHasty ? [numbers[1], numbers[2]] : [last, value];
    const [from, to] = (falls ? pair.reverse() : pair) as [number, number];
    return { next: value, check: { left: `${from}*${factor}`, value: from * factor, expected: to } };
  }

  growingStep(): Found | null {
    const [texts, steps] = [[] as string[], [] as number[]];
    for (const [i, b] of this.#numbers.entries()) {
      if (i === 0) continue;
      const { text, value } = this.equation(gap(this.#numbers[i - 1], b), any);
      texts.push(text);
      steps.push(value);
    }
    const growth = this.#steps(steps);
    const head = `${texts.join(', ')}: ${growth.texts.join(', ')}`;
    if (!growth.areSame) return this.#leave([head]);
    const [lastStep, last] = [steps[steps.length - 1], this.#numbers[this.#numbers.length - 1]];
    const by = growth.steps[0];
    const step = this.equation(sum(lastStep, by), any);
    const next = this.equation(sum(last, step.value));
    this.line(`${head} so ${signed(by)}: ${step.text}, ${next.text}`);
    return { next: next.value, check: { ...gap(last, next.value), expected: step.value } };
  }

  twoInTurn(): Found | null {
    const numbers = this.#numbers;
    const half = (first: number) => numbers.filter((_, i) => i % 2 === first);
    const [same, other] = [half(numbers.length % 2), half(1 - (numbers.length % 2))];
    const mine = this.#steps(same);
    if (!mine.areSame || mine.steps.length < 2) return this.#leave(mine.texts);
    const theirs = this.#steps(other);
    const head = `${mine.texts.join(', ')} and ${theirs.texts.join(', ')}`;
    if (!theirs.areSame) return this.#leave([head]);
    const [step, last] = [mine.steps[0], same[same.length - 1]];
    const { text, value } = this.equation(sum(last, step));
    this.line(`${head} so ${signed(step)}: ${text}`);
    return { next: value, check: { ...gap(last, value), expected: step } };
  }

  #leave(texts: readonly string[]): null {
    this.line(`${texts.join(', ')} no`);
    return null;
  }

  confirms({ check: { left, value, expected } }: Found): boolean {
    this.line(`check ${left}=${value} ${value === expected ? 'ok' : 'no'}`);
    return value === expected;
  }

  /** All rules in turn: what one of them leads to, null where none holds or somebody stops. */
  tryAll(order: readonly Rule[], goesOn: () => boolean): Found | null {
    for (const rule of order) {
      const found = this[rule]();
      if (found !== null) return found;
      if (!goesOn()) return null;
    }
    return null;
  }
}

/** From the simplest on. */
const simplestFirst = ['sameStep', 'sameFactor', 'growingStep', 'twoInTurn'] as const;
type Rule = (typeof simplestFirst)[number];

const mostAttempts = 4;

/** Somebody looks for the next number. */
export function workSequence(random: Random, { numbers }: SequenceProblem): Search {
  const habit = habitOf(random, numbers.length);
  const look = new Look(random, habit, numbers);
  const goesOn = () => random.chance(habit.patience);
  const order = random.chance(habit.jumps) ? random.shuffled(simplestFirst) : simplestFirst;
  try {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      if (attempt > 0) look.begin();
      const found = look.tryAll(order, goesOn);
      if (found !== null && (!random.chance(habit.checks) || look.confirms(found)))
        return { text: look.text, answer: `${found.next}` };
      if (!goesOn()) break;
    }
  } catch (error) {
    if (!(error instanceof Tired)) throw error;
  }
  look.lines.push(random.pick(['give up', 'no idea']));
  return { text: look.text, answer: null };
}

/** A problem as people put it. */
export function putSequence(random: Random, { prompt, numbers }: SequenceProblem): string {
  const list = numbers.join(', ');
  return random.pick([prompt, prompt, `${list}, ...`, `${list}, ?`, `Next after ${list}?`]);
}

/** A page: a problem, how somebody looks at it, and what came of it. */
export function sequencePage(random: Random, difficulty: number): string {
  const problem = trainingProblem(sequence, random, difficulty);
  const { text, answer } = workSequence(random, problem);
  const end = answer === null ? '' : ending(random, answer, `${problem.numbers.join(', ')}, `);
  return `${putSequence(random, problem)}\n${text}${end}`;
}
