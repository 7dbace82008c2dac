// Text from any OpenAI-compatible completions interface: teachers and models under evaluation answer through it.
//
// Contract: an interface is asked again with growing waits while it throttles, fails or cannot be reached; what still
// fails is an ApiError. `isFinal` says that no other request would fare better either: address, model or key are wrong.
// A body that cannot be read as a completion is an empty text: rubbish is a wrong answer, not an error.
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
  /** Address, with or without its /v1. */
  readonly base: string;
  readonly model: string;
  /** Bearer key. */
  readonly key: string | null;
  /** Where the key comes from, for errors. @default the key */
  readonly keySource?: string;
  /** Times that a request is sent before it is given up. @default 6 */
  readonly attempts?: number;
  /** Before the second attempt; doubled before each further one. @default 1000 */
  readonly waitMs?: number;
  /** Of one request. @default 300,000 */
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
  /** Generated tokens, as the interface counts them; 0 where it does not say. */
  readonly tokens: number;
  /** Whether it ended by itself. */
  readonly isEnded: boolean;
}

const passing = (status: number) => status === 429 || status === 408 || status >= 500;
const final = (status: number) => status === 401 || status === 403 || status === 404;

function completionIn(body: string): Completion {
  try {
    const { choices, usage } = JSON.parse(body);
    const { text, finish_reason: reason } = choices[0];
    if (typeof text === 'string') return { text, tokens: usage?.completion_tokens ?? 0, isEnded: reason !== 'length' };
  } catch {
    // rubbish, as below
  }
  return { text: '', tokens: 0, isEnded: true };
}

export class CompletionApi {
  /** Of its completions. */
  readonly url: string;
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
    this.url = `${options.base.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1/completions`;
  }

  async complete(prompt: string, options: CompletionOptions, signal?: AbortSignal): Promise<Completion> {
    const { attempts = 6, waitMs = 1000 } = this.#options;
    let problem = '';
    for (let tried = 0, pause = waitMs; tried < attempts; tried++, pause *= 2) {
      if (tried > 0) await wait(pause, undefined, signal ? { signal } : {});
      try {
        const response = await this.#send(prompt, options, signal);
        const body = await response.text();
        if (response.ok) return completionIn(body);
        problem = `answered ${response.status}: ${body.slice(0, 200)}`;
        if (!passing(response.status)) throw this.#error(problem, final(response.status));
        pause = Math.max(pause, 1000 * (Number(response.headers.get('retry-after')) || 0));
      } catch (error) {
        if (signal?.aborted || error instanceof ApiError) throw error;
        const { message, cause } = error as Error;
        problem = cause instanceof Error ? `${message} (${cause.message})` : message;
      }
    }
    throw this.#error(problem, false);
  }

  #send(prompt: string, options: CompletionOptions, signal?: AbortSignal): Promise<Response> {
    const { model, key, timeoutMs = 300_000 } = this.#options;
    const { temperature, topP, maxTokens, seed } = options;
    const late = AbortSignal.timeout(timeoutMs);
    return fetch(this.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key !== null && { authorization: `Bearer ${key}` }) },
      body: JSON.stringify({ model, prompt, temperature, top_p: topP, max_tokens: maxTokens, seed }),
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
  }

  #error(problem: string, isFinal: boolean): ApiError {
    const { keySource = 'the key' } = this.#options;
    return new ApiError(this.url, problem, `check the address, the name of the model and ${keySource}`, isFinal);
  }
}
