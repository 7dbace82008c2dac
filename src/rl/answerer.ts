// Whoever answers prompts in an evaluation: a model of ours through the engine, or any OpenAI-compatible API.
//
// Contract: an answer is the text behind the prompt, thinking tags included, without the end token. An API that
// throttles or fails is asked again with growing waits; what still fails is an AnswerError that names the status.

import { encodePrompt } from '../data/index.ts';
import type { ServedModel } from '../engine/index.ts';
import { MinkeError } from '../kernels/errors.ts';
import type { PromptParts } from '../tasks/index.ts';

export class AnswerError extends MinkeError {}

export interface AnswerOptions {
  readonly temperature: number;
  readonly topP: number;
  readonly maxTokens: number;
  readonly seed: number;
}

export interface Answer {
  readonly text: string;
  /** Generated tokens. */
  readonly tokens: number;
}

export type Answerer = (prompt: PromptParts, options: AnswerOptions) => Promise<Answer>;

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

const attempts = 6;

/** `base`: as https://api.example.org/v1. */
export function ofApi(base: string, model: string, key: string | null, firstWaitMs = 500): Answerer {
  const url = `${base.replace(/\/$/, '')}/completions`;
  const headers = { 'content-type': 'application/json', ...(key !== null && { authorization: `Bearer ${key}` }) };
  return async (parts, { temperature, topP, maxTokens, seed }) => {
    const prompt = parts.join('');
    const body = JSON.stringify({ model, prompt, temperature, top_p: topP, max_tokens: maxTokens, seed });
    let problem = '';
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, firstWaitMs * 2 ** (attempt - 1)));
      const response = await fetch(url, { method: 'POST', headers, body }).catch((error: Error) => error);
      if (response instanceof Error) {
        problem = response.message;
        continue;
      }
      const text = await response.text();
      if (response.ok) return readCompletion(text, url);
      problem = `status ${response.status}: ${text.slice(0, 200)}`;
      if (response.status < 500 && response.status !== 429) break;
    }
    throw new AnswerError(url, problem, 'check address, model name and key');
  };
}

function readCompletion(body: string, url: string): Answer {
  try {
    const { choices, usage } = JSON.parse(body) as {
      choices: { text: string }[];
      usage?: { completion_tokens?: number };
    };
    const text = choices[0]?.text;
    if (typeof text === 'string') return { text, tokens: usage?.completion_tokens ?? 0 };
  } catch {
    // told below
  }
  throw new AnswerError(url, `answered without choices[0].text: ${body.slice(0, 200)}`, 'name a completions API');
}
