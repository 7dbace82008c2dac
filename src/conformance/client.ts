// Requests of the checks to a server, and what they expect of it.

/** JSON of any shape: a field that is absent reads as undefined. */
// biome-ignore lint/suspicious/noExplicitAny: a server may answer anything; each check says what it expects.
export type Json = any;

/** The server lacks the route: its checks are absent, not failed. */
export class AbsentError extends Error {}

/** Throws an Error with a sentence where a condition does not hold. */
export function expect(isTrue: boolean, problem: string): void {
  if (!isTrue) throw new Error(problem);
}

export function expectEqual(found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found) ?? 'nothing', JSON.stringify(expected)];
  expect(a === b, `${what}: expected ${b.slice(0, 120)}, received ${a.slice(0, 120)}`);
}

export interface ClientOptions {
  /** The address, with or without `/v1`. */
  readonly baseUrl: string;
  readonly key: string | null;
  /** null: the first model that the server lists. */
  readonly model: string | null;
  /** The most time for a request, in milliseconds. */
  readonly timeoutMs: number;
}

export class Client {
  readonly #base: string;
  readonly #options: ClientOptions;
  #model: string | null;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#base = options.baseUrl.replace(/\/+$/, '').replace(/\/v1$/, '');
    this.#model = options.model;
  }

  async model(): Promise<string> {
    this.#model ??= String((await this.json('/v1/models'))?.data?.[0]?.id ?? '');
    return this.#model;
  }

  /** Sends a request, a POST where it has a body. Throws AbsentError where the route is not there. */
  async send(path: string, body: object | null = null): Promise<Response> {
    const { key, timeoutMs } = this.#options;
    const headers = {
      ...(key !== null && { authorization: `Bearer ${key}`, 'x-api-key': key }),
      ...(body !== null && { 'content-type': 'application/json' }),
      'anthropic-version': '2023-06-01',
    };
    const signal = AbortSignal.timeout(timeoutMs);
    const init = body === null ? { headers, signal } : { method: 'POST', body: JSON.stringify(body), headers, signal };
    const response = await fetch(this.#base + path, init);
    if (response.status === 405 || response.status === 501) throw new AbsentError();
    return response;
  }

  /** Returns the answer to a request. Throws Error for another status than 200, AbsentError for an unknown route. */
  async json(path: string, body: object | null = null): Promise<Json> {
    const response = await this.send(path, body);
    const text = await response.text();
    if (response.status === 404 && !/model|response/i.test(text)) throw new AbsentError();
    expect(response.ok, `${path} answers with status ${response.status}: ${text.slice(0, 160)}`);
    return JSON.parse(text);
  }

  /** Asks a route with the model, greedily and briefly unless the body says otherwise. */
  async ask(path: string, body: object): Promise<Json> {
    return this.json(path, { model: await this.model(), ...body });
  }

  /** Returns the JSON values of a stream: of events or of lines. */
  async stream(path: string, body: object): Promise<Json[]> {
    const response = await this.send(path, { model: await this.model(), stream: true, ...body });
    const text = await response.text();
    if (response.status === 404) throw new AbsentError();
    expect(response.ok, `${path} answers with status ${response.status}: ${text.slice(0, 160)}`);
    const isEvents = response.headers.get('content-type')?.startsWith('text/event-stream');
    const lines = text.split('\n').filter((line) => (isEvents ? line.startsWith('data:') : line.trim() !== ''));
    const data = lines.map((line) => (isEvents ? line.slice(5).trim() : line));
    return data.map((each) => (each === '[DONE]' ? each : JSON.parse(each)));
  }

  /** Throws Error unless a request is refused as a mistake of the client, with a sentence. */
  async expectRefused(path: string, body: object): Promise<Json> {
    const response = await this.send(path, { model: await this.model(), ...body });
    const text = await response.text();
    const { status } = response;
    expect(status >= 400 && status < 500, `expected a status from 400 to 499, received ${status}`);
    const answer = JSON.parse(text);
    const message = answer?.error?.message ?? answer?.error;
    expect(typeof message === 'string' && message.length > 0, `the error has no message: ${text.slice(0, 120)}`);
    return answer;
  }
}
