// Calculations with + - *: their value, their text, their key, and how people ask for them.
import { toWords } from './number-words.ts';

export type Operation = readonly [left: Calculation, operator: '+' | '-' | '*', right: Calculation];
export type Calculation = number | Operation;

export function compute(calculation: Calculation): number {
  if (typeof calculation === 'number') return calculation;
  const [left, operator, right] = calculation;
  const [x, y] = [compute(left), compute(right)];
  return operator === '+' ? x + y : operator === '-' ? x - y : x * y;
}

const precedence = (calculation: Calculation): number =>
  typeof calculation === 'number' ? 2 : calculation[1] === '*' ? 1 : 0;

/** Formats a calculation with as few parentheses as possible; `gap` surrounds operators. */
export function formatCalculation(calculation: Calculation, gap = ' '): string {
  if (typeof calculation === 'number') return `${calculation}`;
  const [left, operator, right] = calculation;
  const own = precedence(calculation);
  const side = (part: Calculation, enclosed: boolean) => {
    const text = formatCalculation(part, gap);
    return enclosed ? `(${text})` : text;
  };
  const needsRight = precedence(right) < own || (operator === '-' && precedence(right) === own);
  return `${side(left, precedence(left) < own)}${gap}${operator}${gap}${side(right, needsRight)}`;
}

/** Returns the same text for calculations that differ only in the order of terms or factors. */
export function toKey(calculation: Calculation): string {
  if (typeof calculation === 'number') return `${calculation}`;
  const [left, operator, right] = calculation;
  const sides = [toKey(left), toKey(right)];
  return `(${(operator === '-' ? sides : sides.sort()).join(operator)})`;
}

/** Returns phrasings that ask for the value of an expression, written with blanks around its operators. */
export function expressionPhrasings(text: string): string[] {
  const tight = text.replaceAll(' ', '');
  const typeset = text.replaceAll(' * ', ' × ').replaceAll(' / ', ' ÷ ');
  return [
    `What is ${text}?`,
    text,
    `Work out ${text}.`,
    `Calculate ${text}.`,
    `${tight}=`,
    `Tell me the value of ${text}.`,
    `How much is ${tight}?`,
    `Compute ${typeset}.`,
    `${tight} equals what?`,
    `${text} = ?`,
    `Can you solve ${typeset}?`,
    `I need the result of ${text}.`,
    `What's ${text}?`,
    `${tight}?`,
    `${typeset} = what?`,
    `What does ${text} equal?`,
    `Please calculate ${tight}.`,
    `Give me the answer to ${typeset}.`,
    `What is the value of ${text}?`,
    `Find ${tight}.`,
    `Evaluate ${typeset}.`,
    `Value of ${tight}`,
    `What is the result of ${tight}?`,
    `Do ${text} for me.`,
  ];
}

type Asked = (a: number, b: number, first: string, second: string) => string[];

