// Requests as schemas: DeepSeek's chat and completions with OpenAI's fields and a few extensions.
//
// One schema gives the validation, the type and the OpenAPI document. Parameters that are not honored come from
// parameters.ts. null means absent; wrong types and sizes are refused with their path. No Node module is imported.
// Sources: api-docs.deepseek.com (chat, FIM), OpenAI's reference (legacy completions), vLLM (/tokenize).
import { z } from 'zod';
import {
  unhonoredInMessages,
  unhonoredInParts,
  unhonoredInStreamOptions,
  unhonoredInThinking,
  unhonoredOnChat,
  unhonoredOnCompletions,
  unhonoredOnTokenize,
  withUnhonored,
} from './parameters.ts';

const maxTextLength = 4 * 1024 * 1024;
const text = z.string().max(maxTextLength);

const role = z.enum(['system', 'developer', 'user', 'assistant', 'tool']);

const contentPart = withUnhonored(
  z.object({
    type: z.literal('text', { error: 'expected a part of type "text": this server reads text only' }),
    text,
  }),
  unhonoredInParts,
);

const jsonSchema = z.union([z.boolean(), z.record(z.string(), z.unknown())], {
  error: 'expected a JSON Schema: an object, true or false',
});

/** What the answer must be: OpenAI's field, and those of vLLM, SGLang and llama.cpp. */
const formats = {
  response_format: z
    .object({
      type: z.enum(['text', 'json_object', 'json_schema', 'regex', 'choice', 'grammar']),
      json_schema: z
        .object({
          name: z.string().max(256).nullish(),
          description: text.nullish(),
          schema: jsonSchema.nullish(),
          strict: z.boolean().nullish(),
        })
        .nullish(),
      schema: jsonSchema.nullish().describe('With json_object: as llama.cpp has it.'),
      pattern: text.nullish().describe('Extension, with regex: what the whole answer matches.'),
      choices: z.array(text).max(1024).nullish().describe('Extension, with choice.'),
      grammar: text.nullish().describe('Extension, with grammar: EBNF or GBNF.'),
    })
    .nullish()
    .describe('The answer after the thinking is held to it token by token. What cannot be enforced is refused.'),
  structured_outputs: z
    .object({
      json: jsonSchema.nullish(),
      json_object: z.boolean().nullish(),
      regex: text.nullish(),
      choice: z.array(text).max(1024).nullish(),
      grammar: text.nullish(),
    })
    .nullish()
    .describe("vLLM's response_format."),
  guided_json: jsonSchema.nullish().describe("vLLM's earlier name of response_format json_schema."),
  guided_regex: text.nullish().describe("vLLM's earlier name of response_format regex."),
  guided_choice: z.array(text).max(1024).nullish().describe("vLLM's earlier name of response_format choice."),
  guided_grammar: text.nullish().describe("vLLM's earlier name of response_format grammar."),
  json_schema: jsonSchema.nullish().describe("llama.cpp's response_format json_schema."),
  grammar: text.nullish().describe("llama.cpp's response_format grammar, in GBNF."),
  regex: text.nullish().describe("SGLang's response_format regex."),
  ebnf: text.nullish().describe("SGLang's response_format grammar."),
};

const tool = z.object({
  type: z.literal('function', { error: 'expected "function": this server runs no tools of its own' }),
  function: z.object({
    name: z.string().max(128),
    description: text.nullish(),
    parameters: jsonSchema.nullish(),
    strict: z.boolean().nullish().describe('Arguments are held to the schema; one that cannot be is refused.'),
  }),
});

const toolChoice = z
  .union(
    [
      z.enum(['none', 'auto', 'required']),
      z.object({ type: z.literal('function'), function: z.object({ name: z.string().max(128) }) }),
    ],
    {
      error: 'expected none, auto, required, or {"type": "function", "function": {"name": ...}}',
    },
  )
  .nullish();

const toolCall = z.object({
  index: z.int().nullish(),
  id: z.string().max(256).nullish(),
  type: z.literal('function').nullish(),
  function: z.object({ name: z.string().max(256), arguments: text }),
});

