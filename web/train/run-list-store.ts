// The kinds of runs, and the list of runs, which is requested again every few seconds while the page is visible.
import { signal } from '@preact/signals';
import type { RunDescription, RunList } from '../../src/runs/protocol.ts';
import { ApiProblem, getJson } from '../api/http.ts';
import { listKinds, listRuns } from './runs-client.ts';

export const runList = signal<RunList | null>(null);
export const listProblem = signal<ApiProblem | null>(null);
export const runKinds = signal<readonly RunDescription[]>([]);

/** Whether the server shows runs; null until that is known. */
export const showsRuns = signal<boolean | null>(null);

const periodMs = 2000;

/** Returns the kind of a run by its name. */
export function findKind(name: string | null): RunDescription | undefined {
  return runKinds.value.find((kind) => kind.name === name);
}

export async function refreshList(): Promise<void> {
  try {
    if (showsRuns.value === null) {
      const { routes = [] } = await getJson<{ readonly routes?: readonly string[] }>('health');
      if (routes.includes('/runs')) runKinds.value = (await listKinds()).kinds;
      showsRuns.value = routes.includes('/runs');
    }
    if (!showsRuns.value) return;
    runList.value = await listRuns();
    listProblem.value = null;
  } catch (error) {
    listProblem.value = error instanceof ApiProblem ? error : new ApiProblem(0, String(error));
  }
}

/** Keeps the list up to date; returns the function that ends this. */
export function watchList(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const poll = async () => {
    if (document.visibilityState === 'visible') await refreshList();
    if (!isOver) timer = setTimeout(poll, periodMs);
  };
  void poll();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
