// Thousands of malformed requests, always the same ones. npm test -- server/fuzz
//
// Every response has an allowed status and a valid body, contains nothing of another request's prompt, and leaves no
// generation running. A failure names the seed of its request.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Random } from '../math/index.ts';
import { createApp } from './app.ts';
import { errorShape } from './faces/error-shapes.ts';
import { anthropicError } from './faces/messages-protocol.ts';
import { ollamaError } from './faces/ollama-protocol.ts';
import { openApiDocument } from './openapi.ts';
import { chatChunk, chatCompletion, completion, errorBody } from './protocol-responses.ts';
import { TestModel } from './test-model.ts';

/** The long check sends all of them, `npm test` a sample. */
const count = process.env.MINKE_LONG ? 10_000 : 2000;
const atOnce = 25;

/** The answer repeats the marks of its prompt. */
const model = new TestModel({
  capacity: 6,
  contextLength: 1024,
  script: (prompt) => ({ thinking: 'Hm.', answer: `you said ${prompt.match(/mark\d+z/g)?.join(' ') ?? 'nothing'}` }),
});
const errors: unknown[] = [];
const app = createApp(model, {
  onError: (error) => errors.push(error),
  onIgnored: (message) => assert.match(message, /^\[\/[a-z0-9_/]+\] [\x21-\x7e]+ is not a parameter and is ignored; /),
  maxLive: 16,
  maxBodyBytes: 20_000,
  keys: ['k'],
});

const deep = (n: number): unknown => (n === 0 ? 1 : [deep(n - 1)]);

const junk: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 2 ** 31, 2 ** 53, -(2 ** 53), 1e300, 0.1, '', 'x', '\ud800', '\u0000', '�'],
  ...['<｜User｜>', '<think>', '</think>', '<｜end▁of▁sentence｜>', '{{ messages }}', '__proto__', 'x'.repeat(3000)],
  ...[[], {}, [[]], [null], [1, 'a'], [[1], 'a'], { length: 5 }, { type: 'json_object' }, deep(60), deep(70)],
  ...[{ role: 'user' }, [{ role: 'user', content: 'hi' }], [{ type: 'text', text: 'a' }], [0], [348], [999], [[1, 2]]],
  ...[{ '1': 5 }, { '-1': 5 }, { '347': -100 }, { include_usage: true }, ['\n', ''], 'required', 16, 17, 20, 21],
];

const fields = (
  'messages prompt model temperature top_p top_k min_p presence_penalty frequency_penalty repetition_penalty seed ' +
  'logit_bias stop n stream stream_options ignore_eos reasoning_budget max_tokens max_completion_tokens logprobs ' +
  'top_logprobs include_reasoning thinking chat_template_kwargs response_format tools tool_choice suffix echo ' +
  'best_of parse_special add_special_tokens tokens content role name reasoning_content tool_calls prefix'
).split(' ');

function validBody(path: string, mark: string, dice: Random): Record<string, unknown> {
  const common = { stream: dice.chance(0.4), max_tokens: dice.pick([1, 8, 64]), seed: dice.below(99) };
  if (path.endsWith('chat/completions'))
    return { ...common, messages: [{ role: 'user', content: mark }], logprobs: dice.chance(0.2) };
  if (path.endsWith('completions'))
    return { ...common, prompt: dice.pick<unknown>([mark, [mark], [5, 6, 7]]), echo: dice.chance(0.3) };
  return path === '/tokenize' ? { prompt: mark } : { tokens: [1, 2, 3] };
}

/** Replaces a random field by junk. */
function spoil(value: unknown, dice: Random): unknown {
  if (typeof value !== 'object' || value === null || dice.chance(0.2)) return dice.pick(junk);
  if (Array.isArray(value)) {
    if (value.length === 0 || dice.chance(0.3)) return [...value, dice.pick(junk)];
    const at = dice.below(value.length);
    return value.map((each, i) => (i === at ? spoil(each, dice) : each));
  }
  const key = dice.chance(0.5) ? dice.pick(Object.keys(value).concat('x')) : dice.pick(fields);
  return { ...value, [key]: key in value ? spoil((value as Record<string, unknown>)[key], dice) : dice.pick(junk) };
}

/** Cuts, flips and duplicates bytes. */
function tear(bytes: Uint8Array, dice: Random): Uint8Array {
  const torn = bytes.slice(0, dice.chance(0.3) ? dice.below(bytes.length + 1) : bytes.length);
  for (let i = dice.below(4); i > 0 && torn.length > 0; i--) torn[dice.below(torn.length)] = dice.below(256);
  return dice.chance(0.1) ? new Uint8Array([...torn, ...torn]) : torn;
}

const paths = [
  '/v1/chat/completions',
  '/chat/completions',
  '/v1/completions',
  '/completions',
  '/tokenize',
  '/detokenize',
];
const documented = Object.keys((openApiDocument('0.0.0') as { readonly paths: object }).paths);
const others = [...documented, '/openapi.json', '/', '/v1', '/%00', '/../x', '//'];

