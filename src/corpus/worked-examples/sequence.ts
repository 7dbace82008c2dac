// Worked examples of sequences: rules tried one after the other, and rejected where they do not hold.
//
// A rule is tried from the left until it fails, `6-2=4, 18-6=12 no`, or holds, `7-3=4, 11-7=4, 15-11=4 so +4: 15+4=19`.
// Hasty workers accept a rule that they have seen once. A check tries the rule where it was not yet tried, or takes the
// last step back. No text is an instruction.
import type { Random } from '../../math/index.ts';
import { type Equation, type SequenceProblem, sequence } from '../../tasks/index.ts';
import type { WorkedExamples } from './document.ts';
import { Scratchpad, type Solution, type Work } from './scratchpad.ts';

/** Draws how a worker behaves. With more numbers there are more rules to try, so workers err and give up less. */
function drawRates(random: Random, shown: number) {
  const scale = shown > 4 ? 0.8 : 1.3;
  return {
    error: scale * random.pick([0, 0.01, 0.03, 0.08]),
    correction: random.pick([0.3, 0.5, 0.9]),
    check: random.pick([0, 0, 0.3, 0.8]),
    patience: random.pick([0.9, 0.95, 1]),
    giveUp: scale * random.pick([0, 0.03, 0.07]),
    /** A rule is accepted after the first place where it holds. */
    haste: random.pick([0, 0, 0.1, 0.2]),
    /** Rules are tried in any order, not the simplest first. */
    disorder: random.pick([0, 0.3, 1]),
  };
}

type Rates = ReturnType<typeof drawRates>;

/** What a rule leads to, and an equation that checks it. */
interface Finding {
  readonly next: number;
  readonly check: Equation & { readonly expected: number };
}

type Rule = (pad: Scratchpad, numbers: readonly number[], rates: Rates) => Work<Finding | null>;

const last = (numbers: readonly number[]): number => numbers[numbers.length - 1];
const signed = (value: number) => (value < 0 ? `${value}` : `+${value}`);
const sum = (a: number, b: number) => ({ left: `${a}${signed(b)}`, value: a + b });
const difference = (a: number, b: number) => sum(b, -a);
const anyValue = () => true;

/** Computes the differences of neighbors, as the worker believes them; `stops` after the first that is another. */
function differences(pad: Scratchpad, numbers: readonly number[], stops = true) {
  const texts: string[] = [];
  const steps: number[] = [];
  for (let i = 1; i < numbers.length; i++) {
    const { text, value } = pad.equation(difference(numbers[i - 1], numbers[i]), anyValue);
    texts.push(text);
    steps.push(value);
    if (stops && value !== steps[0]) break;
  }
  return { text: texts.join(', '), steps, areEqual: steps.every((step) => step === steps[0]) };
}

function* reject(pad: Scratchpad, text: string): Work<null> {
  yield pad.write(`${text} no`);
  return null;
}

/** Adds a step to the last number. Returns the finding, checked by the step back. */
function* addStep(pad: Scratchpad, text: string, end: number, step: number): Work<Finding> {
  const next = pad.equation(sum(end, step));
  yield pad.write(`${text} so ${signed(step)}: ${next.text}`);
  return { next: next.value, check: { ...difference(end, next.value), expected: step } };
}

const sameStep: Rule = function* (pad, numbers, { haste }) {
  const isHasty = pad.random.chance(haste);
  const { text, steps, areEqual } = differences(pad, isHasty ? numbers.slice(0, 2) : numbers);
  if (!areEqual) return yield* reject(pad, text);
  const { next, check } = yield* addStep(pad, text, last(numbers), steps[0]);
  return { next, check: isHasty ? { ...difference(numbers[1], numbers[2]), expected: steps[0] } : check };
};

