// Requests of tests to the app, without sockets.
import assert from 'node:assert/strict';
import { type App, type AppOptions, createApp } from './app.ts';
import { errorBody } from './protocol-responses.ts';
import { type ScriptedAnswer, TestModel, type TestModelOptions } from './test-model.ts';

export const thinker = { script: (): ScriptedAnswer => ({ thinking: 'Hm, 1+1.', answer: 'It is 2.' }) };

/** Calls `add` twice in the syntax of R1's template, then tells the results; answers in JSON where it is asked to. */
export const caller = {
  script: (prompt: string): ScriptedAnswer => {
    const results = [...prompt.matchAll(/<｜tool▁output▁begin｜>(.*?)<｜tool▁output▁end｜>/g)].map(([, text]) => text);
    if (results.length > 0) return { answer: `It is ${results.join(' and ')}.` };
    if (prompt.includes('JSON')) return { answer: '{"sum": 2}' };
    if (!prompt.includes('"add"')) return { answer: 'I have no functions.' };
    const call = (text: string) =>
      `<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n\`\`\`json\n${text}\n\`\`\`<｜tool▁call▁end｜>`;
    const calls = `${call('{"a": 1, "b": 2}')}\n${call('{"a": 3, "b": 4}')}`;
    return { thinking: 'Hm.', answer: `<｜tool▁calls▁begin｜>${calls}<｜tool▁calls▁end｜>` };
  },
};

export function serve(model: TestModelOptions | TestModel = thinker, options: AppOptions = {}) {
  const own = model instanceof TestModel ? model : new TestModel(model);
  const errors: unknown[] = [];
  const notices: string[] = [];
  const onError = (error: unknown) => errors.push(error);
  const app = createApp(own, { onError, onIgnored: (message) => notices.push(message), ...options });
  return { app, model: own, errors, notices };
}

export function post(app: App, path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  return app.fetch(new Request(`http://localhost${path}`, { method: 'POST', body: text as string, ...init }));
}

export const get = (app: App, path: string, init: RequestInit = {}) =>
  app.fetch(new Request(`http://localhost${path}`, init));

export const chatBody = (more: object = {}) => ({ messages: [{ role: 'user', content: '1+1?' }], ...more });

/** JSON of any shape. */
export interface AnyJson {
  readonly [field: string]: AnyJson;
}

export const json = async (response: Response | Promise<Response>) => (await (await response).json()) as AnyJson;

/** Returns the data of every event. */
export async function events(response: Response): Promise<string[]> {
  const text = await response.text();
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: '))
    .map((event) => event.slice(6));
}

export async function assertRefused(response: Response, status: number, message: RegExp, param?: string | null) {
  const body = errorBody.parse(await response.json());
  assert.equal(response.status, status, body.error.message);
  assert.match(body.error.message, message);
  if (param !== undefined) assert.equal(body.error.param, param);
  return body.error;
}
