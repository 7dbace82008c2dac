// The place in the app as the hash of its address: `#/chat`, `#/chat/ID`, `#/train`, `#/train/RUN`,
// `#/plan/STATE`.
import { signal } from '@preact/signals';

export type PageName = 'chat' | 'train' | 'plan';

/** Stands in the address for the form that starts a run; no run can have this name. */
export const startId = '+';

export interface Route {
  readonly page: PageName;
  /** What is open on the page: a conversation, a run, or the choices of a plan; null: nothing. */
  readonly id: string | null;
}

export function readRoute(hash: string): Route {
  const [, page, id] = /^#\/(chat|train|plan)(?:\/([^/]+))?$/.exec(hash) ?? [];
  return { page: (page ?? 'chat') as PageName, id: id === undefined ? null : decodeURIComponent(id) };
}

export function toHash(page: PageName, id: string | null = null): string {
  return id === null ? `#/${page}` : `#/${page}/${encodeURIComponent(id)}`;
}

export const route = signal(readRoute(location.hash));
addEventListener('hashchange', () => {
  route.value = readRoute(location.hash);
});

/** Opens a place. `replace`: the browser's back button does not return to the current one. */
export function goTo(page: PageName, id: string | null = null, replace = false): void {
  const address = toHash(page, id);
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  route.value = readRoute(address);
}
addEventListener('popstate', () => {
  route.value = readRoute(location.hash);
});