function newBody(path: string, mark: string, dice: Random): Uint8Array {
  let body: unknown = validBody(path, mark, dice);
  if (dice.chance(0.75)) for (let i = dice.below(3); i >= 0; i--) body = spoil(body, dice);
  let text = JSON.stringify(body) ?? '';
  if (dice.chance(0.05)) text = text.replace(/\d+/, dice.pick(['1e999', '-1e999', '9'.repeat(400), '-0', '1e-400']));
  if (dice.chance(0.03)) text = text.replace('{', '{"__proto__":{"stream":true},"constructor":1,');
  if (dice.chance(0.01)) text = '[{"a":'.repeat(dice.below(9000));
  const bytes = new TextEncoder().encode(text);
  return dice.chance(0.15) ? tear(bytes, dice) : bytes;
}

function newRequest(seed: number, body: Uint8Array | null, path: string, dice: Random, signal: AbortSignal): Request {
  const headers: Record<string, string> = dice.chance(0.97) ? { authorization: 'Bearer k' } : {};
  if (dice.chance(0.02)) headers.host = dice.pick(['evil.example', '127.0.0.1', 'localhost:1', '[::1]', '%%']);
  if (dice.chance(0.02)) headers.origin = dice.pick(['null', 'http://localhost', 'https://evil.example', 'x']);
  if (dice.chance(0.01)) headers['content-length'] = dice.pick(['-1', 'x', '99999999999']);
  const method = body !== null ? 'POST' : dice.pick(['GET', 'DELETE', 'OPTIONS', 'PUT', 'HEAD']);
  const url = `http://localhost${path}${dice.chance(0.05) ? `?seed=${seed}` : ''}`;
  return new Request(url, { method, headers, signal, body });
}

const expected = [200, 400, 401, 403, 404, 405, 413, 422, 429];
/** 408 is for clients that left before the answer was ready, which depends on the speed of the machine. */
const allowed = new Set([...expected, 408]);

function checkEvents(text: string, path: string, cut: boolean): void {
  const list = text.split('\n\n');
  if (!cut) assert.equal(list.pop(), '', 'ends with a whole event');
  else list.pop();
  for (const [i, event] of list.entries()) {
    if (event.startsWith(':')) continue;
    assert.ok(event.startsWith('data: '));
    const data = event.slice(6);
    if (data === '[DONE]') assert.equal(i, list.length - 1);
    else if (data.startsWith('{"error"')) errorBody.parse(JSON.parse(data));
    else if (path.endsWith('chat/completions')) chatChunk.parse(JSON.parse(data));
    else completion.parse(JSON.parse(data));
  }
}

function checkAnswer(text: string, path: string): void {
  const value = JSON.parse(text);
  if (path.endsWith('chat/completions')) chatCompletion.parse(value);
  else if (path.endsWith('completions')) completion.parse(value);
}

const errorBodies = { openai: errorBody, anthropic: anthropicError, ollama: ollamaError };
const statuses = new Map<number, number>();

async function one(seed: number): Promise<void> {
  const dice = new Random(seed);
  const mark = `mark${seed}z`;
  const controller = new AbortController();
  const isPost = dice.chance(0.92);
  const asked = isPost ? dice.pick(paths) : dice.pick([...others, ...paths]);
  const body = isPost ? newBody(asked, mark, dice) : null;
  const request = newRequest(seed, body, asked, dice, controller.signal);
  const path = new URL(request.url).pathname;
  if (dice.chance(0.03)) setImmediate(() => controller.abort());
  const response = await app.fetch(request);
  assert.ok(
    allowed.has(response.status) || (response.status === 204 && request.method === 'OPTIONS'),
    `${response.status}`,
  );
  statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
  const type = response.headers.get('content-type') ?? '';
  const isStream = type.startsWith('text/event-stream');
  const cut = isStream && dice.chance(0.2);
  let text = '';
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let taken = 0; reader !== undefined; taken++) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    if (cut && taken === seed % 5) {
      await reader.cancel();
      break;
    }
  }
  const own = new TextDecoder().decode(body ?? new Uint8Array());
  for (const found of text.match(/mark\d+z/g) ?? []) assert.ok(own.includes(found), `${found} is another's prompt`);
  if (isStream) checkEvents(text, path, cut);
  else if (request.method === 'HEAD') assert.equal(text, '');
  else if (response.status >= 400) errorBodies[errorShape(path)].parse(JSON.parse(text));
  else if (type.startsWith('application/json')) checkAnswer(text, path);
}

describe('fuzz', () => {
  const rejections: unknown[] = [];
  const rejected = (error: unknown) => rejections.push(error);
  process.on('unhandledRejection', rejected);
  after(() => process.off('unhandledRejection', rejected));

  test(`${count} requests, ${atOnce} at once`, async () => {
    for (let from = 0; from < count; from += atOnce)
      await Promise.all(
        Array.from({ length: atOnce }, (_, i) =>
          one(from + i).catch((error) => {
            throw new Error(`request ${from + i}: ${error.message}`, { cause: error });
          }),
        ),
      );
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(errors, []);
    assert.deepEqual(rejections, []);
    assert.deepEqual([model.live, app.live], [0, 0]);
    assert.ok((statuses.get(200) ?? 0) > count / 5, 'many are answered');
    for (const status of expected) assert.ok(statuses.has(status), `no request got ${status}`);
  });
});
