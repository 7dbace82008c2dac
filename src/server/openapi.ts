// GET /openapi.json: the document of this API, made from the schemas that check it.
import { z } from 'zod';
import { chatMessage, chatRequest, completionRequest, detokenizeRequest, tokenizeRequest } from './protocol.ts';
import {
  chatChunk,
  chatCompletion,
  completion,
  detokenized,
  errorBody,
  modelList,
  tokenized,
  tokenLogprob,
  usage,
} from './protocol-responses.ts';
import { gradeRequest, gradeResult, problemRequest, taskList, taskProblem } from './protocol-tasks.ts';

interface Operation {
  readonly method: 'get' | 'post';
  readonly paths: readonly string[];
  readonly summary: string;
  readonly body?: string;
  readonly answer: string | 'text';
  readonly chunks?: string;
}

const operations: readonly Operation[] = [
  {
    method: 'post',
    paths: ['/v1/chat/completions', '/chat/completions'],
    summary: 'Answers a conversation.',
    body: 'ChatCompletionRequest',
    answer: 'ChatCompletion',
    chunks: 'ChatCompletionChunk',
  },
  {
    method: 'post',
    paths: ['/v1/completions', '/completions'],
    summary: 'Goes on with a text, or fills in.',
    body: 'CompletionRequest',
    answer: 'Completion',
    chunks: 'Completion',
  },
  { method: 'get', paths: ['/v1/models', '/models'], summary: 'Lists the models.', answer: 'ModelList' },
  {
    method: 'post',
    paths: ['/tokenize'],
    summary: 'Text, or a conversation, to ids.',
    body: 'TokenizeRequest',
    answer: 'Tokenized',
  },
  {
    method: 'post',
    paths: ['/detokenize'],
    summary: 'Ids to text.',
    body: 'DetokenizeRequest',
    answer: 'Detokenized',
  },
  { method: 'get', paths: ['/tokenizer_info'], summary: 'Special tokens and the chat template.', answer: 'object' },
  { method: 'get', paths: ['/minke/tasks'], summary: 'Tasks to try a model on.', answer: 'TaskList' },
  {
    method: 'post',
    paths: ['/minke/tasks/problem'],
    summary: 'A problem of a task, held out of training.',
    body: 'ProblemRequest',
    answer: 'TaskProblem',
  },
  {
    method: 'post',
    paths: ['/minke/tasks/grade'],
    summary: "The grader's word on an answer.",
    body: 'GradeRequest',
    answer: 'Graded',
  },
  { method: 'get', paths: ['/health'], summary: 'Whether it runs.', answer: 'object' },
  { method: 'get', paths: ['/metrics'], summary: "Counters in Prometheus' text form.", answer: 'text' },
];

const schemas = [chatMessage, chatRequest, completionRequest, tokenizeRequest, detokenizeRequest, chatChunk].concat([
  chatCompletion,
  completion,
  detokenized,
  errorBody,
  modelList,
  tokenized,
  tokenLogprob,
  usage,
  ...[taskList, problemRequest, taskProblem, gradeRequest, gradeResult],
] as never[]);

function components(): Record<string, unknown> {
  const registry = z.registry<{ id: string }>();
  for (const schema of schemas) registry.add(schema, { id: schema.meta()?.id as string });
  const made = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}`, io: 'input' });
  return Object.fromEntries(
    Object.entries(made.schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema]),
  );
}

const toSchema = (name: string) => (name === 'object' ? { type: 'object' } : { $ref: `#/components/schemas/${name}` });

function toOperation({ summary, body, answer, chunks }: Operation): object {
  const json = answer === 'text' ? { 'text/plain': {} } : { 'application/json': { schema: toSchema(answer) } };
  const stream = chunks === undefined ? {} : { 'text/event-stream': { schema: toSchema(chunks) } };
  return {
    summary,
    ...(body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: toSchema(body) } } },
    }),
    responses: {
      200: { description: 'OK', content: { ...json, ...stream } },
      default: { description: 'Error', content: { 'application/json': { schema: toSchema('Error') } } },
    },
  };
}

export function openApiDocument(version: string): object {
  const paths = operations.flatMap((operation) =>
    operation.paths.map((path) => [path, { [operation.method]: toOperation(operation) }] as const),
  );
  return {
    openapi: '3.1.0',
    info: { title: 'minke', version, description: "DeepSeek's API, and OpenAI's where they agree, on this machine." },
    paths: Object.fromEntries(paths),
    components: {
      schemas: components(),
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
    security: [{}, { bearer: [] }],
  };
}
