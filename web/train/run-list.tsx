// All runs, the latest first, each with its state and how far it is.
import type { RunSummary } from '../../src/runs/protocol.ts';
import { addressOf } from '../shell/route.ts';
import { duration, percent, short, when } from './format.ts';
import { kindNames, shownStates } from './run-state.ts';

function lineOf({ kind, state, step, steps, loss, accuracy, secondsLeft, updated }: RunSummary): string {
  const number = accuracy !== null ? `${percent(accuracy)} right` : loss !== null ? `loss ${short(loss)}` : null;
  const time =
    secondsLeft !== null && secondsLeft > 0
      ? `${duration(secondsLeft)} left`
      : updated !== null && !shownStates[state].isLive
        ? when(updated)
        : null;
  const at = kind === null ? null : `step ${step}${steps === null ? '' : `/${steps}`}`;
  return [at, number, time].filter((part) => part !== null).join(' · ');
}

function Item({ run, isOpen }: { readonly run: RunSummary; readonly isOpen: boolean }) {
  const { word, tone, isLive } = shownStates[run.state];
  return (
    <li>
      <a class="run-item" href={addressOf('train', run.name)} aria-current={isOpen ? 'true' : undefined}>
        <span class="run-item-name">{run.name}</span>
        <span class={`badge ${tone}`}>
          {isLive && <span class="pulse" aria-hidden="true" />}
          {word}
        </span>
        <span class="small quiet run-item-line">
          {run.kind !== null && `${kindNames[run.kind]} · `}
          {lineOf(run)}
        </span>
        {isLive && (
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
        <Item key={run.name} run={run} isOpen={run.name === open} />
      ))}
    </ul>
  );
}