export const chatMessage = withUnhonored(
  z
    .object({
      role,
      content: z
        .union([text, z.array(contentPart).max(1024)], { error: 'expected a text, a list of text parts, or null' })
        .nullish(),
      name: z.string().max(256).nullish(),
      reasoning_content: text.nullish().describe('The thinking of an earlier answer, as this server returned it.'),
      reasoning: text.nullish().describe('Another name of reasoning_content.'),
      tool_calls: z.array(toolCall).max(128).nullish(),
      tool_call_id: z.string().max(256).nullish(),
      prefix: z.boolean().nullish().describe('On the last message, from the assistant: the answer continues it.'),
    })
    .meta({ id: 'ChatMessage' }),
  unhonoredInMessages,
);

const stop = z
  .union([z.string().max(1024), z.array(z.string().max(1024)).max(16)], {
    error: 'expected a text, or a list of at most 16 texts of at most 1024 characters',
  })
  .nullish()
  .describe('Texts that end the answer and are no part of it. In chat they do not act on the thinking.');

const tokenIds = z.array(z.int().min(0)).max(1_048_576);

const sampling = {
  model: z.string().max(256).nullish().describe('Default: the first model that is served.'),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish().describe('0: only the most probable token.'),
  top_k: z.int().min(-1).nullish().describe('Extension. 0 or -1: all tokens.'),
  min_p: z.number().min(0).max(1).nullish().describe('Extension.'),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  repetition_penalty: z.number().gt(0).max(10).nullish().describe('Extension. 1: no penalty.'),
  seed: z.int().nullish().describe('An integer; its lowest 32 bits are used.'),
  logit_bias: z
    .record(z.string().regex(/^\d{1,9}$/, 'expected token ids as keys'), z.number().min(-100).max(100))
    .nullish(),
  stop,
  stop_token_ids: z
    .array(z.int().min(0))
    .max(1024)
    .nullish()
    .describe('Extension: tokens that end the answer, in chat only after the thinking, and are not in its text.'),
  min_tokens: z.int().min(0).nullish().describe('Extension: the answer does not end before.'),
  n: z.int().min(1).max(16).nullish(),
  stream: z.boolean().nullish(),
  stream_options: withUnhonored(
    z.object({
      include_usage: z.boolean().nullish().describe('true: on a chunk of its own; default: on the last chunk.'),
    }),
    unhonoredInStreamOptions,
  ).nullish(),
  ignore_eos: z.boolean().nullish().describe('Extension: continue after end tokens.'),
  reasoning_budget: z.int().min(0).nullish().describe('Extension: max thinking tokens.'),
  cache_salt: z
    .string()
    .max(1024)
    .nullish()
    .describe('Extension: only requests with the same salt and the same key share cached prefixes.'),
};

/** What an answer tells besides, in chat and completions. */
const reports = {
  return_token_ids: z.boolean().nullish().describe("Extension, vLLM's: the ids of prompt and answer."),
  timings: z.boolean().nullish().describe("Extension: times and rates in llama.cpp's fields, at the end."),
};

/** How a conversation ends: vLLM's fields. */
const finalMessage = {
  continue_final_message: z
    .boolean()
    .nullish()
    .describe('The answer continues the last message, of the assistant, as with prefix: true on it.'),
  add_generation_prompt: z.boolean().nullish().describe('false only with continue_final_message.'),
};

const templateVariables = z
  .record(z.string().max(64), z.union([z.boolean(), z.number()], { error: 'expected a boolean or a number' }))
  .nullish()
  .describe('Extension: variables of the chat template.');

