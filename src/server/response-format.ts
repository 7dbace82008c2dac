// The fields of a request that say what its answer must be, in the words of several servers, as one format.
import type { Constraint, JsonSchema } from '../grammar/index.ts';
import type { AnswerFormat } from './conversation.ts';
import { ApiError } from './errors.ts';
import type { FormatRequest } from './protocol.ts';

type ResponseFormat = NonNullable<FormatRequest['response_format']>;

function need<T>(value: T | null | undefined, path: string): T {
  if (value !== null && value !== undefined) return value;
  throw new ApiError(422, `${path}: is missing: send it`, { param: path });
}

const schema = (value: JsonSchema, path: string): AnswerFormat => ({
  constraint: { kind: 'schema', schema: value },
  path,
});

function readResponseFormat(format: ResponseFormat): AnswerFormat | null {
  const at = 'response_format';
  const plain = (constraint: Constraint): AnswerFormat => ({ constraint, path: at });
  switch (format.type) {
    case 'text':
      return null;
    case 'json_object':
      return format.schema ? schema(format.schema, `${at}.schema`) : plain({ kind: 'object' });
    case 'json_schema': {
      const path = `${at}.json_schema.schema`;
      return schema(need(format.json_schema?.schema ?? format.schema, path), path);
    }
    case 'regex':
      return plain({ kind: 'regex', pattern: need(format.pattern, `${at}.pattern`) });
    case 'choice':
      return plain({ kind: 'choice', choices: need(format.choices, `${at}.choices`) });
    case 'grammar':
      return plain({ kind: 'grammar', text: need(format.grammar, `${at}.grammar`) });
  }
}

/** Every field that is given, as a format. */
function* readAll(request: FormatRequest): Generator<AnswerFormat> {
  const { response_format: format, structured_outputs: outputs } = request;
  const own = format ? readResponseFormat(format) : null;
  if (own !== null) yield own;
  const schemas = {
    'structured_outputs.json': outputs?.json,
    guided_json: request.guided_json,
    json_schema: request.json_schema,
  };
  const patterns = {
    'structured_outputs.regex': outputs?.regex,
    guided_regex: request.guided_regex,
    regex: request.regex,
  };
  const choices = { 'structured_outputs.choice': outputs?.choice, guided_choice: request.guided_choice };
  const grammars = {
    'structured_outputs.grammar': outputs?.grammar,
    guided_grammar: request.guided_grammar,
    grammar: request.grammar,
    ebnf: request.ebnf,
  };
  for (const [path, value] of Object.entries(schemas))
    if (value !== null && value !== undefined) yield schema(value, path);
  for (const [path, pattern] of Object.entries(patterns))
    if (pattern) yield { constraint: { kind: 'regex', pattern }, path };
  for (const [path, each] of Object.entries(choices))
    if (each) yield { constraint: { kind: 'choice', choices: each }, path };
  for (const [path, text] of Object.entries(grammars)) if (text) yield { constraint: { kind: 'grammar', text }, path };
  if (outputs?.json_object) yield { constraint: { kind: 'object' }, path: 'structured_outputs.json_object' };
}

/** Returns what the answer must be; null: any text. Throws ApiError 422 where two fields say it. */
export function readFormat(request: FormatRequest): AnswerFormat | null {
  const [first = null, second] = readAll(request);
  if (second === undefined) return first;
  throw new ApiError(422, `${second.path}: the answer has a format already, by ${first?.path}: send one of them`, {
    param: second.path,
  });
}
