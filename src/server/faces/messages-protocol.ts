// Anthropic's Messages as schemas: requests, answers, errors. No Node module is imported.
//
// Blocks are one schema of optional fields; messages.ts checks which ones a type needs. Source: the types of
// @anthropic-ai/sdk.
import { z } from 'zod';
import { unhonored, withUnhonored } from '../parameters.ts';

const text = z.string().max(4 * 1024 * 1024);
const count = z.int().min(0);
const anyObject = z.record(z.string(), z.unknown());

const textBlock = withUnhonored(
  z.object({ type: z.literal('text', { error: 'expected a block of type "text"' }), text }),
  unhonored([['citations', 'leave it out']], 'cache_control'),
);

const block = withUnhonored(
  z.object({
    type: z.enum(['text', 'thinking', 'redacted_thinking', 'tool_use', 'tool_result'], {
      error: 'expected text, thinking, tool_use or tool_result: this server reads text only',
    }),
    text: text.nullish(),
    thinking: text.nullish(),
    signature: text.nullish().describe('Not checked: the thinking is text here.'),
    data: text.nullish(),
    id: z.string().max(256).nullish(),
    name: z.string().max(256).nullish(),
    input: anyObject.nullish(),
    tool_use_id: z.string().max(256).nullish(),
    content: z.union([text, z.array(textBlock).max(1024)], { error: 'expected a text or text blocks' }).nullish(),
    is_error: z.boolean().nullish(),
  }),
  unhonored([['citations', 'leave it out', []]], 'cache_control caller'),
);

export const anthropicMessageParam = z
  .object({
    role: z.enum(['user', 'assistant', 'system']),
    content: z.union([text, z.array(block).max(4096)], { error: 'expected a text or a list of blocks' }),
  })
  .meta({ id: 'AnthropicMessageParam' });

const tool = withUnhonored(
  z.object({
    type: z.literal('custom', { error: 'expected custom: this server runs no tools of its own' }).nullish(),
    name: z.string().min(1).max(256),
    description: text.nullish(),
    input_schema: anyObject,
    strict: z.boolean().nullish(),
  }),
  unhonored(
    [['defer_loading', 'leave it out', false]],
    'cache_control input_examples eager_input_streaming allowed_callers',
  ),
);

const fields = {
  model: z.string().max(256),
  messages: z.array(anthropicMessageParam).min(1, 'expected one message or more').max(4096),
  system: z.union([text, z.array(textBlock).max(1024)], { error: 'expected a text or text blocks' }).nullish(),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: z
    .object({
      type: z.enum(['auto', 'any', 'tool', 'none']),
      name: z.string().max(256).nullish(),
      disable_parallel_tool_use: z.boolean().nullish(),
    })
    .nullish(),
  thinking: withUnhonored(
    z.object({
      type: z.enum(['enabled', 'disabled', 'adaptive']),
      budget_tokens: count.nullish().describe('The most thinking tokens.'),
    }),
    unhonored([['display', 'the thinking is returned; leave it out', 'summarized', 'omitted']]),
  )
    .nullish()
    .describe("Default: what the model's chat template does."),
  output_config: z
    .object({
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      format: z.object({ type: z.literal('json_schema'), schema: anyObject }).nullish(),
    })
    .nullish(),
};

const accepted = 'metadata service_tier cache_control user_profile_id workspace_id inference_geo diagnostics';
const refusals = [
  ['container mcp_servers context_management', 'leave it out'],
  ['speed', 'leave it out', 'standard'],
  ['output_format', 'use output_config.format'],
  ['stop', 'use stop_sequences'],
  ['max_completion_tokens', 'use max_tokens'],
] as const;

export const messagesRequest = withUnhonored(
  z
    .object({
      ...fields,
      max_tokens: z.int().min(1),
      stop_sequences: z.array(z.string().max(1024)).max(16).nullish(),
      stream: z.boolean().nullish(),
      temperature: z.number().min(0).max(2).nullish(),
      top_p: z.number().min(0).max(1).nullish(),
      top_k: z.int().min(-1).nullish(),
    })
    .meta({ id: 'AnthropicMessagesRequest' }),
  unhonored(refusals, accepted),
);

export const countTokensRequest = withUnhonored(
  z.object(fields).meta({ id: 'AnthropicCountTokensRequest' }),
  unhonored(refusals, accepted),
);

const usage = z.object({
  input_tokens: count.describe('Those that were not in the prefix cache.'),
  output_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
});

const answerBlock = z.discriminatedUnion('type', [
  z.object({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() }),
  z.object({ type: z.literal('text'), text: z.string(), citations: z.null() }),
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: anyObject }),
]);

export const anthropicMessage = z
  .object({
    id: z.string(),
    type: z.literal('message'),
    role: z.literal('assistant'),
    model: z.string(),
    content: z.array(answerBlock),
    stop_reason: z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use']).nullable(),
    stop_sequence: z.string().nullable(),
    usage,
  })
  .meta({ id: 'AnthropicMessage' });

export const anthropicEvent = z
  .object({
    type: z.enum([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
      'error',
    ]),
  })
  .meta({ id: 'AnthropicEvent' });

export const tokenCount = z.object({ input_tokens: count }).meta({ id: 'AnthropicTokenCount' });

export const anthropicError = z
  .object({
    type: z.literal('error'),
    error: z.object({ type: z.string(), message: z.string() }),
    request_id: z.string(),
  })
  .meta({ id: 'AnthropicError' });

export type MessagesRequest = z.output<typeof messagesRequest>;
export type CountTokensRequest = z.output<typeof countTokensRequest>;
export type AnthropicBlock = z.output<typeof block>;
export type AnthropicMessageParam = z.output<typeof anthropicMessageParam>;
export type AnswerBlock = z.output<typeof answerBlock>;
export type AnthropicMessage = z.output<typeof anthropicMessage>;
export type AnthropicUsage = z.output<typeof usage>;
