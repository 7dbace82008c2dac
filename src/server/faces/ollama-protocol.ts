// Ollama's API as schemas: chat, generate, models. No Node module is imported.
//
// Sources: docs/api.md of Ollama, and the types of npm's ollama.
import { z } from 'zod';
import { unhonored, withUnhonored } from '../parameters.ts';

const text = z.string().max(4 * 1024 * 1024);
const count = z.int().min(0);
const name = z.string().max(256);
const anyObject = z.record(z.string(), z.unknown());
const textOnly = 'this server reads text only';

const call = z.object({
  id: name.nullish(),
  function: withUnhonored(z.object({ name, arguments: anyObject }), unhonored([], 'index')),
});

export const ollamaMessage = withUnhonored(
  z
    .object({
      role: z.enum(['system', 'user', 'assistant', 'tool']),
      content: text.nullish(),
      thinking: text.nullish(),
      tool_calls: z.array(call).max(128).nullish(),
      tool_name: name.nullish(),
      tool_call_id: name.nullish(),
    })
    .meta({ id: 'OllamaMessage' }),
  unhonored([['images', textOnly, []]]),
);

const tool = z.object({
  type: z.literal('function').nullish(),
  function: withUnhonored(
    z.object({ name, description: text.nullish(), parameters: anyObject.nullish() }),
    unhonored([], 'type'),
  ),
});

const options = withUnhonored(
  z.object({
    temperature: z.number().min(0).max(2).nullish(),
    top_k: z.int().min(-1).nullish(),
    top_p: z.number().min(0).max(1).nullish(),
    min_p: z.number().min(0).max(1).nullish(),
    repeat_penalty: z.number().gt(0).max(10).nullish(),
    presence_penalty: z.number().min(-2).max(2).nullish(),
    frequency_penalty: z.number().min(-2).max(2).nullish(),
    seed: z.int().nullish(),
    stop: z.union([z.string().max(1024), z.array(z.string().max(1024)).max(16)]).nullish(),
    num_predict: z.int().min(-2).nullish().describe('-1 and -2: what the context leaves.'),
    num_ctx: z.int().min(1).nullish().describe('Refused where the server has a shorter context.'),
  }),
  unhonored(
    [
      ['typical_p tfs_z', 'leave it out', 1],
      ['mirostat num_keep', 'leave it out', 0],
      ['repeat_last_n', 'penalties count all tokens; leave it out', -1, 64],
      ['penalize_newline', 'leave it out', false],
    ],
    'numa num_batch num_gpu main_gpu low_vram f16_kv logits_all vocab_only use_mmap use_mlock embedding_only ' +
      'num_thread mirostat_tau mirostat_eta',
  ),
);

const shared = {
  model: name,
  stream: z.boolean().nullish().describe('Default: true.'),
  format: z.union([z.enum(['json', '']), anyObject], { error: 'expected "json" or a JSON schema' }).nullish(),
  think: z
    .union([z.boolean(), z.enum(['low', 'medium', 'high', 'max'])])
    .nullish()
    .describe("Default: what the model's chat template does."),
  options: options.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
};
const accepted = 'keep_alive truncate shift';

export const ollamaChatRequest = withUnhonored(
  z
    .object({
      ...shared,
      messages: z.array(ollamaMessage).min(1, 'expected one message or more').max(4096),
      tools: z.array(tool).max(128).nullish(),
    })
    .meta({ id: 'OllamaChatRequest' }),
  unhonored([], accepted),
);

export const ollamaGenerateRequest = withUnhonored(
  z
    .object({
      ...shared,
      prompt: text.nullish(),
      suffix: text.nullish().describe('The text that follows; the model fills in the middle.'),
      system: text.nullish(),
      raw: z.boolean().nullish().describe('The prompt is not put in the chat template.'),
    })
    .meta({ id: 'OllamaGenerateRequest' }),
  unhonored(
    [
      ['context', 'use /api/chat with the messages', []],
      ['template', 'render the prompt yourself, and set raw', ''],
      ['images', textOnly, []],
      ['width height steps', 'this server writes text only', 0],
    ],
    accepted,
  ),
);

export const ollamaShowRequest = withUnhonored(
  z.object({ model: name.nullish(), name: name.nullish() }).meta({ id: 'OllamaShowRequest' }),
  unhonored([['system template options', 'leave it out', '']], 'verbose'),
);

const tail = {
  model: z.string(),
  created_at: z.string(),
  done: z.boolean(),
  done_reason: z.enum(['stop', 'length']).optional(),
  total_duration: count.optional().describe('Nanoseconds, as all durations.'),
  load_duration: count.optional(),
  prompt_eval_count: count.optional(),
  prompt_eval_duration: count.optional(),
  eval_count: count.optional(),
  eval_duration: count.optional(),
  logprobs: z.array(z.object({ token: z.string(), logprob: z.number() })).optional(),
};

export const ollamaChatResponse = z
  .object({
    ...tail,
    message: z.object({
      role: z.literal('assistant'),
      content: z.string(),
      thinking: z.string().optional(),
      tool_calls: z
        .array(z.object({ id: z.string(), function: z.object({ name: z.string(), arguments: anyObject }) }))
        .optional(),
    }),
  })
  .meta({ id: 'OllamaChatResponse' });

export const ollamaGenerateResponse = z
  .object({ ...tail, response: z.string(), thinking: z.string().optional() })
  .meta({ id: 'OllamaGenerateResponse' });

export const ollamaModels = z
  .object({
    models: z.array(
      z.object({
        name: z.string(),
        model: z.string(),
        modified_at: z.string(),
        digest: z.string(),
        details: anyObject,
      }),
    ),
  })
  .meta({ id: 'OllamaModels' });

export const ollamaError = z.object({ error: z.string() }).meta({ id: 'OllamaError' });

export type OllamaChatRequest = z.output<typeof ollamaChatRequest>;
export type OllamaGenerateRequest = z.output<typeof ollamaGenerateRequest>;
export type OllamaShowRequest = z.output<typeof ollamaShowRequest>;
export type OllamaMessage = z.output<typeof ollamaMessage>;
export type OllamaShared = Pick<OllamaChatRequest, keyof typeof shared>;
