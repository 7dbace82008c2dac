// Responses as schemas: whole answers and chunks, usage, log-probabilities, errors.
//
// They give the types, the OpenAPI document and the checks of tests. No Node module is imported.
import { z } from 'zod';

const count = z.int().min(0);

export const usage = z
  .object({
    prompt_tokens: count,
    completion_tokens: count,
    total_tokens: count,
    prompt_cache_hit_tokens: count,
    prompt_cache_miss_tokens: count,
    prompt_tokens_details: z.object({ cached_tokens: count }),
    completion_tokens_details: z.object({
      reasoning_tokens: count,
      accepted_prediction_tokens: count,
      rejected_prediction_tokens: count,
    }),
  })
  .meta({ id: 'Usage' });

const alternative = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()).nullable() });

export const tokenLogprob = alternative.extend({ top_logprobs: z.array(alternative) }).meta({ id: 'TokenLogprob' });

export const chatLogprobs = z.object({
  content: z.array(tokenLogprob).nullable(),
  reasoning_content: z.array(tokenLogprob).nullable(),
});

const timings = z
  .object({
    cache_n: count,
    prompt_n: count,
    prompt_ms: z.number(),
    prompt_per_token_ms: z.number(),
    prompt_per_second: z.number(),
    predicted_n: count,
    predicted_ms: z.number(),
    predicted_per_token_ms: z.number(),
    predicted_per_second: z.number(),
    draft_n: count,
    draft_n_accepted: count,
  })
  .meta({ id: 'Timings' });

const promptLogprob = z.object({ logprob: z.number(), rank: z.int().nullable(), decoded_token: z.string() });

/** Fields that a request asks for. */
const tokenIds = z.array(z.int()).optional();
const asked = {
  timings: timings.optional(),
  prompt_token_ids: tokenIds,
  prompt_logprobs: z
    .array(z.record(z.string(), promptLogprob).nullable())
    .optional()
    .describe('By token id; null for the first token. rank: from 1, null beyond the alternatives.'),
};

const finishReason = z.enum(['stop', 'length', 'tool_calls']);
const head = { id: z.string(), created: z.int(), model: z.string(), system_fingerprint: z.string() };

export const toolCall = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

export const chatCompletion = z
  .object({
    ...head,
    object: z.literal('chat.completion'),
    choices: z.array(
      z.object({
        index: z.int(),
        message: z.object({
          role: z.literal('assistant'),
          content: z.string().nullable(),
          reasoning_content: z.string().optional(),
          reasoning: z.string().optional(),
          tool_calls: z.array(toolCall).optional(),
        }),
        logprobs: chatLogprobs.nullable(),
        finish_reason: finishReason,
        token_ids: tokenIds,
      }),
    ),
    usage,
    ...asked,
  })
  .meta({ id: 'ChatCompletion' });

export const chatDelta = z.object({
  role: z.literal('assistant').optional(),
  content: z.string().nullable().optional(),
  reasoning_content: z.string().nullable().optional(),
  reasoning: z.string().nullable().optional(),
  tool_calls: z
    .array(
      z.object({
        index: z.int(),
        id: z.string().optional(),
        type: z.literal('function').optional(),
        function: z.object({ name: z.string().optional(), arguments: z.string() }),
      }),
    )
    .optional(),
});

export const chatChunk = z
  .object({
    ...head,
    object: z.literal('chat.completion.chunk'),
    choices: z.array(
      z.object({
        index: z.int(),
        delta: chatDelta,
        logprobs: chatLogprobs.nullable(),
        finish_reason: finishReason.nullable(),
        token_ids: tokenIds,
      }),
    ),
    usage: usage.nullable().optional(),
    ...asked,
  })
  .meta({ id: 'ChatCompletionChunk' });

export const completionLogprobs = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number().nullable()),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullable(),
  text_offset: z.array(z.int()),
});

export const completion = z
  .object({
    ...head,
    object: z.literal('text_completion'),
    choices: z.array(
      z.object({
        index: z.int(),
        text: z.string(),
        logprobs: completionLogprobs.nullable(),
        finish_reason: finishReason.nullable(),
        prompt_token_ids: tokenIds,
        token_ids: tokenIds,
      }),
    ),
    usage: usage.nullable().optional(),
    timings: timings.optional(),
  })
  .meta({ id: 'Completion' });

export const errorBody = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string(),
      n_prompt_tokens: count.optional().describe('Where the context is exceeded: the length of the prompt, in tokens.'),
      n_ctx: count.optional().describe('Where the context is exceeded: its length, in tokens.'),
    }),
  })
  .meta({ id: 'Error' });

export const modelFacts = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.string(),
    max_model_len: z.int(),
  })
  .meta({ id: 'Model' });

export const modelList = z.object({ object: z.literal('list'), data: z.array(modelFacts) }).meta({ id: 'ModelList' });

export const appliedTemplate = z
  .object({ prompt: z.string(), tokens: z.array(z.int()) })
  .meta({ id: 'AppliedTemplate' });

export const tokenized = z
  .object({ tokens: z.array(z.int()), count, max_model_len: z.int() })
  .meta({ id: 'Tokenized' });

export const detokenized = z.object({ prompt: z.string() }).meta({ id: 'Detokenized' });

export type Usage = z.output<typeof usage>;
export type Timings = z.output<typeof timings>;
export type PromptLogprobs = NonNullable<z.output<typeof chatCompletion>['prompt_logprobs']>;
export type TokenLogprob = z.output<typeof tokenLogprob>;
export type ChatLogprobs = z.output<typeof chatLogprobs>;
export type ChatCompletion = z.output<typeof chatCompletion>;
export type ChatDelta = z.output<typeof chatDelta>;
export type ChatChunk = z.output<typeof chatChunk>;
export type CompletionLogprobs = z.output<typeof completionLogprobs>;
export type Completion = z.output<typeof completion>;
export type ErrorBody = z.output<typeof errorBody>;
export type ModelList = z.output<typeof modelList>;
