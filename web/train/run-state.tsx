// The states of a run in words and colors, and what can be done in each.
import type { RunState, RunSummary } from '../../src/runs/protocol.ts';

interface StateLabel {
  readonly word: string;
  /** The class of the badge. */
  readonly tone: '' | 'good' | 'bad' | 'warning';
  readonly isLive: boolean;
}

export const stateLabels: Readonly<Record<RunState, StateLabel>> = {
  preparing: { word: 'preparing', tone: 'warning', isLive: true },
  running: { word: 'running', tone: 'good', isLive: true },
  stopping: { word: 'saving', tone: 'warning', isLive: true },
  completed: { word: 'complete', tone: '', isLive: false },
  stopped: { word: 'stopped', tone: 'warning', isLive: false },
  failed: { word: 'failed', tone: 'bad', isLive: false },
  interrupted: { word: 'interrupted', tone: 'bad', isLive: false },
};

export const isLive = ({ state }: RunSummary) => stateLabels[state].isLive;
export const canStop = ({ state }: RunSummary) => state === 'running' || state === 'preparing';
export const canResume = ({ state, kind }: RunSummary) =>
  kind !== null && (state === 'stopped' || state === 'failed' || state === 'interrupted');

export function StateBadge({ state }: { readonly state: RunState }) {
  const { word, tone, isLive } = stateLabels[state];
  return (
    <span class={`badge ${tone}`} data-state={state}>
      {isLive && <span class="pulse" aria-hidden="true" />}
      {word}
    </span>
  );
}
