// Requests to the server: URLs relative to the page, the key if one is needed, errors as messages for people.
import { signal } from '@preact/signals';
import type { ErrorBody } from '../../src/server/protocol-responses.ts';

const storageKey = 'minke.key';

/** Whether the server requires a key that the page does not have. */
export const needsKey = signal(false);

let key = sessionStorage.getItem(storageKey) ?? '';

/** Stores the key until the tab is closed. */
export function setKey(value: string): void {
  key = value;
  sessionStorage.setItem(storageKey, value);
  needsKey.value = false;
}

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

/** Sends a request. Throws ApiProblem or, once aborted, the signal's reason. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (key !== '') headers.set('authorization', `Bearer ${key}`);
  const response = await fetch(new URL(path, document.baseURI), { ...init, headers }).catch((error: unknown) => {
    if (init.signal?.aborted) throw error;
    throw new ApiProblem(0, unreachable);
  });
  if (response.ok) return response;
  if (response.status === 401) needsKey.value = true;
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
