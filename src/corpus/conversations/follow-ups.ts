// Second turns that refer to the last answer: "and times two?", "add 5 to that", "are you sure?".
import type { Random } from '../../math/index.ts';
import { computeInColumns, divideInColumns, type Split, toWords } from '../../tasks/index.ts';
import { assistant, type Conversation, exchange, type Message, say, user } from './conversation.ts';
import { outOfScope } from './out-of-scope.ts';
import { greetings, questions, thanks } from './small-talk.ts';
import { thoughtAndAnswer, workedProblem } from './worked-problems.ts';

/** What is done with the last answer: how people ask, and the steps. */
interface Continuation {
  /** `n` is the number in digits, `word` in words. */
  readonly says: (n: number, word: string) => string[];
  /** The range of the number. */
  readonly range: readonly [number, number];
  readonly steps: (last: number, n: number) => string[];
  readonly value: (last: number, n: number) => number;
}

const plus: Continuation = {
  says: (n, word) => [
    ...[`And plus ${n}?`, `Now add ${n}.`, `Plus ${n}?`, `Add ${n} to that.`, `And plus ${word}?`, `And ${n} more?`],
    ...[
      `Add ${word}.`,
      `Now add ${word} to it.`,
      `What if I add ${n}?`,
      `plus ${word}`,
      `+ ${n}`,
      `And with ${n} added?`,
    ],
  ],
  range: [1, 99],
  steps: (last, n) => computeInColumns(last, '+', n),
  value: (last, n) => last + n,
};

const minus: Continuation = {
  says: (n, word) => [
    ...[
      `And minus ${n}?`,
      `Now subtract ${n}.`,
      `Minus ${n}?`,
      `Take ${n} from that.`,
      `And minus ${word}?`,
      `And ${n} less?`,
    ],
    ...[
      `Subtract ${word}.`,
      `Now take ${word} away.`,
      `What if I take ${n} away?`,
      `minus ${word}`,
      `- ${n}`,
      `And without ${n}?`,
    ],
  ],
  range: [1, 50],
  steps: (last, n) => computeInColumns(last, '-', n),
  value: (last, n) => last - n,
};

const times: Continuation = {
  says: (n, word) => [
    ...[`And times ${n}?`, `Now multiply by ${n}.`, `Times ${n}?`, `Multiply that by ${n}.`, `And times ${word}?`],
    ...[`What is that times ${n}?`, `times ${word}`, `Now times ${n}.`, `And multiplied by ${word}?`, `x ${n}`],
    ...[`* ${n}`, `What is ${word} times that?`],
  ],
  range: [2, 9],
  steps: (last, n) => computeInColumns(last, '*', n),
  value: (last, n) => last * n,
};

const double: Continuation = {
  says: () => [
    ...['And twice that?', 'Double it.', 'Now double that.', 'And doubled?', 'What is twice that?', 'Two times that?'],
  ],
  range: [2, 2],
  steps: (last) => computeInColumns(last, '*', 2),
  value: (last) => last * 2,
};

const half: Continuation = {
  says: () => [
    ...['And half of that?', 'Halve it.', 'What is half of it?', 'Now take half.', 'And divided by two?', 'Half that?'],
  ],
  range: [2, 2],
  steps: (last) => [divideInColumns(last, 2).text],
  value: (last) => last / 2,
};

const doubts = [
  ...['Are you sure?', 'Is that right?', 'Check it again.', 'Really?', 'Can you check that?', 'Please check.'],
  ...['Is this correct?', 'Are you certain?', 'Check again please', 'Hm, is that true?', 'Please verify.', 'Sure?'],
];

/** The tasks whose answers are numbers to go on with. */
const numeric = ['sums', 'products', 'division', 'chains', 'stories', 'gcd-lcm', 'letter-counting', 'units'];
const largest = 9999;

const answerPattern = /<answer>(\d+)<\/answer>$/;

/** Draws a short problem whose answer is a whole number from 0 to `largest`. */
function numericProblem(random: Random, split: Split): readonly [Message, Message, number] {
  for (;;) {
    const [question, reply] = workedProblem(random, split, {
      task: random.pick(numeric),
      difficulty: random.whole(1, 2),
    });
    const last = Number(answerPattern.exec(reply.content)?.[1] ?? Number.NaN);
    if (last <= largest) return [question, reply, last];
  }
}

/** A problem, then a second turn that goes on with its answer. */
export function followUp(random: Random, split: Split): Conversation {
  const [question, reply, last] = numericProblem(random, split);
  const choices = [plus, plus, minus, times, times, double, ...(last % 2 === 0 && last > 0 ? [half] : [])];
  const { says, range, steps, value } = random.pick(choices);
  const n = random.whole(range[0], range[1]);
  const lines = steps(last, n).map((line) => `${line}\n`);
  return [
    question,
    reply,
    user(say(random, says(n, toWords(n)), split)),
    thoughtAndAnswer(lines.join(''), `${value(last, n)}`),
  ];
}

/** A problem, then doubt: the assistant computes once more and stays with its answer. */
export function doubt(random: Random, split: Split): Conversation {
  const [question, reply] = numericProblem(random, split);
  return [question, reply, user(say(random, doubts, split)), assistant(reply.content)];
}

/** A problem, then another one that has nothing to do with it. */
export function changeOfSubject(random: Random, split: Split): Conversation {
  return [...workedProblem(random, split), ...workedProblem(random, split)];
}

/** A problem before or after words that have nothing to do with it. */
export function aside(random: Random, split: Split): Conversation {
  const talk = random.pick([
    outOfScope,
    outOfScope,
    (draw: Random) => exchange(draw, greetings, split),
    (draw: Random) => exchange(draw, questions, split),
    (draw: Random) => exchange(draw, thanks, split),
  ])(random, split);
  const worked = workedProblem(random, split);
  return random.chance(0.5) ? [...worked, ...talk] : [...talk, ...worked];
}

/** A problem, then thanks or good-bye. */
export function thankedProblem(random: Random, split: Split): Conversation {
  return [...workedProblem(random, split), ...exchange(random, thanks, split)];
}
