// From a request to generations, and from their ends to usage: what chat and completions share.
import type { GenerateOptions, GenerationEnd, GenerationEvent, TextModel } from '../engine/index.ts';
import type { Call } from './context.ts';
import { ApiError } from './errors.ts';
import type { Lease } from './live.ts';
import type { SamplingRequest } from './protocol.ts';
import type { Timings, Usage } from './protocol-responses.ts';
import type { RequestRecord } from './request-log.ts';

/** Leaves out fields that are null or undefined. */
function present<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> };
}

/** Requests share cached prefixes that have the same key of the server and the same salt. */
const cacheScope = ({ cache_salt: salt }: SamplingRequest, { scope }: RequestRecord): string | null =>
  salt ? `${scope} ${salt}` : scope || null;

/** Returns the options of one choice of a request. Each choice has its own seed. */
export function toGenerateOptions(request: SamplingRequest, choice: number, { record }: Call): GenerateOptions {
  const { stop, logit_bias: bias, seed, top_k: topK, top_p: topP } = request;
  const stops = (typeof stop === 'string' ? [stop] : (stop ?? [])).filter((text) => text !== '');
  return present({
    temperature: request.temperature,
    topK: topP === 0 ? 1 : topK === -1 ? 0 : topK,
    topP: topP === 0 ? null : topP,
    minP: request.min_p,
    presencePenalty: request.presence_penalty,
    frequencyPenalty: request.frequency_penalty,
    repetitionPenalty: request.repetition_penalty,
    reasoningBudget: request.reasoning_budget,
    ignoreEos: request.ignore_eos,
    seed: seed === null || seed === undefined ? null : (seed + choice) >>> 0,
    stop: stops.length > 0 ? stops : null,
    stopIds: request.stop_token_ids,
    minTokens: request.min_tokens,
    cacheScope: cacheScope(request, record),
    logitBias: bias ? new Map(Object.entries(bias).map(([id, value]) => [Number(id), value])) : null,
  });
}

/** Throws ApiError 422 for token ids that the model does not have, and for options of a stream without a stream. */
export function checkSampling(request: SamplingRequest, { vocabSize }: TextModel): void {
  const checkIds = (param: string, ids: readonly (string | number)[]) => {
    const unknown = ids.find((id) => Number(id) >= vocabSize);
    if (unknown === undefined) return;
    throw new ApiError(422, `${param}: token ${unknown} does not exist: ids are 0 to ${vocabSize - 1}`, { param });
  };
  checkIds('logit_bias', Object.keys(request.logit_bias ?? {}));
  checkIds('stop_token_ids', request.stop_token_ids ?? []);
  if (!request.stream && typeof request.stream_options?.include_usage === 'boolean')
    throw new ApiError(400, 'stream_options: needs stream: true; leave it out', { param: 'stream_options' });
}

/** Limits the requested tokens to the room in the context. The engine refuses a prompt that leaves no room. */
export function clampMaxTokens(requested: number | null | undefined, promptLength: number, model: TextModel): number {
  const room = Math.max(1, model.contextLength - promptLength);
  return Math.min(requested ?? room, room);
}

export type IndexedEvent = readonly [index: number, event: GenerationEvent];

/**
 * Yields the events of several generations as they arrive. Ends all of them when it is ended itself or when one fails.
 * Arrived events wait in a list: racing all pending promises for each event would take quadratic memory.
 */
