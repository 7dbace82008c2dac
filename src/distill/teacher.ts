// Who answers: a checkpoint through the engine, or any interface like OpenAI's.
//
// Contract: an answer is the text after the prompt, thinking tags included, or null where it did not end by itself. An
// interface is asked again with growing waits while it throttles, fails or cannot be reached; then TeacherError. What
// cannot be read as a completion is rubbish, hence an answer that is wrong: ''. A key that is refused ends the run.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ApiError, CompletionApi, encodePrompt, hashOfFile } from '../corpus/index.ts';
import { type GenerateOptions, openModel, RefusedError } from '../engine/index.ts';
import type { Device } from '../kernels/index.ts';
import type { PromptParts } from '../tasks/index.ts';
import type { DistilConfig } from './config.ts';

/** A request that kept failing: its problem is skipped. */
export class TeacherError extends Error {}

export interface Teacher {
  readonly name: string;
  /** sha256 of its weights; null for an interface. */
  readonly weights: string | null;
  /** Throws TeacherError where one problem cannot be answered, ApiError where none can. */
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
  return files.length === 1 ? hashOfFile(join(path, files[0])) : null;
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

function apiTeacher({ teacher, api, traces }: DistilConfig): Teacher {
  const { model, keyVariable, attempts, waitMs, timeoutMs } = api;
  const key = process.env[keyVariable] ?? null;
  const completions = new CompletionApi({
    base: teacher,
    model,
    key,
    keySource: keyVariable,
    attempts,
    waitMs,
    timeoutMs,
  });
  const { maxTokens, temperature, topP } = traces;
  return {
    name: `${model} at ${new URL(completions.url).host}`,
    weights: null,
    answer: async (prompt, seed, signal) => {
      const sampling = { maxTokens, temperature, topP, seed };
      const { text, isEnded } = await completions
        .complete(prompt.join(''), sampling, signal)
        .catch((error: unknown) => {
          if (error instanceof ApiError && !error.isFinal) throw new TeacherError(error.message);
          throw error;
        });
      return isEnded ? text : null;
    },
    close: () => Promise.resolve(),
  };
}
