// GET /openapi.json: the description of this API, made from the schemas that validate its requests.
import { z } from 'zod';
import { describeUnhonored, unhonoredIn } from './parameters.ts';
import * as requests from './protocol.ts';
import * as responses from './protocol-responses.ts';
import * as tasks from './protocol-tasks.ts';

/** Paths are separated by spaces. The response is a schema's name, `object` or `text`. */
type Operation = readonly [
  method: 'get' | 'post',
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
  ['get', '/v1/models /models', 'Lists the models.', 'ModelList'],
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
const schemas: readonly z.ZodType[] = Object.values({ ...requests, ...responses, ...tasks }).filter(
  (schema) => schema.meta()?.id !== undefined,
);

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

function toOperation([, , summary, response, body, chunk]: Operation): object {
  const json =
    response === 'text' ? { 'text/plain': {} } : { 'application/json': { schema: schemaReference(response) } };
  const stream = chunk === undefined ? {} : { 'text/event-stream': { schema: schemaReference(chunk) } };
  return {
    summary,
    ...(body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: schemaReference(body) } } },
    }),
    responses: {
      200: { description: 'OK', content: { ...json, ...stream } },
      default: { description: 'Error', content: { 'application/json': { schema: schemaReference('Error') } } },
    },
  };
}

export function openApiDocument(version: string): object {
  const paths = operations.flatMap((operation) =>
    operation[1].split(' ').map((path) => [path, { [operation[0]]: toOperation(operation) }] as const),
  );
  return {
    openapi: '3.1.0',
    info: { title: 'minke', version, description: 'The API of DeepSeek, and of OpenAI where the two agree.' },
    paths: Object.fromEntries(paths),
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
