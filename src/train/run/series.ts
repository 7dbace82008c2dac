// From the events of a run to the values that reports and pages draw. Needs nothing of Node.
import type { RunEvent } from './description.ts';

/** Returns the events without those that a resumed run took again. Alarms stay: they tell what happened. */
export function withoutSuperseded<E extends RunEvent>(events: readonly E[]): E[] {
  const kept: E[] = [];
  let resumed = Number.POSITIVE_INFINITY; // the earliest step that a later session continued from
  for (const event of events.toReversed()) {
    const { step = 0, event: name } = event;
    if (step <= resumed || name === 'alarm') kept.push(event);
    if (name === 'resumed') resumed = Math.min(resumed, step);
  }
  return kept.reverse();
}

/**
 * Returns the exponential moving average, as the V3 report smooths its curves (figure 10: 0.9), without the pull of its
 * start. A value that is not finite stays out of the average and leaves a gap.
 */
export function smoothed(values: readonly number[], decay: number): number[] {
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    if (!Number.isFinite(value)) return Number.NaN;
    sum = decay * sum + (1 - decay) * value;
    weight = decay * weight + (1 - decay);
    return sum / weight;
  });
}
