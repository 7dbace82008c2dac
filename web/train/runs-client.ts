// Runs, asked of the server. What it refuses is thrown with its own words.
import type { RecipeList, RunDetail, RunList, RunSummary, StartAnswer, StartRequest } from '../../src/runs/protocol.ts';
import { getJson, postJson, request } from '../api/http.ts';
import { serverEvents } from '../api/server-events.ts';

const at = (name: string) => `runs/${encodeURIComponent(name)}`;

const change = async (path: string, body: object = {}) => (await postJson<StartAnswer>(path, body)).run;

export const listRuns = () => getJson<RunList>('runs');
export const listRecipes = () => getJson<RecipeList>('runs/recipes');
export const readRun = (name: string) => getJson<RunDetail>(at(name));
export const startRun = (request: StartRequest) => change('runs', request);
export const stopRun = (name: string) => change(`${at(name)}/stop`);
export const resumeRun = (name: string) => change(`${at(name)}/resume`);

/** What comes of a followed run: events, the end of it, or why it cannot be followed. */
export type Told<E> =
  | { readonly events: readonly E[]; readonly next: number }
  | { readonly run: RunSummary }
  | { readonly message: string };

/** Events of a run from `from` on, as they come. Ends with the run; throws when the connection is lost. */
export async function* followRun<E>(name: string, from: number, signal: AbortSignal): AsyncGenerator<Told<E>> {
  const response = await request(`${at(name)}/live?from=${from}`, { signal });
  for await (const data of serverEvents(response.body as ReadableStream<Uint8Array<ArrayBuffer>>))
    yield JSON.parse(data) as Told<E>;
}
