// The head of a run: what it is, how far it is, when it will be done; stop and resume.
import { useState } from 'preact/hooks';
import type { RunSummary } from '../../src/runs/protocol.ts';
import { Icon } from '../shell/icon.tsx';
import { toHash } from '../shell/route.ts';
import { duration, percent, short, when } from './format.ts';
import type { AnyEvent, OpenRun } from './open-run.ts';
import { refreshList } from './run-list-store.ts';
import { canResume, canStop, kindNames, shownStates } from './run-state.ts';
import { resumeRun, stopRun } from './runs-client.ts';

type Headline = readonly [name: string, value: string];

/** Of the last events of a name; their mean where a step has several, as it has an evaluation of each task. */
function lastNumber(events: readonly AnyEvent[], name: string, field: string): number | null {
  const named = events.filter(({ event }) => event === name) as (AnyEvent & Readonly<Record<string, unknown>>)[];
  const { step } = named.at(-1) ?? {};
  const values = named.flatMap((event) =>
    event.step === step && typeof event[field] === 'number' ? [event[field]] : [],
  );
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The numbers that matter most, of the last step and evaluation. */
function numbersOf({ kind }: RunSummary, events: readonly AnyEvent[]): Headline[] {
  const of = (title: string, name: string, field: string, write: (value: number) => string): Headline[] => {
    const value = lastNumber(events, name, field);
    return value === null ? [] : [[title, write(value)]];
  };
  if (kind === 'reinforcement')
    return [
      ...of('right', 'step', 'accuracy', percent),
      ...of('held out', 'evaluated', 'passAt1', percent),
      ...of('tokens a response', 'step', 'tokens', short),
      ...of('rollout tokens/s', 'step', 'rolloutTokensPerSecond', short),
    ];
  return [
    ...of('loss', 'step', 'loss', short),
    ...of('validation', 'evaluated', 'loss', short),
    ...of('tokens/s', 'step', 'tokensPerSecond', short),
    ...of('of the bf16 rate', 'step', 'mfu', percent),
  ];
}

function Progress({ run }: { readonly run: RunSummary }) {
  const { step, steps, secondsLeft, state, updated } = run;
  const left =
    secondsLeft !== null && secondsLeft > 0
      ? `${duration(secondsLeft)} left, done at ${when(Date.now() + 1000 * secondsLeft)}`
      : updated !== null && !shownStates[state].isLive
        ? `last heard of ${when(updated)}`
        : '';
  return (
    <div class="progress">
      <progress value={step} max={Math.max(steps ?? step, 1)} aria-label="Steps done" />
      <p class="small quiet">
        step {step}
        {steps !== null && ` of ${steps}`}
        {left !== '' && ` · ${left}`}
      </p>
    </div>
  );
}

function Actions({ open, run }: { readonly open: OpenRun; readonly run: RunSummary }) {
  const [isAsking, setAsking] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const act = async (ask: (name: string) => Promise<RunSummary>) => {
    setAsking(true);
    setProblem(null);
    try {
      open.update(await ask(run.name));
      void open.follow();
    } catch (error) {
      setProblem((error as Error).message);
    }
    setAsking(false);
    void refreshList();
  };
  return (
    <>
      {canStop(run) && (
        <button type="button" class="button danger" disabled={isAsking} onClick={() => act(stopRun)}>
          Stop and save
        </button>
      )}
      {canResume(run) && (
        <button type="button" class="button primary" disabled={isAsking} onClick={() => act(resumeRun)}>
          {isAsking ? 'Resuming …' : 'Resume'}
        </button>
      )}
      {problem !== null && (
        <p class="notice run-problem" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

interface RunHeadProps {
  readonly open: OpenRun;
  readonly run: RunSummary;
  readonly events: readonly AnyEvent[];
}

export function RunHead({ open, run, events }: RunHeadProps) {
  const { word, tone, isLive } = shownStates[run.state];
  return (
    <header class="run-head">
      <a class="button quiet compact run-back" href={toHash('train')}>
        <Icon name="left" />
        All runs
      </a>
      <div class="run-title">
        <h1>{run.name}</h1>
        <p class="run-kind" role="status">
          <span class={`badge ${tone}`} data-state={run.state}>
            {isLive && <span class="pulse" aria-hidden="true" />}
            {word}
          </span>{' '}
          <span class="quiet small">{run.kind === null ? '' : kindNames[run.kind]}</span>
        </p>
      </div>
      <div class="run-actions">
        <Actions open={open} run={run} />
      </div>
      <Progress run={run} />
      <dl class="run-numbers">
        {numbersOf(run, events).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </header>
  );
}
