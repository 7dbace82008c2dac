// OpenAI's Responses as schemas: requests, items, answers. No Node module is imported.
//
// Items are one schema of optional fields; responses-input.ts checks which ones a type needs. Sources: the types of
// npm's openai, and the Open Responses specification.
import { z } from 'zod';
import { unhonored, withUnhonored } from '../parameters.ts';
import { chatRequest } from '../protocol.ts';
import { tokenLogprob } from '../protocol-responses.ts';

const text = z.string().max(4 * 1024 * 1024);
const count = z.int().min(0);
const anyObject = z.record(z.string(), z.unknown());
const name = z.string().max(256);

const part = withUnhonored(
  z.object({
    type: z.enum(['input_text', 'output_text', 'text', 'reasoning_text', 'summary_text', 'refusal'], {
      error: 'expected a part of text: this server reads text only',
    }),
    text: text.nullish(),
    refusal: text.nullish(),
  }),
  unhonored([], 'annotations logprobs prompt_cache_breakpoint'),
);
const texts = z.union([text, z.array(part).max(1024)], { error: 'expected a text or a list of text parts' });

const item = withUnhonored(
  z.object({
    type: z
      .enum(['message', 'reasoning', 'function_call', 'function_call_output', 'item_reference'], {
        error: 'expected message, reasoning, function_call, function_call_output or item_reference',
      })
      .nullish(),
    role: z.enum(['user', 'assistant', 'system', 'developer']).nullish(),
    content: texts.nullish(),
    id: name.nullish(),
    call_id: name.nullish(),
    name: name.nullish(),
    arguments: text.nullish(),
    output: texts.nullish(),
    summary: z.array(part).max(1024).nullish(),
    encrypted_content: text.nullish(),
  }),
  unhonored([], 'status phase namespace created_by caller'),
);

const tool = withUnhonored(
  z.object({
    type: z.literal('function', { error: 'expected function: this server runs no tools of its own' }),
    name,
    description: text.nullish(),
    parameters: anyObject.nullish(),
    strict: z.boolean().nullish(),
  }),
  unhonored([['defer_loading', 'leave it out', false]], 'allowed_callers output_schema'),
);

const format = z.object({
  type: z.enum(['text', 'json_object', 'json_schema']),
  name: name.nullish(),
  description: text.nullish(),
  schema: anyObject.nullish(),
  strict: z.boolean().nullish(),
});

const { shape } = chatRequest;

export const responsesRequest = withUnhonored(
  z
    .object({
      model: shape.model,
      input: z.union([text, z.array(item).max(4096)], { error: 'expected a text or a list of items' }),
      instructions: text.nullish(),
      previous_response_id: name.nullish().describe('Responses are kept in memory, the newest ones.'),
      store: z.boolean().nullish().describe('false: the response is not kept. Default: true.'),
      max_output_tokens: z.int().min(1).nullish(),
      stream: z.boolean().nullish(),
      temperature: shape.temperature,
      top_p: shape.top_p,
      presence_penalty: shape.presence_penalty,
      frequency_penalty: shape.frequency_penalty,
      top_logprobs: shape.top_logprobs,
      tools: z.array(tool).max(128).nullish(),
      tool_choice: z
        .union([
          z.enum(['auto', 'none', 'required']),
          z.object({ type: z.literal('function', { error: 'expected function' }), name }),
        ])
        .nullish(),
      parallel_tool_calls: z.boolean().nullish(),
      reasoning: withUnhonored(
        z.object({
          effort: shape.reasoning_effort,
          summary: z.enum(['auto', 'concise', 'detailed']).nullish().describe('The thinking is its own summary.'),
        }),
        unhonored([['generate_summary', 'use summary']], 'context mode'),
      ).nullish(),
      text: withUnhonored(
        z.object({ format: format.nullish() }),
        unhonored([['verbosity', 'leave it out', 'medium']]),
      ).nullish(),
      include: z
        .array(
          z.enum(['message.output_text.logprobs', 'reasoning.encrypted_content'], {
            error: 'expected message.output_text.logprobs or reasoning.encrypted_content',
          }),
        )
        .max(16)
        .nullish(),
      metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
      user: name.nullish(),
      seed: shape.seed,
      top_k: shape.top_k,
      reasoning_budget: shape.reasoning_budget,
      cache_salt: shape.cache_salt,
    })
    .meta({ id: 'ResponsesRequest' }),
  unhonored(
    [
      ['background', 'leave it out', false],
      ['conversation prompt context_management moderation', 'leave it out'],
      ['truncation', 'shorten the input yourself', 'disabled'],
      ['messages', 'use input'],
      ['max_tokens max_completion_tokens', 'use max_output_tokens'],
      ['response_format', 'use text.format'],
      ['reasoning_effort', 'use reasoning.effort'],
    ],
    'prompt_cache_key prompt_cache_options prompt_cache_retention safety_identifier service_tier stream_options ' +
      'max_tool_calls',
  ),
);

const status = z.enum(['in_progress', 'completed', 'incomplete', 'failed']);
const outputText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs: z.array(tokenLogprob),
});
const summaryText = z.object({ type: z.literal('summary_text'), text: z.string() });
const reasoningText = z.object({ type: z.literal('reasoning_text'), text: z.string() });

const outputItem = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('reasoning'),
    id: z.string(),
    status,
    summary: z.array(summaryText),
    content: z.array(reasoningText),
    encrypted_content: z.string().nullable(),
  }),
  z.object({
    type: z.literal('message'),
    id: z.string(),
    status,
    role: z.literal('assistant'),
    content: z.array(outputText),
  }),
  z.object({
    type: z.literal('function_call'),
    id: z.string(),
    status,
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
  }),
]);

export const response = z
  .object({
    id: z.string(),
    object: z.literal('response'),
    created_at: z.int(),
    completed_at: z.int().nullable(),
    status,
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    incomplete_details: z.object({ reason: z.string() }).nullable(),
    model: z.string(),
    output: z.array(outputItem),
    usage: z
      .object({
        input_tokens: count,
        input_tokens_details: z.object({ cached_tokens: count }),
        output_tokens: count,
        output_tokens_details: z.object({ reasoning_tokens: count }),
        total_tokens: count,
      })
      .nullable(),
    instructions: z.string().nullable(),
    previous_response_id: z.string().nullable(),
    max_output_tokens: z.int().nullable(),
    max_tool_calls: z.null(),
    temperature: z.number().nullable(),
    top_p: z.number().nullable(),
    presence_penalty: z.number(),
    frequency_penalty: z.number(),
    top_logprobs: count,
    tools: z.array(anyObject),
    tool_choice: z.union([z.string(), anyObject]),
    parallel_tool_calls: z.boolean(),
    reasoning: z.object({ effort: z.string().nullable(), summary: z.string().nullable() }),
    text: z.object({ format: anyObject }),
    truncation: z.literal('disabled'),
    store: z.boolean(),
    background: z.literal(false),
    service_tier: z.string(),
    metadata: z.record(z.string(), z.string()),
    user: z.string().nullable(),
    safety_identifier: z.null(),
    prompt_cache_key: z.null(),
  })
  .meta({ id: 'Response' });

export const responseEvent = z.object({ type: z.string(), sequence_number: count }).meta({ id: 'ResponseEvent' });

export const deletedResponse = z
  .object({ id: z.string(), object: z.literal('response'), deleted: z.literal(true) })
  .meta({ id: 'DeletedResponse' });

export type ResponsesRequest = z.output<typeof responsesRequest>;
export type ResponseItem = z.output<typeof item>;
export type OutputItem = z.output<typeof outputItem>;
export type Response = z.output<typeof response>;
