// What a run came to, as rows of name and value: minke report prints them, the train page shows them.
import type { DistilEvent } from '../distill/index.ts';
import type { RlEvent } from '../rl/index.ts';
import type { Lineage, TrainEvent } from '../train/index.ts';

export type Fact = [name: string, value: string];

type Named<E extends { readonly event: string }, Name extends E['event']> = Extract<E, { event: Name }>;

/** The events of a name. */
export function eventsOf<E extends { readonly event: string }, Name extends E['event']>(
  events: readonly E[],
  name: Name,
): Named<E, Name>[] {
  return events.filter((event): event is Named<E, Name> => event.event === name);
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const million = (n: number) => `${(n / 1e6).toFixed(2)} M`;
const duration = (ms: number) => (ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`);

function costFacts({ hours, cost, weights }: Lineage): Fact[] {
  return [
    ['time in all', duration(hours * 3_600_000)],
    ['cost', `${cost.amount.toPrecision(2)} ${cost.currency} at ${cost.pricePerHour} an hour`],
    ['weights', weights ?? 'none saved'],
  ];
}

function machineFact({ sessions }: Lineage): Fact {
  return ['machine', sessions.map(({ machine, device }) => `${machine}; ${device}`).at(-1) ?? ''];
}

export function pretrainingFacts(events: readonly TrainEvent[], lineage: Lineage): Fact[] {
  const [started] = eventsOf(events, 'started');
  const begin = events[0]?.time ?? 0;
  const evaluated = eventsOf(events, 'evaluated');
  const best = evaluated.reduce<(typeof evaluated)[0] | null>((a, b) => (a && a.loss <= b.loss ? a : b), null);
  const facts: (Fact | null)[] = [
    ['status', lineage.status],
    started
      ? ['parameters (active)', `${million(started.parameters.total)} (${million(started.parameters.active)})`]
      : null,
    ['steps, tokens', `${lineage.steps}, ${million(lineage.tokens)}`],
    best && [
      'best validation loss',
      `${best.loss.toFixed(4)} on ${best.tokens} tokens, step ${best.step}, after ${duration(best.time - begin)}`,
    ],
    ['FLOPs', lineage.flops.toExponential(2)],
    ...costFacts(lineage),
    machineFact(lineage),
  ];
  return facts.filter((fact) => fact !== null);
}

type Examined = Named<RlEvent, 'evaluated'>;

/** pass@1 of each task, at the beginning and now. */
function passFacts(evaluated: readonly Examined[]): Fact[] {
  const nameOf = ({ task, difficulty }: Examined) => `${task} ${difficulty}`;
  return [...new Set(evaluated.map(nameOf))].map((name) => {
    const own = evaluated.filter((event) => nameOf(event) === name);
    const told = [...new Set([own[0], own.at(-1)])].flatMap((event) =>
      event ? [`${percent(event.passAt1)} ± ${percent(event.margin)} at step ${event.step}`] : [],
    );
    return [`pass@1, ${name}, held out`, told.join(', ')];
  });
}

export function rlFacts(events: readonly RlEvent[], lineage: Lineage): Fact[] {
  const steps = eventsOf(events, 'step');
  const [first, last] = [steps[0], steps.at(-1)];
  const sum = (of: (step: (typeof steps)[0]) => number) => steps.reduce((total, step) => total + of(step), 0);
  const change = (of: (step: (typeof steps)[0]) => number) =>
    first && last ? `${of(first).toFixed(1)} to ${of(last).toFixed(1)}` : 'no step yet';
  const seconds = (of: (step: (typeof steps)[0]) => number) => sum(of).toFixed(0);
  return [
    ['status', `${lineage.status}, ${last?.step ?? 0} steps`],
    ...passFacts(eventsOf(events, 'evaluated')),
    ['tokens of a response', change(({ tokens }) => tokens)],
    ['words of checking in a response', change(({ checks }) => checks)],
    ['mismatch, all steps', `${sum(({ mismatch }) => mismatch)} tokens`],
    ['seconds of rollouts, of training', `${seconds((s) => s.rolloutSeconds)}, ${seconds((s) => s.trainSeconds)}`],
    ...costFacts(lineage),
    machineFact(lineage),
  ];
}

export function distilFacts(events: readonly DistilEvent[], lineage: Lineage): Fact[] {
  const [training] = eventsOf(events, 'training');
  const steps = eventsOf(events, 'step');
  return [
    ['status', `${lineage.status}, ${lineage.steps} steps`],
    [
      'teacher',
      lineage.teachers.map(({ name, tokens }) => `${name}, ${million(tokens)} tokens`).join('; ') || 'none yet',
    ],
    ...(training ? ([['traces', `${training.traces}, ${training.tooLong} too long for the student`]] as Fact[]) : []),
    ['loss', steps.at(-1)?.loss?.toFixed(4) ?? 'no step yet'],
    ...passFacts(eventsOf(events, 'evaluated')),
    ...costFacts(lineage),
    machineFact(lineage),
  ];
}
