// Functions and formats through every protocol, by its unmodified client. npm test -- faces/calls
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { listen, type RunningServer } from '../listen.ts';
import { TestModel } from '../test-model.ts';
import { caller, json, post, serve } from '../test-requests.ts';

const scripted = new TestModel(caller);
const model = 'test-model';
const ignored: string[] = [];
let server: RunningServer;
let openai: OpenAI;

before(async () => {
  server = await listen(scripted, { port: 0, keys: ['secret'], onIgnored: (message) => ignored.push(message) });
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret', maxRetries: 0 });
});
after(async () => {
  await server.close(0);
  assert.deepEqual(ignored, []);
  for (const { constraint } of scripted.requestedOptions) assert.ok(constraint);
});

const integer = { type: 'integer' as const };
const schema = {
  type: 'object' as const,
  properties: { a: integer, b: integer },
  required: ['a', 'b'],
  additionalProperties: false,
};
const sums = { type: 'object', properties: { sum: integer }, required: ['sum'], additionalProperties: false };
const description = 'Adds two numbers.';
const messages = [{ role: 'user' as const, content: 'Add.' }];
const inJson = [{ role: 'user' as const, content: 'In JSON.' }];
const add = ({ a, b }: { a: number; b: number }) => String(a + b);
const expected = [
  ['add', { a: 1, b: 2 }],
  ['add', { a: 3, b: 4 }],
];
const summary = 'It is 3 and 7.';

test('openai, chat completions: runTools, whole and streamed; parse', async () => {
  const tool = { name: 'add', description, parameters: schema, strict: true, parse: JSON.parse, function: add };
  const asked = { model, messages, tools: [{ type: 'function' as const, function: tool }] };
  const runner = openai.chat.completions.runTools(asked);
  assert.equal(await runner.finalContent(), summary);
  assert.deepEqual(
    runner.messages.map(({ role, content }) => [role, role === 'assistant' ? content : `${content}`]),
    [
      ['user', 'Add.'],
      ['assistant', null],
      ['tool', '3'],
      ['tool', '7'],
      ['assistant', summary],
    ],
  );
  assert.equal(await openai.chat.completions.runTools({ ...asked, stream: true }).finalContent(), summary);
  const response_format = zodResponseFormat(z.object({ sum: z.number() }), 'sums');
  const parsed = await openai.chat.completions.parse({ model, messages: inJson, response_format });
  assert.deepEqual(parsed.choices[0]?.message.parsed, { sum: 2 });
});

test('openai, responses: calls, whole and streamed; their results; parse', async () => {
  const tools = [{ type: 'function' as const, name: 'add', description, parameters: schema, strict: true }];
  const asked = { model, input: 'Add.', tools, tool_choice: 'required' as const };
  const first = await openai.responses.create(asked);
  const read = ({ output }: Pick<typeof first, 'output'>) =>
    output.flatMap((item) => (item.type === 'function_call' ? [[item.name, JSON.parse(item.arguments)]] : []));
  assert.deepEqual([first.status, read(first)], ['completed', expected]);
  assert.deepEqual(read(await openai.responses.stream(asked).finalResponse()), expected);
  const input = first.output.flatMap((item) => {
    if (item.type !== 'function_call') return [];
    const output = add(JSON.parse(item.arguments));
    return [{ type: 'function_call_output' as const, call_id: item.call_id, output }];
  });
  const second = await openai.responses.create({ model, tools, input, previous_response_id: first.id });
  assert.equal(second.output_text, summary);
  const text = { format: zodTextFormat(z.object({ sum: z.number() }), 'sums') };
  assert.deepEqual((await openai.responses.parse({ model, input: 'In JSON.', text })).output_parsed, { sum: 2 });
});

