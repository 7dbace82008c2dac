// All runs, the latest first, each with its state and how far it is.
import type { RunSummary } from '../../src/runs/protocol.ts';
import { toHash } from '../shell/route.ts';
import { duration, percent, short, when } from './format.ts';
import { kindNames, shownStates } from './run-state.ts';

const joined = (parts: readonly (string | null)[]) => parts.filter((part) => part !== null).join(' · ');

function whatOf({ kind, state, secondsLeft, updated }: RunSummary): string {
  const left = secondsLeft !== null && secondsLeft > 0 ? `${duration(secondsLeft)} left` : null;
  const past = updated !== null && !shownStates[state].isLive ? when(updated) : null;
  return joined([kind === null ? null : kindNames[kind], left ?? past]);
}

function progressOf({ kind, step, steps, loss, accuracy }: RunSummary): string {
  const number = accuracy !== null ? `${percent(accuracy)} right` : loss !== null ? `loss ${short(loss)}` : null;
  return joined([kind === null ? null : `step ${step}${steps === null ? '' : ` of ${steps}`}`, number]);
}

function Item({ run, isOpen }: { readonly run: RunSummary; readonly isOpen: boolean }) {
  const { word, tone, isLive } = shownStates[run.state];
  return (
    <li>
      <a class="run-item" href={toHash('train', run.name)} aria-current={isOpen ? 'true' : undefined}>
        <span class="run-item-name">{run.name}</span>
        <span class={`badge ${tone}`}>
          {isLive && <span class="pulse" aria-hidden="true" />}
          {word}
        </span>
        <span class="small quiet run-item-line">{whatOf(run)}</span>
        <span class="small quiet run-item-line">{progressOf(run)}</span>
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
