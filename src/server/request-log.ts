// What is known of one request besides its content: an id, whose cache it may share, what it cost; and the line of the
// log that says so. Nothing that a client wrote is in it, except an id of letters, digits and a few signs.
import type { GenerationEnd } from '../engine/index.ts';

const idPattern = /^[\w.:@/+=-]{1,128}$/;

export class RequestRecord {
  /** Returned as `x-request-id`: the client's own, where it sent one that can stand in a header and in a log. */
  readonly id: string;
  /** Requests share cached prefixes within a scope: one for each key of the server. */
  scope = '';
  /** Set while the answer is a stream, whose line is written when it ends. */
  isStreaming = false;
  readonly #method: string;
  readonly #started = performance.now();
  readonly #log: (line: string) => void;
  #route = '';
  #status = 0;
  #model: string | null = null;
  #promptTokens = 0;
  #completionTokens = 0;
  #isWritten = false;

  constructor(request: Request, log: (line: string) => void) {
    const given = request.headers.get('x-request-id') ?? '';
    this.id = idPattern.test(given) ? given : `req_${crypto.randomUUID().replaceAll('-', '')}`;
    this.#method = request.method;
    this.#log = log;
  }

  /** Adds what a generation cost. */
  add(model: string, { usage }: GenerationEnd): void {
    this.#model = model;
    this.#promptTokens += usage.promptTokens;
    this.#completionTokens += usage.completionTokens;
  }

  /** `route` as it is declared, never what a client wrote. */
  answered(route: string, status: number): void {
    this.#route = route;
    this.#status = status;
    if (!this.isStreaming) this.end();
  }

  /** Writes the line, once. */
  end(): void {
    if (this.#isWritten) return;
    this.#isWritten = true;
    const ms = Math.round(performance.now() - this.#started);
    const tokens = `prompt_tokens=${this.#promptTokens} completion_tokens=${this.#completionTokens}`;
    const cost = this.#model === null ? '' : ` model=${this.#model} ${tokens}`;
    const what = `${this.#method} ${this.#route} ${this.#status} ${ms}ms`;
    this.#log(`${new Date().toISOString()} ${what}${cost} id=${this.id}`);
  }
}
