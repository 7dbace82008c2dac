// What is wrong with a run, in words: what it said itself, and how it ended.
import type { RunSummary } from '../../src/runs/protocol.ts';
import type { AnyEvent } from './open-run.ts';

interface Said {
  readonly step: number | null;
  readonly message: string;
  readonly tone: 'good' | 'bad' | 'warm';
}

function endingOf({ state, problem, step }: RunSummary): Said[] {
  if (state === 'interrupted')
    return [
      {
        step,
        tone: 'bad',
        message: `${problem ?? 'its process ended without a word'}: resume goes on from its last checkpoint`,
      },
    ];
  return problem === null ? [] : [{ step: state === 'failed' ? step : null, message: problem, tone: 'bad' }];
}

/** What went well and is worth to know. */
function assurances(events: readonly AnyEvent[]): Said[] {
  const steps = events.filter(({ event }) => event === 'step');
  if (steps.length === 0) return [{ step: null, message: 'nothing to say before the first step', tone: 'good' }];
  const mismatches = steps.flatMap((event) => ('mismatch' in event ? [event.mismatch] : []));
  const sum = mismatches.reduce((total, n) => total + n, 0);
  return [
    { step: null, message: `nothing is wrong in ${steps.length} steps`, tone: 'good' },
    ...(mismatches.length > 0 && sum === 0
      ? [{ step: null, message: 'rollouts and training agree in every bit of every token', tone: 'good' } as const]
      : []),
  ];
}

const worst = ['not-finite', 'mismatch', 'damaged-checkpoint'];

export function saidOf(run: RunSummary, events: readonly AnyEvent[]): Said[] {
  const alarms = events.flatMap((event): Said[] =>
    event.event === 'alarm'
      ? [{ step: event.step, message: event.message, tone: worst.includes(event.kind) ? 'bad' : 'warm' }]
      : [],
  );
  const said = [...endingOf(run), ...alarms.reverse()];
  return said.length > 0 ? said : assurances(events);
}

const words = { good: 'well', warm: 'look', bad: 'wrong' } as const;

export function Diagnosis({ run, events }: { readonly run: RunSummary; readonly events: readonly AnyEvent[] }) {
  return (
    <section class="card" aria-labelledby="diagnosis-title" data-part="diagnosis">
      <h3 id="diagnosis-title">Diagnosis</h3>
      <ul class="said">
        {saidOf(run, events).map(({ step, message, tone }) => (
          <li key={`${step} ${message}`}>
            <span class={`badge ${tone}`}>{words[tone]}</span>
            <span>
              {step !== null && <span class="quiet">step {step}: </span>}
              {message}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