const sameFactor: Rule = function* (pad, numbers, { haste }) {
  const isHasty = pad.random.chance(haste);
  const isFalling = numbers[1] < numbers[0];
  const texts: string[] = [];
  let factor = 0;
  for (let i = 1; i < (isHasty ? 2 : numbers.length); i++) {
    const [small, big] = [Math.min(numbers[i - 1], numbers[i]), Math.max(numbers[i - 1], numbers[i])];
    if (small === 0 || big % small !== 0) return yield* reject(pad, [...texts, `${big}/${small}`].join(', '));
    const { text, value } = pad.equation({ left: `${big}/${small}`, value: big / small });
    texts.push(text);
    if (i === 1) factor = value;
    if (value !== factor || value <= 1) return yield* reject(pad, texts.join(', '));
  }
  const end = last(numbers);
  if (isFalling && end % factor !== 0) return yield* reject(pad, [...texts, `${end}/${factor}`].join(', '));
  const sign = isFalling ? '/' : '*';
  const next = pad.equation({ left: `${end}${sign}${factor}`, value: isFalling ? end / factor : end * factor });
  yield pad.write(`${texts.join(', ')} so ${sign}${factor}: ${next.text}`);
  const [a, b] = isHasty ? [numbers[1], numbers[2]] : [end, next.value];
  const [from, expected] = isFalling ? [b, a] : [a, b];
  return { next: next.value, check: { left: `${from}*${factor}`, value: from * factor, expected } };
};

const growingStep: Rule = function* (pad, numbers) {
  const first = differences(pad, numbers, false);
  const second = differences(pad, first.steps);
  const head = `${first.text}: ${second.text}`;
  if (!second.areEqual) return yield* reject(pad, head);
  const growth = second.steps[0];
  const step = pad.equation(sum(last(first.steps), growth), anyValue);
  const next = pad.equation(sum(last(numbers), step.value));
  yield pad.write(`${head} so ${signed(growth)}: ${step.text}, ${next.text}`);
  return { next: next.value, check: { ...difference(last(numbers), next.value), expected: step.value } };
};

const twoInTurn: Rule = function* (pad, numbers) {
  const half = (first: number) => numbers.filter((_, i) => i % 2 === first);
  const same = half(numbers.length % 2);
  const mine = differences(pad, same);
  if (!mine.areEqual || mine.steps.length < 2) return yield* reject(pad, mine.text);
  const other = differences(pad, half(1 - (numbers.length % 2)));
  const head = `${mine.text} and ${other.text}`;
  if (!other.areEqual) return yield* reject(pad, head);
  return yield* addStep(pad, head, last(same), mine.steps[0]);
};

const simplestFirst: readonly Rule[] = [sameStep, sameFactor, growingStep, twoInTurn];
const maxAttempts = 4;

/** Tries the rules in order. Returns what one leads to; null where none holds or the worker stops. */
function* tryRules(pad: Scratchpad, numbers: readonly number[], rates: Rates, order: readonly Rule[]) {
  for (const rule of order) {
    const finding = yield* rule(pad, numbers, rates);
    if (finding !== null || !pad.random.chance(rates.patience)) return finding;
  }
  return null;
}

function* work(pad: Scratchpad, numbers: readonly number[], rates: Rates): Work<string | null> {
  const order = pad.random.chance(rates.disorder) ? pad.random.shuffled(simplestFirst) : simplestFirst;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    if (attempt > 0) pad.restart();
    const finding = yield* tryRules(pad, numbers, rates, order);
    if (finding !== null) {
      if (!pad.random.chance(rates.check)) return `${finding.next}`;
      const { left, value, expected } = finding.check;
      yield pad.write(`check ${left}=${value} ${value === expected ? 'ok' : 'no'}`);
      if (value === expected) return `${finding.next}`;
    }
    if (!pad.random.chance(rates.patience)) return null;
  }
  return null;
}

function solve(random: Random, { numbers }: SequenceProblem): Solution {
  const rates = drawRates(random, numbers.length);
  const pad = new Scratchpad(random, rates);
  return pad.finish(work(pad, numbers, rates), ['give up', 'no idea']);
}

/** All levels alike. */
export const sequenceExamples: WorkedExamples<SequenceProblem> = {
  task: sequence,
  difficulty: (random) => random.whole(1, 4),
  solve,
  phrase: (random, { prompt, numbers }) => {
    const list = numbers.join(', ');
    return random.pick([prompt, prompt, `${list}, ...`, `${list}, ?`, `Next after ${list}?`]);
  },
  conclusion: ({ numbers }, answer) => `${numbers.join(', ')}, ${answer}`,
};
