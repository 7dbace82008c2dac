// The head of a run: its kind, state, progress and most important numbers; the buttons that stop and resume it.
import { useEffect, useState } from 'preact/hooks';
import { formatDuration } from '../../src/math/index.ts';
import { formatValue, toHeadline } from '../../src/runs/chart-data.ts';
import type { AnyEvent, RunSummary } from '../../src/runs/protocol.ts';
import { Icon } from '../shell/icon.tsx';
import { toHash } from '../shell/route.ts';
import { formatTime } from './format.ts';
import type { OpenRun } from './open-run.ts';
import { findKind, refreshList } from './run-list-store.ts';
import { canResume, canStop, isLive, StateBadge } from './run-state.tsx';
import { resumeRun, stopRun } from './runs-client.ts';

function Progress({ run }: { readonly run: RunSummary }) {
  const { step, steps, secondsLeft, updated } = run;
  const time =
    secondsLeft !== null && secondsLeft > 0
      ? ` · ${formatDuration(secondsLeft)} left, done at ${formatTime(Date.now() + 1000 * secondsLeft)}`
      : updated !== null && !isLive(run)
        ? ` · last event ${formatTime(updated)}`
        : '';
  return (
    <div class="progress">
      <progress value={step} max={Math.max(steps ?? step, 1)} aria-label="Steps done" />
      <p class="small quiet">
        step {step}
        {steps !== null && ` of ${steps}`}
        {time}
      </p>
    </div>
  );
}

/** The time after which a second request ends a run that does not stop; the server counts 30 seconds. */
const patienceMs = 31_000;

/** Whether a run has been stopping for so long that it can be ended. */
function useIsLate({ state }: RunSummary): boolean {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    if (state !== 'stopping') return undefined;
    const timer = setTimeout(() => setLate(true), patienceMs);
    return () => clearTimeout(timer);
  }, [state]);
  return isLate;
}

function Actions({ open, run }: { readonly open: OpenRun; readonly run: RunSummary }) {
  const [isWaiting, setWaiting] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const isLate = useIsLate(run);
  const act = async (change: (name: string) => Promise<RunSummary>) => {
    setWaiting(true);
    setProblem(null);
    try {
      open.update(await change(run.name));
      void open.follow();
    } catch (error) {
      setProblem((error as Error).message);
    }
    setWaiting(false);
    void refreshList();
  };
  return (
    <>
      {canStop(run) && (
        <button type="button" class="button danger" disabled={isWaiting} onClick={() => act(stopRun)}>
          Stop and save
        </button>
      )}
      {isLate && (
        <button type="button" class="button danger" disabled={isWaiting} onClick={() => act(stopRun)}>
          End without saving
        </button>
      )}
      {canResume(run) && (
        <button type="button" class="button primary" disabled={isWaiting} onClick={() => act(resumeRun)}>
          {isWaiting ? 'Resuming …' : 'Resume'}
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
  const kind = findKind(run.kind);
  return (
    <header class="run-head">
      <a class="button quiet compact run-back" href={toHash('train')}>
        <Icon name="left" />
        All runs
      </a>
      <div class="run-title">
        <h1>{run.name}</h1>
        <p class="run-kind" role="status">
          <StateBadge state={run.state} /> <span class="quiet small">{kind?.title}</span>
        </p>
      </div>
      <div class="run-actions">
        <Actions open={open} run={run} />
      </div>
      <Progress run={run} />
      <dl class="run-numbers">
        {toHeadline(kind?.headline ?? [], events).map(({ label, value, format }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{formatValue(value, format)}</dd>
          </div>
        ))}
      </dl>
    </header>
  );
}
