// The time of an event in a run: work alone counts, whatever the clock did. npm test -- run/facts
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secondsUntil } from './facts.ts';
import type { Lineage } from './lineage.ts';
import { steadyNow } from './steady-clock.ts';

const at = (event: string, seconds: number) => ({ event, time: 1000 * seconds });
const measured = (seconds: number) => ({ hours: seconds / 3600 }) as Lineage;

test('the seconds until an event leave out the time between sessions', () => {
  const events = [at('started', 0), at('step', 10), at('resumed', 5000), at('step', 5020), at('ended', 5030)];
  assert.equal(secondsUntil(events[1], events, measured(40)), 10);
  assert.equal(secondsUntil(events[3], events, measured(40)), 30);
  assert.equal(secondsUntil(events[4], events, measured(40)), 40);
});

test('a clock that jumps, forward or back, adds no more than was measured', () => {
  const forward = [at('started', 0), at('step', 10), at('step', 34_560_010), at('step', 34_560_020)];
  assert.ok(Math.abs(secondsUntil(forward[3], forward, measured(30)) - 30) < 1e-9);
  const back = [at('started', 1e6), at('step', 10), at('step', 20)];
  assert.equal(secondsUntil(back[2], back, measured(30)), 10);
});

test('the time of events goes on when the clock of the machine is set', () => {
  const { now } = Date;
  const before = steadyNow();
  try {
    Date.now = () => 0;
    assert.ok(steadyNow() >= before);
  } finally {
    Date.now = now;
  }
});
