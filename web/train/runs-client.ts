// Requests about runs. The server's refusals are thrown with its own words.
import type {
  AnyEvent,
  KindList,
  RecipeList,
  RunDetail,
  RunList,
  RunSummary,
  StartAnswer,
  StartRequest,
} from '../../src/runs/protocol.ts';
import { getJson, postJson, request } from '../api/http.ts';
import { serverEvents } from '../api/server-events.ts';

const pathTo = (name: string) => `runs/${encodeURIComponent(name)}`;

const postChange = async (path: string, body: object = {}) => (await postJson<StartAnswer>(path, body)).run;

export const listRuns = () => getJson<RunList>('runs');
export const listKinds = () => getJson<KindList>('runs/kinds');
export const listRecipes = () => getJson<RecipeList>('runs/recipes');
export const readRun = (name: string) => getJson<RunDetail>(pathTo(name));
export const startRun = (body: StartRequest) => postChange('runs', body);
export const stopRun = (name: string) => postChange(`${pathTo(name)}/stop`);
export const resumeRun = (name: string) => postChange(`${pathTo(name)}/resume`);

/** A message about a followed run: new events, its end, or why it cannot be followed. */
type FollowMessage =
  | { readonly events: readonly AnyEvent[]; readonly next: number }
  | { readonly run: RunSummary }
  | { readonly message: string };

/** Yields the events of a run from `from` on as they arrive. Ends with the run; throws when the connection is lost. */
export async function* followRun(name: string, from: number, signal: AbortSignal): AsyncGenerator<FollowMessage> {
  const response = await request(`${pathTo(name)}/live?from=${from}`, { signal });
  for await (const data of serverEvents(response.body as ReadableStream<Uint8Array<ArrayBuffer>>))
    yield JSON.parse(data) as FollowMessage;
}
