// The list of runs, asked for again every few seconds while the page is seen.
import { signal } from '@preact/signals';
import type { RunList } from '../../src/runs/protocol.ts';
import { ApiProblem, getJson } from '../api/http.ts';
import { listRuns } from './runs-client.ts';

export const runList = signal<RunList | null>(null);
export const listProblem = signal<ApiProblem | null>(null);

/** Whether the server shows runs; null: not known yet. */
export const showsRuns = signal<boolean | null>(null);

const periodMs = 2000;

export async function refreshList(): Promise<void> {
  try {
    if (showsRuns.value === null) {
      const { routes = [] } = await getJson<{ readonly routes?: readonly string[] }>('health');
      showsRuns.value = routes.includes('/runs');
    }
    if (!showsRuns.value) return;
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
