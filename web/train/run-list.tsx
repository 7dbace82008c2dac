// All runs, the latest first, each with its state and progress.
import { formatDuration } from '../../src/math/index.ts';
import { formatValue } from '../../src/runs/chart-data.ts';
import type { RunSummary } from '../../src/runs/protocol.ts';
import { toHash } from '../shell/route.ts';
import { formatTime } from './format.ts';
import { findKind } from './run-list-store.ts';
import { StateBadge, stateLabels } from './run-state.tsx';

const joinParts = (parts: readonly (string | undefined)[]) => parts.filter((part) => part !== undefined).join(' · ');

/** Returns the kind of a run, and when it ends or ended. */
function describeKind({ kind, state, secondsLeft, updated }: RunSummary): string {
  const left = secondsLeft !== null && secondsLeft > 0 ? `${formatDuration(secondsLeft)} left` : undefined;
  const ended = updated !== null && !stateLabels[state].isLive ? formatTime(updated) : undefined;
  return joinParts([findKind(kind)?.title, left ?? ended]);
}

function describeProgress({ kind, step, steps, headline }: RunSummary): string {
  const [first] = headline;
  const number = first && `${first.label} ${formatValue(first.value, first.format)}`;
  const progress = kind === null ? undefined : `step ${step}${steps === null ? '' : ` of ${steps}`}`;
  return joinParts([progress, number]);
}

function RunItem({ run, isOpen }: { readonly run: RunSummary; readonly isOpen: boolean }) {
  return (
    <li>
      <a class="run-item" href={toHash('train', run.name)} aria-current={isOpen ? 'true' : undefined}>
        <span class="run-item-name">{run.name}</span>
        <StateBadge state={run.state} />
        <span class="small quiet run-item-line">{describeKind(run)}</span>
        <span class="small quiet run-item-line">{describeProgress(run)}</span>
        {stateLabels[run.state].isLive && (
          <progress
            class="run-item-progress"
            value={run.step}
            max={Math.max(run.steps ?? 1, 1)}
            aria-label={`Steps of ${run.name}`}
          />
        )}
      </a>
    </li>
  );
}

export function RunItems({ runs, open }: { readonly runs: readonly RunSummary[]; readonly open: string | null }) {
  return (
    <ul class="run-items">
      {runs.map((run) => (
        <RunItem key={run.name} run={run} isOpen={run.name === open} />
      ))}
    </ul>
  );
}