async function* mergeEvents(sources: readonly AsyncIterable<GenerationEvent>[]): AsyncGenerator<IndexedEvent> {
  const [only] = sources;
  if (only !== undefined && sources.length === 1) {
    for await (const event of only) yield [0, event];
    return;
  }
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const ready: (() => readonly [index: number, result: IteratorResult<GenerationEvent>])[] = [];
  let wake: (() => void) | null = null;
  const arrived = (take: (typeof ready)[number]): void => {
    ready.push(take);
    wake?.();
  };
  const ask = (i: number): void => {
    iterators[i].next().then(
      (result) => arrived(() => [i, result]),
      (error: unknown) =>
        arrived(() => {
          throw error;
        }),
    );
  };
  try {
    for (const i of iterators.keys()) ask(i);
    for (let open = iterators.length; open > 0; ) {
      if (ready.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      for (const take of ready.splice(0)) {
        const [i, result] = take();
        if (result.done) {
          open--;
          continue;
        }
        ask(i);
        yield [i, result.value];
      }
    }
  } finally {
    for (const iterator of iterators) iterator.return?.().catch(() => {});
  }
}

const clientLeft = () => new ApiError(408, 'the client left before the answer was ready');

/** Starts all generations. Throws RefusedError if the engine refuses one, ApiError 408 if the client has left. */
export function startGenerations(
  model: TextModel,
  generations: readonly { readonly prompt: ArrayLike<number>; readonly options: GenerateOptions }[],
  { signal }: Lease,
): AsyncGenerator<IndexedEvent> {
  if (signal.aborted) throw clientLeft();
  return mergeEvents(generations.map(({ prompt, options }) => model.generate(prompt, { ...options, signal })));
}

/** Returns the error to report for a generation that failed or was aborted; null for one that is complete. */
export function toFailure(end: GenerationEnd, lease: Lease): Error | null {
  if (end.finishReason === 'error') return end.error ?? new Error('the generation failed without a reason');
  if (end.finishReason !== 'abort') return null;
  return toAborted(lease);
}

/** Returns the error of a request whose lease was aborted. */
export function toAborted({ signal }: Lease): ApiError {
  if (signal.reason !== 'closing') return clientLeft();
  return new ApiError(503, 'the server is shutting down and ended this answer: try again later, or use another server');
}

/** Adds up the usage of all choices. A prompt counts once for its `choicesPerPrompt` choices. */
export function totalUsage(ends: readonly GenerationEnd[], choicesPerPrompt: number): Usage {
  const sum = (count: (end: GenerationEnd) => number, each: readonly GenerationEnd[] = ends) =>
    each.reduce((total, end) => total + count(end), 0);
  const prompts = ends.filter((_, i) => i % choicesPerPrompt === 0);
  const promptTokens = sum(({ usage }) => usage.promptTokens, prompts);
  const cached = sum(({ usage }) => usage.cachedTokens, prompts);
  const completionTokens = sum(({ usage }) => usage.completionTokens);
  const accepted = sum(({ usage }) => usage.acceptedTokens);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_cache_hit_tokens: cached,
    prompt_cache_miss_tokens: promptTokens - cached,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: {
      reasoning_tokens: sum(({ usage }) => usage.reasoningTokens),
      accepted_prediction_tokens: accepted,
      rejected_prediction_tokens: sum(({ usage }) => usage.draftedTokens) - accepted,
    },
  };
}

/** Returns times and rates in llama.cpp's fields. Answers run at once: the last first token ends the prompt. */
export function toTimings(ends: readonly GenerationEnd[], choicesPerPrompt: number): Timings {
  const usage = totalUsage(ends, choicesPerPrompt);
  const latest = (time: (end: GenerationEnd) => number) => Math.max(...ends.map(time));
  const [promptMs, totalMs] = [latest(({ firstTokenMs }) => firstTokenMs), latest((end) => end.totalMs)];
  const per = (a: number, b: number) => (b > 0 ? a / b : 0);
  const { prompt_cache_miss_tokens: read, completion_tokens: written, completion_tokens_details: details } = usage;
  const predictedMs = totalMs - promptMs;
  return {
    cache_n: usage.prompt_cache_hit_tokens,
    prompt_n: read,
    prompt_ms: promptMs,
    prompt_per_token_ms: per(promptMs, read),
    prompt_per_second: per(1000 * read, promptMs),
    predicted_n: written,
    predicted_ms: predictedMs,
    predicted_per_token_ms: per(predictedMs, written),
    predicted_per_second: per(1000 * written, predictedMs),
    draft_n: details.accepted_prediction_tokens + details.rejected_prediction_tokens,
    draft_n_accepted: details.accepted_prediction_tokens,
  };
}
