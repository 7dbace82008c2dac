// Who answers: a checkpoint through the engine, or any interface like OpenAI's.
//
// Contract: an answer is the text after the prompt, thinking tags included, or null where it did not end by itself. An
// interface is asked again with growing waits while it throttles, fails or cannot be reached; then TeacherError. What
// cannot be read as a completion is rubbish, hence an answer that is wrong: ''. A key that is refused ends the run.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { encodePrompt, hashOfFile } from '../data/index.ts';
import { type GenerateOptions, openModel, RefusedError } from '../engine/index.ts';
import type { Device } from '../kernels/index.ts';
import type { PromptParts } from '../tasks/index.ts';
import { TrainError } from '../train/index.ts';
import type { DistilConfig } from './config.ts';

/** A request that kept failing: its problem is skipped. */
export class TeacherError extends Error {}

export interface Teacher {
  readonly name: string;
  /** sha256 of its weights; null for an interface. */
  readonly weights: string | null;
  /** Throws TeacherError where one problem cannot be answered, TrainError where none can. */
  answer(prompt: PromptParts, seed: number, signal?: AbortSignal): Promise<string | null>;
  close(): Promise<void>;
}

export const isAddress = (teacher: string) => /^https?:\/\//.test(teacher);

export function openTeacher(config: DistilConfig, device: Device): Promise<Teacher> {
  return isAddress(config.teacher) ? Promise.resolve(apiTeacher(config)) : localTeacher(config, device);
}

/** sha256 of a model's file; null where it is split into several. */
async function weightsOf(path: string): Promise<string | null> {
  if (path.endsWith('.gguf')) return hashOfFile(path);
  const files = readdirSync(path).filter((name) => /^model.*\.safetensors$/.test(name));
  return files.length === 1 ? hashOfFile(join(path, files[0] as string)) : null;
}

async function localTeacher({ teacher, traces }: DistilConfig, device: Device): Promise<Teacher> {
  const { maxTokens, temperature, topP, parallel, samples } = traces;
  const weights = await weightsOf(teacher);
  const model = await openModel(teacher, { device, maxWaiting: 2 * parallel * samples });
  const { tokenizer, eosIds } = model.tokenizer;
  const generated = (prompt: PromptParts, options: GenerateOptions) => {
    try {
      return model.generate(encodePrompt(tokenizer, prompt), options);
    } catch (error) {
      if (error instanceof RefusedError) throw new TeacherError(error.message);
      throw error;
    }
  };
  return {
    name: basename(teacher),
    weights,
    answer: async (prompt, seed, signal) => {
      const ids: number[] = [];
      for await (const event of generated(prompt, { maxTokens, temperature, topP, seed, ...(signal && { signal }) })) {
        if (event.type === 'part') ids.push(...event.tokens.map(({ id }) => id));
        else if (event.finishReason === 'error') throw event.error;
        else if (event.finishReason !== 'stop') return null;
      }
      return tokenizer.decode(ids.filter((id) => !eosIds.includes(id)));
    },
    close: () => model.close(),
  };
}

/** The text of a completion's body; '' where there is none to read, null where it did not end by itself. */
function completionIn(body: string): string | null {
  try {
    const { text, finish_reason: reason } = JSON.parse(body).choices[0];
    if (reason === 'length') return null;
    return typeof text === 'string' ? text : '';
  } catch {
    return '';
  }
}

const passing = (status: number) => status === 429 || status === 408 || status >= 500;

function apiTeacher({ teacher, api, traces }: DistilConfig): Teacher {
  const url = `${teacher.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1/completions`;
  const key = process.env[api.keyVariable];
  const { maxTokens, temperature, topP } = traces;
  const headers = { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) };
  const common = { model: api.model, max_tokens: maxTokens, temperature, top_p: topP };

  async function attempt(prompt: string, seed: number, signal?: AbortSignal) {
    const late = AbortSignal.timeout(api.timeoutMs);
    const response = await fetch(url, {
      ...{ method: 'POST', headers, body: JSON.stringify({ ...common, prompt, seed }) },
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
    return { status: response.status, body: await response.text(), after: response.headers.get('retry-after') };
  }

  return {
    name: `${api.model} at ${new URL(url).host}`,
    weights: null,
    answer: async (parts, seed, signal) => {
      const prompt = parts.join('');
      let problem = '';
      for (let tried = 0, pause = api.waitMs; tried < api.attempts; tried++, pause *= 2) {
        if (tried > 0) await wait(pause, undefined, signal ? { signal } : {});
        try {
          const { status, body, after } = await attempt(prompt, seed, signal);
          if (status === 200) return completionIn(body);
          problem = `answered ${status}: ${body.slice(0, 200)}`;
          if (status === 401 || status === 403 || status === 404)
            throw new TrainError(url, problem, `check the address, api.model and the key in ${api.keyVariable}`);
          if (!passing(status)) break;
          pause = Math.max(pause, 1000 * (Number(after) || 0));
        } catch (error) {
          if (signal?.aborted || error instanceof TrainError) throw error;
          const { message, cause } = error as Error;
          problem = cause instanceof Error ? `${message} (${cause.message})` : message;
        }
      }
      throw new TeacherError(`${url} ${problem}`);
    },
    close: () => Promise.resolve(),
  };
}
