// A client of OpenAI-compatible completions APIs, for teachers and for models under evaluation.
//
// Contract: a request is repeated with growing waits while the API throttles, fails or cannot be reached, and ends in
// an ApiError if it still fails. `isFinal` means that no other request would succeed: the address, the model or the key
// is wrong. An API that has never answered and cannot be connected to is not asked again. A body that cannot be read as
// a completion is a failure of the API, not an empty answer.
import { setTimeout as wait } from 'node:timers/promises';
import { EvaluationError } from './errors.ts';

export class ApiError extends EvaluationError {
  readonly isFinal: boolean;

  constructor(url: string, problem: string, remedy: string, isFinal: boolean) {
    super(url, problem, remedy);
    this.isFinal = isFinal;
  }
}

export interface ApiOptions {
  /** The address, with or without its /v1. */
  readonly base: string;
  readonly model: string;
  /** The bearer key. */
  readonly key: string | null;
  /** Where the key comes from, for error messages. @default the key */
  readonly keySource?: string;
  /** Attempts for each request. @default 6 */
  readonly attempts?: number;
  /** The wait before the second attempt; it doubles before each further one. @default 1000 */
  readonly waitMs?: number;
  /** The time limit of one attempt. @default 300,000 */
  readonly timeoutMs?: number;
}

export interface CompletionOptions {
  readonly temperature: number;
  readonly topP: number;
  readonly maxTokens: number;
  readonly seed: number;
}

export interface Completion {
  readonly text: string;
  /** Generated tokens as the API counts them; 0 where it does not. */
  readonly tokens: number;
  /** Tokens of the prompt as the API counts them; 0 where it does not. */
  readonly promptTokens: number;
  /** Whether the model ended the text itself. */
  readonly isEnded: boolean;
}

const isTemporary = (status: number) => status === 429 || status === 408 || status >= 500;
const isFinal = (status: number) => status === 401 || status === 403 || status === 404;

/** Returns null where the body is no completion. */
const causeCode = ({ cause }: Error): string => (cause as NodeJS.ErrnoException | undefined)?.code ?? '';

/** Whether no connection came about, as opposed to one that broke or was too slow. Node gives up after 10 seconds. */
function isUnconnected(error: Error): boolean {
  return error.cause instanceof Error && !/RESET|PIPE|_SOCKET|(HEADERS|BODY)_TIMEOUT/.test(causeCode(error));
}

function describeFetchError(error: Error): string {
  const { message, cause } = error;
  if (!(cause instanceof Error)) return message;
  return `cannot be reached (${cause.message || causeCode(error)})`;
}

function readCompletion(body: string): Completion | null {
  try {
    const { choices, usage } = JSON.parse(body);
    const { text, finish_reason: reason } = choices[0];
    const { completion_tokens: tokens = 0, prompt_tokens: promptTokens = 0 } = usage ?? {};
    if (typeof text === 'string') return { text, tokens, promptTokens, isEnded: reason !== 'length' };
  } catch {
    // not a completion: falls through
  }
  return null;
}

export class CompletionApi {
  /** The address that completions are requested from. */
  readonly url: string;
  readonly #options: ApiOptions;
  /** Whether the API has answered anything. */
  #isReached = false;

  constructor(options: ApiOptions) {
    this.#options = options;
    this.url = `${options.base.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1/completions`;
  }

  async complete(prompt: string, options: CompletionOptions, signal?: AbortSignal): Promise<Completion> {
    const { attempts = 6, waitMs = 1000 } = this.#options;
    let problem = '';
    for (let attempt = 0, pause = waitMs; attempt < attempts; attempt++, pause *= 2) {
      if (attempt > 0) await wait(pause, undefined, signal ? { signal } : {});
      try {
        const response = await this.#send(prompt, options, signal);
        this.#isReached = true;
        const body = await response.text();
        const completion = response.ok ? readCompletion(body) : null;
        if (completion !== null) return completion;
        problem = `answered ${response.status}${response.ok ? ' without a completion' : ''}: ${body.slice(0, 200)}`;
        if (!response.ok && !isTemporary(response.status)) throw this.#error(problem, isFinal(response.status));
        pause = Math.max(pause, 1000 * (Number(response.headers.get('retry-after')) || 0));
      } catch (error) {
        if (signal?.aborted || error instanceof ApiError) throw error;
        problem = describeFetchError(error as Error);
        if (!this.#isReached && isUnconnected(error as Error)) throw this.#error(problem, true);
      }
    }
    throw this.#error(problem, false);
  }

  #send(prompt: string, options: CompletionOptions, signal?: AbortSignal): Promise<Response> {
    const { model, key, timeoutMs = 300_000 } = this.#options;
    const { temperature, topP, maxTokens, seed } = options;
    const timeout = AbortSignal.timeout(timeoutMs);
    return fetch(this.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key !== null && { authorization: `Bearer ${key}` }) },
      body: JSON.stringify({ model, prompt, temperature, top_p: topP, max_tokens: maxTokens, seed }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  }

  #error(problem: string, isFinal: boolean): ApiError {
    const { keySource = 'the key' } = this.#options;
    return new ApiError(this.url, problem, `check the address, the name of the model and ${keySource}`, isFinal);
  }
}
