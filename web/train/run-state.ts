// States of a run in words and colours, and what can be done in each.
import type { RunState, RunSummary } from '../../src/runs/protocol.ts';

interface Shown {
  readonly word: string;
  /** Class of a badge. */
  readonly tone: '' | 'good' | 'bad' | 'warm';
  readonly isLive: boolean;
}

export const shownStates: Readonly<Record<RunState, Shown>> = {
  preparing: { word: 'preparing', tone: 'warm', isLive: true },
  running: { word: 'running', tone: 'good', isLive: true },
  stopping: { word: 'saving', tone: 'warm', isLive: true },
  completed: { word: 'complete', tone: '', isLive: false },
  stopped: { word: 'stopped', tone: 'warm', isLive: false },
  failed: { word: 'failed', tone: 'bad', isLive: false },
  interrupted: { word: 'interrupted', tone: 'bad', isLive: false },
};

export const isLive = ({ state }: RunSummary) => shownStates[state].isLive;
export const canStop = ({ state }: RunSummary) => state === 'running' || state === 'preparing';
export const canResume = ({ state, kind }: RunSummary) =>
  kind !== null && (state === 'stopped' || state === 'failed' || state === 'interrupted');

export const kindNames = {
  pretraining: 'pretraining',
  reinforcement: 'reinforcement learning',
  distillation: 'distillation',
} as const;
