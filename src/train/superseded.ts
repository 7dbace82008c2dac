// What a resumed run did again counts once. Needs nothing of Node: a page that draws a run leaves out the same events.

/** What every kind of run's events have in common. */
export interface RunEvent {
  readonly event: string;
  readonly time: number;
  readonly step?: number | undefined;
}

/** Events without what a resumed run did again. */
export function withoutSuperseded<E extends RunEvent>(events: readonly E[]): E[] {
  let kept: E[] = [];
  for (const event of events) {
    const { step = 0 } = event;
    if (event.event === 'resumed') kept = kept.filter((earlier) => !isBehind(earlier, step));
    kept.push(event);
  }
  return kept;
}

/** Alarms stay: they tell what happened, even if it did not happen again. */
function isBehind(event: RunEvent, step: number): boolean {
  return event.step !== undefined && event.step > step && event.event !== 'alarm';
}
