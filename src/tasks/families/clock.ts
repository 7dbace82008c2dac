// Times of day. Difficulty: 1 the time some minutes later within the hour, 2 later or earlier, 3 the minutes between
// two times, 4 the time after hours and minutes. Times have 24 hours, and all lie on one day.
import type { Random } from '../../math/index.ts';
import { computeInColumns, divideInColumns } from '../columns.ts';
import { gradeNumber } from '../number.ts';
import type { Problem, Task, Verdict } from '../task.ts';
import { readText } from '../text-answer.ts';

export interface ClockProblem extends Problem {
  /** Minutes from midnight. */
  readonly start: number;
  readonly end: number;
  /** What is asked: the time at the end, or the minutes between. */
  readonly asks: 'time' | 'minutes';
}

const write = (time: number) => `${Math.floor(time / 60)}:${`${time % 60}`.padStart(2, '0')}`;

function drawTimes(random: Random, difficulty: number): readonly [start: number, end: number] {
  const start = random.whole(0, 23) * 60 + random.whole(0, 59);
  if (difficulty === 1) return [start, start + random.whole(1, Math.max(1, 59 - (start % 60)))];
  const minutes = random.whole(5, [59, 240, 300][difficulty - 2]);
  return [start, start + (difficulty === 2 && random.chance(0.4) ? -minutes : minutes)];
}

function problem(random: Random, difficulty: number): ClockProblem {
  for (;;) {
    const [start, end] = drawTimes(random, difficulty);
    if (end < 0 || end >= 24 * 60) continue;
    if (difficulty === 3) {
      const prompt = `How many minutes is it from ${write(start)} to ${write(end)}?`;
      return { prompt, key: `${start} to ${end}`, start, end, asks: 'minutes' };
    }
    const when = `${duration(Math.abs(end - start))} ${end > start ? 'after' : 'before'}`;
    return {
      prompt: `What time is ${when} ${write(start)}?`,
      key: `${start} ${end - start}`,
      start,
      end,
      asks: 'time',
    };
  }
}

/** Writes minutes as people say them: 95 is 1 hour and 35 minutes. */
function duration(minutes: number): string {
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  const unit = (count: number, name: string) => `${count} ${name}${count === 1 ? '' : 's'}`;
  const parts = [...(hours > 0 ? [unit(hours, 'hour')] : []), ...(rest > 0 ? [unit(rest, 'minute')] : [])];
  return parts.join(' and ');
}

function grade({ start, end, asks }: ClockProblem, answer: string): Verdict {
  if (asks === 'minutes') {
    const read = readText(answer) ?? '';
    return gradeNumber(`${end - start}`, read.endsWith(' minutes') ? read.slice(0, -8) : answer);
  }
  const time = /^0?(\d{1,2}):(\d\d)$/.exec(answer.trim().slice(0, 20));
  if (time === null) return { correct: false, reason: 'the answer is not one time, such as 9:05' };
  const correct = Number(time[1]) === Math.floor(end / 60) && Number(time[2]) === end % 60;
  return { correct, reason: correct ? `it is ${write(end)}` : `it says ${time[0]}` };
}

function minutePhrasings(prompt: string, from: string, to: string): string[] {
  return [
    prompt,
    `How many minutes are between ${from} and ${to}?`,
    `How long is it from ${from} to ${to}, in minutes?`,
    `${from} to ${to}: how many minutes?`,
    `How many minutes pass from ${from} to ${to}?`,
    `How many minutes go by between ${from} and ${to}?`,
    `Minutes from ${from} to ${to}`,
    `A film starts at ${from} and ends at ${to}. How many minutes long is it?`,
    `Count the minutes from ${from} to ${to}.`,
    `It is ${from}. How many minutes is it until ${to}?`,
    `From ${from} until ${to} is how many minutes?`,
    `The train leaves at ${from} and arrives at ${to}. How many minutes does it take?`,
    `What is the time from ${from} to ${to} in minutes?`,
    `How many minutes until ${to} if it is ${from}?`,
    `I sleep from ${from} to ${to}. How many minutes is that?`,
    `A lesson goes from ${from} to ${to}. How many minutes is that?`,
    `How many minutes lie between ${from} and ${to}?`,
    `How many minutes later than ${from} is ${to}?`,
  ];
}

function timePhrasings(prompt: string, from: string, minutes: number): string[] {
  const isLater = minutes > 0;
  const span = duration(Math.abs(minutes));
  const [after, later] = isLater ? ['after', 'later'] : ['before', 'earlier'];
  const [is, then] = isLater ? ['is it', `in ${span}`] : ['was it', `${span} ago`];
  return [
    prompt,
    `It is ${from}. What time ${is} ${then}?`,
    `Which time is ${span} ${after} ${from}?`,
    `${span} ${after} ${from}`,
    `If it is ${from}, what time ${is} ${then}?`,
    `What will the clock show ${span} ${after} ${from}?`,
    `What time is it ${span} ${after} ${from}?`,
    `${from} ${isLater ? 'plus' : 'minus'} ${span}`,
    `It's ${from} now. Which time ${is} ${then}?`,
    `What is ${span} ${after} ${from}?`,
    `The clock says ${from}. What does it say ${span} ${later}?`,
    `Start at ${from} and go ${span} ${isLater ? 'forward' : 'back'}. What time is it?`,
    `Now it is ${from}. What time ${is} ${then}?`,
    isLater ? `Add ${span} to ${from}.` : `Take ${span} from ${from}.`,
    `What time is ${span} ${later} than ${from}?`,
    `Tell me the time ${span} ${after} ${from}.`,
    `${from}, ${span} ${later}: what time?`,
    `What's the time ${span} ${after} ${from}?`,
  ];
}

function toMinutes(time: number): string {
  const [hours, minutes] = [Math.floor(time / 60), time % 60];
  return `${hours}*60=${hours * 60}, ${hours * 60}+${minutes}=${time}`;
}

function steps({ start, end, asks }: ClockProblem): string[] {
  if (asks === 'minutes') return [toMinutes(start), toMinutes(end), ...computeInColumns(end, '-', start)];
  const minutes = end - start;
  const count = Math.abs(minutes);
  const span = count > 59 ? [toMinutes(count)] : [];
  const moved = computeInColumns(start, minutes > 0 ? '+' : '-', count);
  return [toMinutes(start), ...span, ...moved, divideInColumns(end, 60).text];
}

export const clock: Task<ClockProblem> = {
  name: 'clock',
  description: 'Compute with times of day.',
  difficulty: { from: 1, to: 4, default: 2 },
  problem,
  grade,
  solution: ({ start, end, asks }) => (asks === 'time' ? write(end) : `${end - start}`),
  phrasings: ({ prompt, start, end, asks }) =>
    asks === 'minutes'
      ? minutePhrasings(prompt, write(start), write(end))
      : timePhrasings(prompt, write(start), end - start),
  steps,
};
