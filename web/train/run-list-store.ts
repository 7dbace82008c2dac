// The list of runs, asked for again every few seconds while the page is seen.
import { signal } from '@preact/signals';
import type { RunList } from '../../src/runs/protocol.ts';
import { ApiProblem } from '../api/http.ts';
import { listRuns } from './runs-client.ts';

export const runList = signal<RunList | null>(null);
export const listProblem = signal<ApiProblem | null>(null);

const periodMs = 2000;

export async function refreshList(): Promise<void> {
  try {
    runList.value = await listRuns();
    listProblem.value = null;
  } catch (error) {
    listProblem.value = error instanceof ApiProblem ? error : new ApiProblem(0, String(error));
  }
}

/** Keeps the list fresh; returns what ends it. */
export function watchList(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const look = async () => {
    if (document.visibilityState === 'visible') await refreshList();
    if (!isOver) timer = setTimeout(look, periodMs);
  };
  void look();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