test('@anthropic-ai/sdk: calls, whole and streamed; their results; a format', async () => {
  const client = new Anthropic({ baseURL: server.url, apiKey: 'secret', maxRetries: 0 });
  const tools = [{ name: 'add', description, input_schema: schema, strict: true }];
  const asked = { model, max_tokens: 1000, tools, messages };
  const first = await client.messages.create({ ...asked, tool_choice: { type: 'any' } });
  const read = ({ content }: Pick<typeof first, 'content'>) =>
    content.flatMap((block) => (block.type === 'tool_use' ? [[block.name, block.input]] : []));
  assert.deepEqual([first.stop_reason, read(first)], ['tool_use', expected]);
  const streamed = await client.messages.stream(asked).finalMessage();
  assert.deepEqual([streamed.stop_reason, read(streamed)], ['tool_use', expected]);
  const results = first.content.flatMap((block) => {
    if (block.type !== 'tool_use') return [];
    const content = add(block.input as Parameters<typeof add>[0]);
    return [{ type: 'tool_result' as const, tool_use_id: block.id, content }];
  });
  const turns = [
    ...messages,
    { role: 'assistant' as const, content: first.content },
    { role: 'user' as const, content: results },
  ];
  const last = (message: typeof first) => message.content.at(-1);
  assert.deepEqual(last(await client.messages.create({ ...asked, messages: turns })), {
    type: 'text',
    text: summary,
    citations: null,
  });
  const output_config = { format: { type: 'json_schema' as const, schema: sums } };
  const block = last(await client.messages.create({ model, max_tokens: 99, messages: inJson, output_config }));
  assert.equal(block?.type === 'text' && block.text, '{"sum": 2}');
});

test('ollama: calls, whole and streamed; their results; formats', async () => {
  const client = new Ollama({ host: server.url, headers: { authorization: 'Bearer secret' } });
  const tools = [{ type: 'function', function: { name: 'add', description, parameters: schema } }];
  const whole = await client.chat({ model, messages, tools });
  const calls = whole.message.tool_calls ?? [];
  const read = (made: typeof calls) => made.map(({ function: { name, arguments: given } }) => [name, given]);
  assert.deepEqual(read(calls), expected);
  const streamed: typeof calls = [];
  for await (const { message } of await client.chat({ model, messages, tools, stream: true }))
    streamed.push(...(message.tool_calls ?? []));
  assert.deepEqual(read(streamed), expected);
  const results = calls.map(({ function: { name, arguments: given } }) => {
    return { role: 'tool', tool_name: name, content: add(given as Parameters<typeof add>[0]) };
  });
  const last = await client.chat({ model, messages: [...messages, whole.message, ...results], tools });
  assert.equal(last.message.content, summary);
  assert.equal((await client.chat({ model, messages: inJson, format: sums })).message.content, '{"sum": 2}');
  const prompt = 'In JSON.';
  for (const raw of [false, true])
    assert.equal((await client.generate({ model, prompt, format: 'json', raw })).response, '{"sum": 2}');
  assert.ok((await client.show({ model })).capabilities.includes('tools'));
});

test('no functions by choice; arguments that are cut off are none', async () => {
  const { app } = serve(caller);
  const tools = [{ name: 'add', input_schema: schema }];
  const asked = { model, max_tokens: 1000, tools, messages };
  const none = await json(post(app, '/v1/messages', { ...asked, tool_choice: { type: 'none' } }));
  assert.deepEqual(none.content, [{ type: 'text', text: 'I have no functions.', citations: null }]);
  const lengths = Array.from({ length: 16 }, (_, i) => 25 * i + 5);
  const reasons = new Set<unknown>();
  for (const max_tokens of lengths) {
    const { stop_reason, content } = await json(post(app, '/v1/messages', { ...asked, max_tokens }));
    reasons.add(stop_reason);
    const inputs = JSON.stringify((content as unknown as { input?: unknown }[]).flatMap(({ input }) => input ?? []));
    assert.ok(
      [
        '[]',
        '[{}]',
        '[{"a":1,"b":2}]',
        '[{"a":1,"b":2},{}]',
        JSON.stringify(expected.map(([, given]) => given)),
      ].includes(inputs),
    );
  }
  assert.deepEqual([...reasons], ['max_tokens', 'tool_use']);
});