/** Phrasings in words, by operator: `a` and `b` are numbers, `first` and `second` the same in words. */
const asked: Readonly<Record<'+' | '-' | '*' | '/', Asked>> = {
  '+': (a, b, first, second) => [
    `What is ${first} plus ${second}?`,
    `${a} plus ${b}`,
    `Could you add ${a} and ${b} for me?`,
    `Add ${a} and ${b}.`,
    `What is the sum of ${a} and ${b}?`,
    `What do you get when you add ${second} to ${first}?`,
    `How much is ${first} and ${second}?`,
    `What's ${first} plus ${second}?`,
    `What does ${a} plus ${b} come to?`,
    `If I have ${a} and get ${b} more, how many do I have?`,
    `${first} plus ${second}`,
    `${first} plus ${second} is?`,
    `sum of ${a} and ${b}`,
    `What is ${b} more than ${a}?`,
    `How much do ${a} and ${b} make together?`,
    `Add up ${a} and ${b}.`,
    `${a} increased by ${b}`,
    `Add ${second} to ${first}.`,
    `What do ${a} and ${b} add up to?`,
    `${a} and ${b} together?`,
    `What is the total of ${a} and ${b}?`,
  ],
  '-': (a, b, first, second) => [
    `What is ${first} minus ${second}?`,
    `${a} minus ${b}`,
    `How much remains when ${b} is taken from ${a}?`,
    `Subtract ${b} from ${a}.`,
    `How much is ${first} minus ${second}?`,
    `What do you get when you take ${second} from ${first}?`,
    `Take ${b} away from ${a}.`,
    `What's ${first} minus ${second}?`,
    `What does ${a} minus ${b} come to?`,
    `What is ${a} take away ${b}?`,
    `${first} minus ${second}`,
    `${first} minus ${second} is?`,
    `What is ${a} less ${b}?`,
    `If I take ${b} off ${a}, what do I get?`,
    `Reduce ${a} by ${b}.`,
    `${first} take away ${second}`,
    `Please subtract ${second} from ${first}.`,
    `What is ${b} less than ${a}?`,
    ...(a < b
      ? []
      : [
          `What is the difference of ${a} and ${b}?`,
          `How much larger is ${a} than ${b}?`,
          `By how much is ${a} greater than ${b}?`,
          `How far is it from ${b} to ${a}?`,
          `What must be added to ${b} to get ${a}?`,
          `What is missing from ${b} to ${a}?`,
        ]),
  ],
  '*': (a, b, first, second) => [
    `What is ${first} times ${second}?`,
    `${a} times ${b}`,
    `How much is ${a} multiplied by ${b}?`,
    `Multiply ${a} by ${b}.`,
    `What is the product of ${a} and ${b}?`,
    `What do you get when you multiply ${first} by ${second}?`,
    `${a} x ${b}`,
    `What's ${first} times ${second}?`,
    `What does ${a} times ${b} come to?`,
    `What is ${a} x ${b}?`,
    `${first} times ${second}`,
    `${first} times ${second} is?`,
    `product of ${a} and ${b}`,
    `Multiply ${first} and ${second}.`,
    `What do ${a} and ${b} multiply to?`,
    `${a} multiplied by ${b}`,
    `How much are ${a} groups of ${b}?`,
    `What are ${first} times ${second}?`,
    ...(a === 2 ? [`Double ${b}.`, `What is twice ${b}?`, `What is ${second} doubled?`] : []),
    ...(a === 3 ? [`Triple ${b}.`, `What is three times ${b}?`, `What is ${second} tripled?`] : []),
    ...(a === b ? [`What is ${a} squared?`, `Square ${a}.`, `What is the square of ${first}?`] : []),
  ],
  '/': (a, b, first, second) => [
    `What is ${first} divided by ${second}?`,
    `${a} divided by ${b}`,
    `How many times does ${b} go into ${a}?`,
    `Divide ${a} by ${b}.`,
    `What is the quotient of ${a} and ${b}?`,
    `What do you get when you divide ${first} by ${second}?`,
    `${a} over ${b}`,
    `What's ${first} divided by ${second}?`,
    `What does ${a} divided by ${b} come to?`,
    `If ${b} people share ${a} coins equally, how many does each get?`,
    `${first} divided by ${second}`,
    `${first} divided by ${second} is?`,
    `How often does ${b} fit into ${a}?`,
    `Split ${a} among ${b}. How much does each get?`,
    `Please divide ${first} by ${second}.`,
    `A rope of ${a} meters is cut into pieces of ${b} meters. How many pieces are there?`,
    `${a} eggs go into boxes of ${b}. How many boxes are needed?`,
    `At ${b} kilometers a day, how many days do ${a} kilometers take?`,
    `${b} tickets cost ${a} euros. What does one cost?`,
    `In groups of ${b}, how many groups do ${a} people form?`,
    `Into ${b} equal parts, ${a} gives how much each?`,
    ...(b === 2 ? [`What is half of ${a}?`, `Halve ${a}.`, `How much is one half of ${a}?`] : []),
    ...(b === 3 ? [`What is a third of ${a}?`, `one third of ${a}`, `How much is a third of ${a}?`] : []),
    ...(b === 4 ? [`What is a quarter of ${a}?`, `one quarter of ${a}`, `How much is a fourth of ${a}?`] : []),
  ],
};

/** Numbers from here on are written in digits. */
const firstInDigits = 1000;

/** Returns phrasings of two numbers and an operator, in digits, signs, and words. */
export function operationPhrasings(a: number, operator: '+' | '-' | '*' | '/', b: number): string[] {
  const [first, second] = a < firstInDigits && b < firstInDigits ? [toWords(a), toWords(b)] : [`${a}`, `${b}`];
  const inWords = asked[operator](a, b, first, second);
  return [...expressionPhrasings(`${a} ${operator} ${b}`), ...inWords];
}

/** Returns the numbers of a sum such as 3 + 4 + 5; null where there is another operator. */
function addends(calculation: Calculation): number[] | null {
  if (typeof calculation === 'number') return [calculation];
  const [left, operator, right] = calculation;
  const [first, second] = operator === '+' ? [addends(left), addends(right)] : [null, null];
  return first && second && [...first, ...second];
}

function sumPhrasings(numbers: readonly number[]): string[] {
  const list = numbers.join(', ');
  const listed = `${numbers.slice(0, -1).join(', ')} and ${numbers[numbers.length - 1]}`;
  return [
    `Add ${listed}.`,
    `What is the sum of ${listed}?`,
    `How much are ${listed} in total?`,
    `Add up ${list}.`,
    `sum of ${list}`,
    `What do ${listed} add up to?`,
    `What is the total of ${listed}?`,
    `Add these: ${list}`,
    `How much is ${listed} together?`,
  ];
}

/** Returns the phrasings of a calculation: what `prompt` asks, in the words of different people. */
export function calculationPhrasings(calculation: Operation): string[] {
  const [left, operator, right] = calculation;
  if (typeof left === 'number' && typeof right === 'number') return operationPhrasings(left, operator, right);
  const numbers = addends(calculation);
  return [...expressionPhrasings(formatCalculation(calculation)), ...(numbers === null ? [] : sumPhrasings(numbers))];
}
