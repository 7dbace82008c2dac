// Answerers: one way to ask a model for text, whether it is served by the engine, in training, or behind an API.
//
// Contract: an answer is the text after the prompt, with its thinking tags and without the end token. An answerer keeps
// no state between calls, so it may answer any number of prompts at once.
import { encodePrompt } from '../corpus/index.ts';
import {
  type OpenOptions,
  openModel,
  RefusedError,
  type Rollout,
  type Rollouts,
  type SamplingDefaults,
  type ServedModel,
} from '../engine/index.ts';
import type { PromptParts } from '../tasks/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import { ApiError, type ApiOptions, CompletionApi, type CompletionOptions } from './completion-api.ts';

export interface Answer {
  readonly text: string;
  /** Generated tokens, with the end token; 0 where an API does not count them. */
  readonly tokens: number;
  /** Tokens of the prompt, where they are counted. */
  readonly promptTokens?: number;
  /** Whether the model ended the answer itself. */
  readonly isEnded: boolean;
  /** Tokens that multi-token prediction drafted and that were accepted, where the model drafts. */
  readonly drafts?: { readonly drafted: number; readonly accepted: number };
}

/** Answers one prompt. Rejects when the signal aborts, or with the error of the model or API. */
export type Answerer<A extends Answer = Answer> = (
  prompt: PromptParts,
  options: CompletionOptions,
  signal?: AbortSignal,
) => Promise<A>;

/** Answers with a served model. */
export function modelAnswerer(model: ServedModel): Answerer {
  const { tokenizer, eosIds } = model.tokenizer;
  return async (prompt, options, signal) => {
    const ids: number[] = [];
    let isEnded = false;
    let drafts = { drafted: 0, accepted: 0 };
    const promptIds = encodePrompt(tokenizer, prompt);
    for await (const event of model.generate(promptIds, {
      ...options,
      ...(signal && { signal }),
    }))
      if (event.type === 'part') ids.push(...event.tokens.map(({ id }) => id));
      else if (event.error) throw event.error;
      else {
        isEnded = event.finishReason === 'stop';
        drafts = { drafted: event.usage.draftedTokens, accepted: event.usage.acceptedTokens };
      }
    signal?.throwIfAborted();
    const hasEndToken = eosIds.includes(ids.at(-1) as number);
    const text = tokenizer.decode(hasEndToken ? ids.slice(0, -1) : ids);
    return { text, tokens: ids.length, promptTokens: promptIds.length, isEnded, drafts };
  };
}

/** Answers with a completions API. */
export function apiAnswerer(options: ApiOptions): Answerer {
  const api = new CompletionApi(options);
  return (prompt, sampling, signal) => api.complete(prompt.join(''), sampling, signal);
}

export interface RolloutAnswer extends Answer, Rollout {}

/** Answers with a model in training, with the ids and log-probabilities that training reads. */
export function rolloutAnswerer(rollouts: Rollouts, tokenizer: Tokenizer): Answerer<RolloutAnswer> {
  return async (prompt, options, signal) => {
    const rollout = await rollouts.generate(encodePrompt(tokenizer, prompt), options, signal);
    const { ids, isEnded } = rollout;
    const text = tokenizer.decode(Array.from(isEnded ? ids.subarray(0, -1) : ids));
    return { ...rollout, text, tokens: ids.length };
  };
}

/** Whether only this prompt has no answer; otherwise no prompt will have one. */
export function isSkippable(error: unknown): boolean {
  return error instanceof RefusedError || (error instanceof ApiError && !error.isFinal);
}

export const isAddress = (target: string) => /^https?:\/\//.test(target);

export interface OpenedAnswerer {
  readonly name: string;
  readonly answer: Answerer;
  /** How the model's authors sample it; none of an API. */
  readonly defaults: SamplingDefaults;
  close(): Promise<void>;
}

/** Opens a checkpoint or GGUF file with the engine, or an address as a completions API. */
export async function openAnswerer(
  target: string,
  { engine, api }: { readonly engine?: OpenOptions; readonly api: Omit<ApiOptions, 'base'> },
): Promise<OpenedAnswerer> {
  if (isAddress(target)) {
    const name = `${api.model} at ${new URL(target).host}`;
    return { name, answer: apiAnswerer({ base: target, ...api }), defaults: {}, close: async () => undefined };
  }
  const model = await openModel(target, engine);
  const { name, defaults } = model;
  return { name, defaults, answer: modelAnswerer(model), close: () => model.close() };
}
