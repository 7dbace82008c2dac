// Whoever answers prompts in an evaluation: a model of ours through the engine, or any OpenAI-compatible API.
//
// Contract: an answer is the text behind the prompt, thinking tags included, without the end token.
import { type ApiOptions, CompletionApi, type CompletionOptions, encodePrompt } from '../corpus/index.ts';
import type { ServedModel } from '../engine/index.ts';
import type { PromptParts } from '../tasks/index.ts';

export interface Answer {
  readonly text: string;
  /** Generated tokens. */
  readonly tokens: number;
}

export type Answerer = (prompt: PromptParts, options: CompletionOptions) => Promise<Answer>;

export function ofModel(model: ServedModel): Answerer {
  const { tokenizer, eosIds } = model.tokenizer;
  return async (prompt, options) => {
    const ids: number[] = [];
    for await (const event of model.generate(encodePrompt(tokenizer, prompt), options)) {
      if (event.type === 'part') ids.push(...event.tokens.map(({ id }) => id));
      else if (event.error) throw event.error;
    }
    const isEnded = eosIds.includes(ids.at(-1) as number);
    return { text: tokenizer.decode(isEnded ? ids.slice(0, -1) : ids), tokens: ids.length };
  };
}

export function ofApi(options: ApiOptions): Answerer {
  const api = new CompletionApi(options);
  return (prompt, sampling) => api.complete(prompt.join(''), sampling);
}
