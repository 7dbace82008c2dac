// Runs, asked of the server. What it refuses is thrown with its own words.
import type { RecipeList, RunDetail, RunList, RunSummary, StartAnswer, StartRequest } from '../../src/runs/protocol.ts';

export class RunsError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function answerOf(response: Response): Promise<Response> {
  if (response.ok) return response;
  const body = (await response.json().catch(() => null)) as { error?: { message?: string } } | null;
  throw new RunsError(response.status, body?.error?.message ?? `the server answered ${response.status}`);
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await answerOf(await fetch(path, init));
  } catch (error) {
    if (error instanceof RunsError || (error as Error).name === 'AbortError') throw error;
    throw new RunsError(0, 'the server does not answer');
  }
}

const read = async <T>(path: string) => (await (await ask(path)).json()) as T;
const at = (name: string) => `/runs/${encodeURIComponent(name)}`;

async function change(path: string, body: object = {}): Promise<RunSummary> {
  const headers = { 'content-type': 'application/json' };
  const response = await ask(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return ((await response.json()) as StartAnswer).run;
}

export const listRuns = () => read<RunList>('/runs');
export const listRecipes = () => read<RecipeList>('/runs/recipes');
export const readRun = (name: string) => read<RunDetail>(at(name));
export const startRun = (request: StartRequest) => change('/runs', request);
export const stopRun = (name: string) => change(`${at(name)}/stop`);
export const resumeRun = (name: string) => change(`${at(name)}/resume`);

/** What comes of a followed run: events, the end of it, or why it cannot be followed. */
export type Told<E> =
  | { readonly events: readonly E[]; readonly next: number }
  | { readonly run: RunSummary }
  | { readonly message: string };

function frameOf<E>(text: string): Told<E> | null {
  const data = text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice(6));
  return data.length === 0 ? null : (JSON.parse(data.join('\n')) as Told<E>); // a comment keeps the connection
}

/** Events of a run from `from` on, as they come. Ends with the run; throws when the connection is lost. */
export async function* followRun<E>(name: string, from: number, signal: AbortSignal): AsyncGenerator<Told<E>> {
  const response = await ask(`${at(name)}/live?from=${from}`, { signal });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  for (let text = ''; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const frames = text.split('\n\n');
    text = frames.pop() as string;
    for (const frame of frames) {
      const told = frameOf<E>(frame);
      if (told !== null) yield told;
    }
  }
}
