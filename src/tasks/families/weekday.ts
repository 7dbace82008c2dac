// Which day of the week is it? Difficulty: 1 up to a week away, 2 up to 60 days, 3 up to 400, 4 dates of one year.
import type { Random } from '../../math/index.ts';
import type { Problem, Task } from '../task.ts';
import { gradeText } from '../text-answer.ts';

export const weekdays = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] as const;
const months = [
  ...(['January', 'February', 'March', 'April', 'May', 'June', 'July'] as const),
  ...(['August', 'September', 'October', 'November', 'December'] as const),
];
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

export interface WeekdayProblem extends Problem {
  /** The known day, 0 for Monday. */
  readonly today: number;
  /** The days from there to the day that is asked for. */
  readonly days: number;
  /** Both dates of a year with 365 days, where dates are given. */
  readonly dates: readonly [known: string, asked: string] | null;
  /** How the days between the dates are counted. */
  readonly counting: readonly string[];
}

const remainder = (value: number) => ((value % 7) + 7) % 7;
const answer = ({ today, days }: WeekdayProblem): string => weekdays[remainder(today + days)];

/** Counts the days from one date to a later one, month by month. */
function countDays(from: { month: number; day: number }, to: { month: number; day: number }) {
  if (from.month === to.month)
    return { days: to.day - from.day, counting: [`${to.day}-${from.day}=${to.day - from.day}`] };
  let days = monthDays[from.month] - from.day;
  const counting = [`${months[from.month]} ${monthDays[from.month]}-${from.day}=${days}`];
  for (let month = from.month + 1; month <= to.month; month++) {
    const more = month === to.month ? to.day : monthDays[month];
    counting.push(`${months[month]} ${days}+${more}=${days + more}`);
    days += more;
  }
  return { days, counting };
}

function dateProblem(random: Random): WeekdayProblem {
  const today = random.below(7);
  const month = random.below(11);
  const from = { month, day: random.whole(1, monthDays[month]) };
  const later = Math.min(11, month + random.whole(0, 2));
  const to = { month: later, day: random.whole(later === month ? from.day : 1, monthDays[later]) };
  const { days, counting } = countDays(from, to);
  if (days === 0) return dateProblem(random);
  const dates = [`${months[from.month]} ${from.day}`, `${months[to.month]} ${to.day}`] as const;
  const prompt = `If ${dates[0]} is a ${weekdays[today]}, what day is ${dates[1]}?`;
  return { prompt, key: `${today} ${dates.join(' ')}`, today, days, dates, counting };
}

/** The days to the day that is asked for, for each difficulty from 1. */
const distances = [
  [1, 9],
  [5, 60],
  [30, 400],
] as const;

function problem(random: Random, difficulty: number): WeekdayProblem {
  if (difficulty === 4) return dateProblem(random);
  const today = random.below(7);
  const [nearest, farthest] = distances[difficulty - 1];
  const days = random.pick([1, 1, -1]) * random.whole(nearest, farthest);
  return { prompt: dayPrompt(today, days), key: `${today} ${days}`, today, days, dates: null, counting: [] };
}

const unit = (count: number) => (count === 1 ? '1 day' : `${count} days`);

function dayPrompt(today: number, days: number): string {
  const day = weekdays[today];
  return days > 0
    ? `Today is ${day}. What day is it in ${unit(days)}?`
    : `Today is ${day}. What day was it ${unit(-days)} ago?`;
}

function dayPhrasings(prompt: string, day: string, days: number): string[] {
  const [count, isLater] = [unit(Math.abs(days)), days > 0];
  const [then, after] = isLater ? [`in ${count}`, 'after'] : [`${count} ago`, 'before'];
  const [is, will] = isLater ? ['is', 'will it be'] : ['was', 'was it'];
  return [
    prompt,
    `What day is ${count} ${after} ${day}?`,
    `Which weekday is ${count} ${after} a ${day}?`,
    `It is ${day}. Which day ${is} it ${then}?`,
    `${count} ${after} ${day}`,
    `Today is ${day}. What weekday ${will} ${then}?`,
    `If today is ${day}, what day ${is} it ${then}?`,
    `Which day comes ${count} ${after} ${day}?`,
    `If it is ${day} now, what day of the week ${will} ${then}?`,
    `What day of the week is ${count} ${after} ${day}?`,
    `Today's ${day}, what day ${will} ${then}?`,
    `Name the weekday ${count} ${after} ${day}.`,
    `Suppose it is ${day}. What day ${is} it ${then}?`,
    `Which weekday is it ${count} ${after} ${day}?`,
    `Starting on ${day}, what is the day ${count} ${isLater ? 'later' : 'earlier'}?`,
    `${day} ${isLater ? '+' : '-'} ${count} = which day?`,
    `What is the day ${count} ${after} ${day}?`,
    `I count ${count} ${isLater ? 'forward' : 'back'} from ${day}. Which day is it?`,
  ];
}

function datePhrasings(prompt: string, day: string, [known, asked]: readonly [string, string]): string[] {
  return [
    prompt,
    `${known} is a ${day}. What day is ${asked}?`,
    `${known} falls on a ${day}. On which day does ${asked} fall?`,
    `${known} is a ${day}. Which weekday is ${asked}?`,
    `If ${known} is a ${day}, which weekday is ${asked}?`,
    `Suppose ${known} is a ${day}. Name the weekday of ${asked}.`,
    `What day is ${asked} if ${known} is a ${day}?`,
    `Which day of the week is ${asked} when ${known} is a ${day}?`,
    `In a year where ${known} is a ${day}, what day is ${asked}?`,
    `${known} was a ${day}. What day of the week is ${asked}?`,
    `When ${known} is a ${day}, what weekday is ${asked}?`,
    `Given that ${known} is a ${day}, which day is ${asked}?`,
    `${asked}: which weekday, if ${known} is a ${day}?`,
    `This year ${known} is a ${day}. What day is ${asked}?`,
    `On what weekday is ${asked} if ${known} falls on a ${day}?`,
    `What weekday is ${asked} if ${known} was a ${day}?`,
    `Tell me the weekday of ${asked} if ${known} is a ${day}.`,
    `The meeting of ${known} is on a ${day}. What day is ${asked}?`,
  ];
}

/** Leaves out whole weeks, then counts the days one by one. */
function steps({ today, days, counting }: WeekdayProblem): string[] {
  const count = Math.abs(days);
  const weeks = Math.floor(count / 7);
  const rest = count - 7 * weeks;
  const direction = days > 0 ? 1 : -1;
  const passed = Array.from({ length: rest }, (_, i) => weekdays[remainder(today + direction * (i + 1))]);
  const reduced = weeks === 0 ? [] : [`${count}-7*${weeks}=${rest}`];
  const walk = [weekdays[today], ...passed].join(days > 0 ? ' > ' : ' < ');
  return [...counting, ...reduced, walk];
}

export const weekday: Task<WeekdayProblem> = {
  name: 'weekday',
  description: 'Say which day of the week it is.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade: (given, text) => gradeText(answer(given), text),
  solution: answer,
  phrasings: ({ prompt, today, days, dates }) =>
    dates === null ? dayPhrasings(prompt, weekdays[today], days) : datePhrasings(prompt, weekdays[today], dates),
  steps,
};