export const chatRequest = withUnhonored(
  z
    .object({
      messages: z.array(chatMessage).min(1, 'expected one message or more').max(4096),
      ...sampling,
      ...formats,
      tools: z.array(tool).max(128).nullish(),
      tool_choice: toolChoice,
      parallel_tool_calls: z.boolean().nullish().describe('false: at most one call in an answer.'),
      max_tokens: z.int().min(1).nullish(),
      max_completion_tokens: z.int().min(1).nullish(),
      logprobs: z.boolean().nullish(),
      top_logprobs: z.int().min(0).max(20).nullish(),
      prompt_logprobs: z
        .int()
        .min(0)
        .max(20)
        .nullish()
        .describe("Extension, vLLM's: the log-probability of each token of the prompt, and of so many alternatives."),
      ...reports,
      ...finalMessage,
      include_reasoning: z
        .boolean()
        .nullish()
        .describe('Extension. true: return the thinking as `reasoning` too; false: leave it out.'),
      thinking: withUnhonored(
        z.object({
          type: z.enum(['enabled', 'disabled']),
          budget_tokens: z.int().min(0).nullish().describe('Extension: the most thinking tokens.'),
        }),
        unhonoredInThinking,
      )
        .nullish()
        .describe('Works with every template that knows thinking; refused for a model that does not think.'),
      reasoning_effort: z
        .enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])
        .nullish()
        .describe(
          'none: no thinking. Others are a variable of the chat template or, where it has none, a budget of tokens: ' +
            'minimal 512, low 1,024, medium 8,192, high 24,576; xhigh and max: no limit.',
        ),
      chat_template_kwargs: templateVariables,
    })
    .meta({ id: 'ChatCompletionRequest' }),
  unhonoredOnChat,
);

export const completionRequest = withUnhonored(
  z
    .object({
      prompt: z.union([text, tokenIds, z.array(z.union([text, tokenIds])).max(1024)], {
        error: 'expected a text, a list of token ids, or a list of such',
      }),
      ...sampling,
      ...formats,
      suffix: text.nullish().describe('The text that follows; the model fills in the middle.'),
      max_tokens: z.int().min(0).nullish().describe('Default: 16, as in OpenAI.'),
      logprobs: z.int().min(0).max(20).nullish().describe('The number of alternatives to return with each token.'),
      echo: z.boolean().nullish(),
      ...reports,
      best_of: z.int().min(1).max(16).nullish(),
      parse_special: z
        .boolean()
        .nullish()
        .describe('Extension: names of special tokens in the prompt become those tokens. Default: they are text.'),
      add_special_tokens: z.boolean().nullish().describe('Extension. Default: true.'),
    })
    .meta({ id: 'CompletionRequest' }),
  unhonoredOnCompletions,
);

export const tokenizeRequest = withUnhonored(
  z
    .object({
      model: sampling.model,
      prompt: text.nullish(),
      content: text.nullish().describe('Another name of prompt.'),
      messages: z.array(chatMessage).max(4096).nullish(),
      add_special_tokens: z.boolean().nullish(),
      parse_special: z.boolean().nullish().describe('Default: true.'),
      ...finalMessage,
      chat_template_kwargs: templateVariables,
    })
    .meta({ id: 'TokenizeRequest' }),
  unhonoredOnTokenize,
);

export const applyTemplateRequest = withUnhonored(
  z
    .object({
      model: sampling.model,
      messages: z.array(chatMessage).min(1, 'expected one message or more').max(4096),
      ...finalMessage,
      chat_template_kwargs: templateVariables,
    })
    .meta({ id: 'ApplyTemplateRequest' }),
  unhonoredOnTokenize,
);

export const embeddingsRequest = z
  .looseObject({ model: sampling.model })
  .meta({ id: 'EmbeddingsRequest', description: 'Refused: no model that is served was trained for embeddings.' });

export const detokenizeRequest = z
  .object({ model: sampling.model, tokens: tokenIds })
  .meta({ id: 'DetokenizeRequest' });

export type ChatMessage = z.output<typeof chatMessage>;
export type ChatRequest = z.output<typeof chatRequest>;
export type CompletionRequest = z.output<typeof completionRequest>;
export type TokenizeRequest = z.output<typeof tokenizeRequest>;
export type ApplyTemplateRequest = z.output<typeof applyTemplateRequest>;
export type EmbeddingsRequest = z.output<typeof embeddingsRequest>;
export type DetokenizeRequest = z.output<typeof detokenizeRequest>;
/** The fields that say what an answer must be. */
export type FormatRequest = Pick<CompletionRequest, keyof typeof formats>;
/** The fields that chat and completions share. */
export type SamplingRequest = Pick<CompletionRequest, keyof typeof sampling>;
