// Rows that the reports of several kinds of run have.
import { formatPercent } from '../../math/index.ts';
import { billFacts } from './bill-line.ts';
import type { Fact, RunEvent } from './description.ts';
import type { TaskEvaluated } from './event-schema.ts';
import { HeldOutHistory } from './held-out.ts';
import type { RunKind } from './kind.ts';
import type { Lineage } from './lineage.ts';

/** Returns the events of one name. */
export function eventsNamed<E extends RunEvent, Name extends E['event']>(
  events: readonly E[],
  name: Name,
): Extract<E, { event: Name }>[] {
  return events.filter((event): event is Extract<E, { event: Name }> => event.event === name);
}

/** Returns the seconds that a run had worked when an event came: without the pauses between its sessions. */
export function secondsUntil(event: RunEvent, events: readonly RunEvent[], { hours }: Lineage): number {
  let milliseconds = 0;
  for (let i = 1; i < events.length && events[i - 1] !== event; i++)
    if (events[i].event !== 'resumed') milliseconds += Math.max(0, events[i].time - events[i - 1].time);
  return Math.min(milliseconds / 1000, 3600 * hours); // a clock may have jumped; the sessions are measured
}

/** What the run computed and cost, its weights and its machine. */
export function lineageFacts(lineage: Lineage): Fact[] {
  const { weights, sessions } = lineage;
  return [
    ...billFacts(lineage),
    ['weights', weights ?? 'none saved'],
    ['machine', sessions.map(({ machine, device }) => `${machine}; ${device}`).at(-1) ?? ''],
  ];
}

/** Returns what a run of any kind came to: the rows of its kind, and its best checkpoint. */
export function runFacts(
  { facts, heldOut }: Pick<RunKind, 'facts' | 'heldOut'>,
  events: readonly RunEvent[],
  lineage: Lineage,
): Fact[] {
  const best = heldOut && new HeldOutHistory(heldOut, events).describeBest();
  return [...facts(events, lineage), ...(best ? [['best checkpoint', best] as const] : [])];
}

/** Returns the alarms of a run, each once. */
export function alarmFacts(events: readonly RunEvent[]): Fact[] {
  const rows = new Map<string, Fact>();
  for (const event of events) {
    const { event: name, step = 0, kind, message } = event as RunEvent & { readonly kind?: string; message?: string };
    if (name === 'alarm') rows.set(`${message}`, [`alarm at step ${step}, ${kind}`, `${message}`]);
  }
  return [...rows.values()];
}

/** What the console says of an evaluation on held-out problems. */
export function describeEvaluation({ task, difficulty, passAt1, margin, problems, tokens }: TaskEvaluated): string {
  const accuracy = `pass@1 ${formatPercent(passAt1, 1)} (± ${formatPercent(margin, 1)})`;
  return `${task} ${difficulty}: ${accuracy} of ${problems} held-out problems, ${tokens.toFixed(0)} tokens`;
}

/** Accuracy on each task, at the beginning and now. */
export function accuracyFacts(evaluations: readonly TaskEvaluated[]): Fact[] {
  const ends = new Map<string, readonly [first: TaskEvaluated, last: TaskEvaluated]>();
  for (const event of evaluations) {
    const name = `${event.task} ${event.difficulty}`;
    ends.set(name, [ends.get(name)?.[0] ?? event, event]);
  }
  return [...ends].map(([name, firstAndLast]) => {
    const values = [...new Set(firstAndLast)].map(
      ({ passAt1, margin, step }) => `${formatPercent(passAt1, 1)} ± ${formatPercent(margin, 1)} at step ${step}`,
    );
    return [`pass@1, ${name}, held out`, values.join(', ')];
  });
}
