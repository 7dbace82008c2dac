// GET /openapi.json: the description of this API, made from the schemas that validate its requests.
import { z } from 'zod';
import { type ErrorShape, errorShape } from './faces/error-shapes.ts';
import * as messages from './faces/messages-protocol.ts';
import * as ollama from './faces/ollama-protocol.ts';
import * as faceResponses from './faces/responses-protocol.ts';
import { describeUnhonored, unhonoredIn } from './parameters.ts';
import * as requests from './protocol.ts';
import * as responses from './protocol-responses.ts';
import * as tasks from './protocol-tasks.ts';

/** Paths are separated by spaces. The response is a schema's name, `object` or `text`. */
type Operation = readonly [
  method: 'get' | 'post' | 'delete',
  paths: string,
  summary: string,
  response: string,
  body?: string,
  chunk?: string,
];

const chatPaths = '/v1/chat/completions /chat/completions';
const operations: readonly Operation[] = [
  ['post', chatPaths, 'Answers a conversation.', 'ChatCompletion', 'ChatCompletionRequest', 'ChatCompletionChunk'],
  ['post', '/v1/completions /completions', 'Completes a text.', 'Completion', 'CompletionRequest', 'Completion'],
  ['post', '/v1/responses /responses', 'Answers as OpenAI.', 'Response', 'ResponsesRequest', 'ResponseEvent'],
  ['get', '/v1/responses/{id}', 'Returns a response that is kept.', 'Response'],
  ['delete', '/v1/responses/{id}', 'Forgets a response.', 'DeletedResponse'],
  [
    'post',
    '/v1/messages /anthropic/v1/messages',
    'Answers as Anthropic.',
    'AnthropicMessage',
    'AnthropicMessagesRequest',
    'AnthropicEvent',
  ],
  [
    'post',
    '/v1/messages/count_tokens /anthropic/v1/messages/count_tokens',
    'Counts the tokens of a conversation.',
    'AnthropicTokenCount',
    'AnthropicCountTokensRequest',
  ],
  ['post', '/api/chat', 'Answers as Ollama, in JSON lines.', 'OllamaChatResponse', 'OllamaChatRequest'],
  ['post', '/api/generate', 'Answers a prompt as Ollama.', 'OllamaGenerateResponse', 'OllamaGenerateRequest'],
  ['post', '/api/show', 'Describes a model as Ollama.', 'object', 'OllamaShowRequest'],
  ['get', '/api/tags /api/ps', 'Lists the models as Ollama.', 'OllamaModels'],
  ['get', '/api/version', 'Returns the version of minke.', 'object'],
  [
    'post',
    '/v1/embeddings /embeddings /api/embed /api/embeddings',
    'Refuses: no model here was trained for embeddings.',
    'object',
    'EmbeddingsRequest',
  ],
  ['get', '/v1/models /models', 'Lists the models.', 'ModelList'],
  ['get', '/v1/models/{id} /models/{id}', 'Describes a model.', 'Model'],
  ['post', '/apply-template', 'Renders a conversation to its prompt.', 'AppliedTemplate', 'ApplyTemplateRequest'],
  ['post', '/tokenize', 'Converts a text or a conversation to token ids.', 'Tokenized', 'TokenizeRequest'],
  ['post', '/detokenize', 'Converts token ids to text.', 'Detokenized', 'DetokenizeRequest'],
  ['get', '/tokenizer_info', 'Describes special tokens and the chat template.', 'object'],
  ['get', '/minke/tasks', 'Lists the tasks on which the model `?model=` can be tried.', 'TaskList'],
  ['post', '/minke/tasks/problem', 'Draws a problem that was held out of training.', 'TaskProblem', 'ProblemRequest'],
  ['post', '/minke/tasks/grade', 'Grades an answer to a problem.', 'TaskVerdict', 'GradeRequest'],
  ['get', '/health', 'Says that the server runs, and lists its further routes.', 'object'],
  ['get', '/metrics', 'Returns metrics in the text format of Prometheus.', 'text'],
];

/** The exported schemas that have an id, by which the document names them. */
const schemas: readonly z.ZodType[] = [requests, responses, tasks, messages, faceResponses, ollama]
  .flatMap((each): readonly z.ZodType[] => Object.values(each))
  .filter((schema) => schema.meta()?.id !== undefined);

const errorSchemas: Readonly<Record<ErrorShape, string>> = {
  openai: 'Error',
  anthropic: 'AnthropicError',
  ollama: 'OllamaError',
};

function components(): Record<string, unknown> {
  const registry = z.registry<{ id: string }>();
  for (const schema of schemas) registry.add(schema, { id: schema.meta()?.id as string });
  const generated = z.toJSONSchema(registry, {
    uri: (id) => `#/components/schemas/${id}`,
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      if (jsonSchema.properties) Object.assign(jsonSchema.properties, describeUnhonored(unhonoredIn(zodSchema)));
    },
  });
  return Object.fromEntries(
    Object.entries(generated.schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema]),
  );
}

const schemaReference = (name: string) =>
  name === 'object' ? { type: 'object' } : { $ref: `#/components/schemas/${name}` };

function toOperation([method, , summary, response, body, chunk]: Operation, path: string): object {
  const json =
    response === 'text' ? { 'text/plain': {} } : { 'application/json': { schema: schemaReference(response) } };
  const stream = chunk === undefined ? {} : { 'text/event-stream': { schema: schemaReference(chunk) } };
  const error = {
    description: 'Error',
    content: { 'application/json': { schema: schemaReference(errorSchemas[errorShape(path)]) } },
  };
  return {
    summary,
    operationId: `${method}${path.replaceAll(/[^a-z0-9]+/gi, '_').replace(/_$/, '')}`,
    ...(path.includes('{id}') && {
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
    }),
    ...(body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaReference(body) } } },
    }),
    responses: {
      200: { description: 'OK', content: { ...json, ...stream } },
      '4XX': error,
      default: error,
    },
  };
}

export function openApiDocument(version: string): object {
  const paths: Record<string, object> = {};
  for (const operation of operations)
    for (const path of operation[1].split(' '))
      paths[path] = { ...paths[path], [operation[0]]: toOperation(operation, path) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'minke',
      version,
      description: 'Chat and completions as DeepSeek and OpenAI have them, Responses, Anthropic Messages, and Ollama.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'The server that this document is of.' }],
    paths,
    components: {
      schemas: components(),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        key: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
    security: [{}, { bearer: [] }, { key: [] }],
  };
}
