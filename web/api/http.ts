// Requests to the server: URLs relative to the page, the key if one is needed, errors as messages for people.
import { signal } from '@preact/signals';
import type { ErrorBody } from '../../src/server/protocol-responses.ts';

const storageKey = 'minke.key';

/** Why the server refuses this page: it has no key, or a wrong one; null: it does not. */
export const keyProblem = signal<'missing' | 'wrong' | null>(null);

let key = sessionStorage.getItem(storageKey) ?? '';

/** An error with a message for people. */
export class ApiProblem extends Error {
  /** The HTTP status; 0: the server did not answer. */
  readonly status: number;
  readonly code: string;

  constructor(status: number, message: string, code = '') {
    super(message);
    this.name = 'ApiProblem';
    this.status = status;
    this.code = code;
  }
}

const unreachable = 'The server does not answer. Is minke still running?';

async function toProblem(response: Response): Promise<ApiProblem> {
  const body = (await response.json().catch(() => null)) as Partial<ErrorBody> | null;
  const message = body?.error?.message ?? `the server answered ${response.status} ${response.statusText}`;
  return new ApiProblem(response.status, message, body?.error?.code);
}

const send = (path: string, own: string, { headers: given, ...init }: RequestInit): Promise<Response> => {
  const headers = new Headers(given);
  if (own !== '') headers.set('authorization', `Bearer ${own}`);
  return fetch(new URL(path, document.baseURI), { ...init, headers }).catch((error: unknown) => {
    if (init.signal?.aborted) throw error;
    throw new ApiProblem(0, unreachable);
  });
};

/** Stores a key until the tab is closed, if the server takes it. Throws ApiProblem if it does not. */
export async function storeKey(value: string): Promise<void> {
  const response = await send('v1/models', value, {});
  if (!response.ok) throw await toProblem(response);
  key = value;
  sessionStorage.setItem(storageKey, value);
  keyProblem.value = null;
}

/** Sends a request. Throws ApiProblem or, once aborted, the signal's reason. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await send(path, key, init);
  if (response.ok) return response;
  if (response.status === 401) keyProblem.value = key === '' ? 'missing' : 'wrong';
  throw await toProblem(response);
}

export async function getJson<T>(path: string): Promise<T> {
  return (await (await request(path)).json()) as T;
}

export function post(path: string, body: object, signal?: AbortSignal): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return request(path, { method: 'POST', headers, body: JSON.stringify(body), ...(signal && { signal }) });
}

export async function postJson<T>(path: string, body: object): Promise<T> {
  return (await (await post(path, body)).json()) as T;
}
