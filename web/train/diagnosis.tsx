// What is wrong with a run, in words: its alarms and how it ended.

import { numberIn } from '../../src/runs/chart-data.ts';
import type { AnyEvent, RunSummary } from '../../src/runs/protocol.ts';
import { Scroll } from './scroll.tsx';

interface Finding {
  readonly step: number | null;
  readonly message: string;
  readonly tone: 'good' | 'bad' | 'warning';
}

/** Returns how a run ended, where that is a problem. */
function endFindings({ state, problem, step }: RunSummary): Finding[] {
  if (state === 'interrupted') {
    const message = `${problem ?? 'its process ended without a message'}: resume continues from its last checkpoint`;
    return [{ step, tone: 'bad', message }];
  }
  return problem === null ? [] : [{ step: state === 'failed' ? step : null, message: problem, tone: 'bad' }];
}

/** Returns what is known to be good. */
function goodFindings(events: readonly AnyEvent[]): Finding[] {
  const steps = events.filter(({ event }) => event === 'step');
  if (steps.length === 0) return [{ step: null, message: 'nothing to report before the first step', tone: 'good' }];
  const mismatches = steps.map((event) => numberIn(event, 'mismatch'));
  return [
    { step: null, message: `no problem found in ${steps.length} steps`, tone: 'good' },
    ...(mismatches.every((count) => count === 0)
      ? [{ step: null, message: 'rollouts and training agree in every bit of every token', tone: 'good' } as const]
      : []),
  ];
}

const severeAlarms: readonly unknown[] = ['not-finite', 'mismatch', 'damaged-checkpoint'];

function findings(run: RunSummary, events: readonly AnyEvent[]): Finding[] {
  const alarms = events
    .filter(({ event }) => event === 'alarm')
    .map(({ step = null, message, kind }): Finding => {
      return { step, message: String(message), tone: severeAlarms.includes(kind) ? 'bad' : 'warning' };
    });
  const problems = [...endFindings(run), ...alarms.reverse()];
  return problems.length > 0 ? problems : goodFindings(events);
}

const labels = { good: 'good', warning: 'warning', bad: 'error' } as const;

export function Diagnosis({ run, events }: { readonly run: RunSummary; readonly events: readonly AnyEvent[] }) {
  return (
    <section class="card" aria-labelledby="diagnosis-title" data-part="diagnosis">
      <h3 id="diagnosis-title">Diagnosis</h3>
      <Scroll name="Findings">
        <ul class="findings">
          {findings(run, events).map(({ step, message, tone }) => (
            <li key={`${step} ${message}`}>
              <span class={`badge ${tone}`}>{labels[tone]}</span>
              <span>
                {step !== null && <span class="quiet">step {step}: </span>}
                {message}
              </span>
            </li>
          ))}
        </ul>
      </Scroll>
    </section>
  );
}
