// Calls of functions by a published model through every protocol, for development. Runs where MINKE_PUBLISHED_MODELS
// names a folder with a GGUF file of Qwen2.5-Coder-0.5B-Instruct. It writes its calls as JSON without the tags of its
// template, unless it must call. Minutes on two cores. npm test -- published-tools
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { openModel, type ServedModel } from '../src/engine/index.ts';
import { listen, type RunningServer } from '../src/server/index.ts';

const folder = process.env.MINKE_PUBLISHED_MODELS;
const [file] = folder
  ? readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /qwen2\.5-coder-0\.5b.*\.gguf$/i.test(name),
    )
  : [];
const skip = file === undefined && 'set MINKE_PUBLISHED_MODELS to a folder with Qwen2.5-Coder-0.5B-Instruct as GGUF';

let loaded: ServedModel | null = null;
let server: RunningServer;
let openai: OpenAI;
const model = 'qwen';

const city = { type: 'string' as const, description: 'The city' };
const number = { type: 'number' as const };
const weatherSchema = { type: 'object' as const, properties: { city }, required: ['city'] };
const addSchema = { type: 'object' as const, properties: { a: number, b: number }, required: ['a', 'b'] };
const weather = { name: 'get_weather', description: 'Get the current weather in a city.', parameters: weatherSchema };
const add = { name: 'add', description: 'Adds two numbers.', parameters: addSchema };
const tools = [weather, add].map((each) => ({ type: 'function' as const, function: each }));
const question = 'What is the weather in Paris?';
const messages = [{ role: 'user' as const, content: question }];
const shared = { model, messages, temperature: 0, max_tokens: 100 };
const expected = [['get_weather', { city: 'Paris' }]];

type Message = OpenAI.ChatCompletionMessage;
const readCalls = ({ tool_calls: calls }: Message) =>
  (calls ?? []).flatMap((call) =>
    call.type === 'function' ? [[call.function.name, JSON.parse(call.function.arguments)]] : [],
  );

describe('a published model calls functions', { skip }, () => {
  before(async () => {
    loaded = await openModel(join(folder ?? '', file ?? ''), { name: model, contextLength: 1024 });
    server = await listen(loaded, { port: 0 });
    openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: '-', maxRetries: 0, timeout: 3_600_000 });
  });
  after(async () => {
    await server?.close(0);
    await loaded?.close();
  });

  const ask = async (more: object): Promise<{ message: Message; reason: string | undefined }> => {
    const { choices } = await openai.chat.completions.create({ ...shared, tools, ...more, stream: false });
    return { message: choices[0]?.message as Message, reason: choices[0]?.finish_reason };
  };

  test('auto: JSON without tags is a call, whole and streamed; a greeting is none', async () => {
    const { message, reason } = await ask({});
    assert.deepEqual([message.content, reason, readCalls(message)], [null, 'tool_calls', expected]);
    const streamed = await openai.chat.completions.stream({ ...shared, tools }).finalMessage();
    assert.deepEqual([streamed.content, readCalls(streamed)], [null, expected]);
    const hello = await ask({ messages: [{ role: 'user', content: 'Hello! Who are you?' }] });
    assert.deepEqual([readCalls(hello.message), hello.reason], [[], 'stop']);
    assert.match(hello.message.content ?? '', /Qwen/);
  });

  test('required, named, none', async () => {
    assert.deepEqual(readCalls((await ask({ tool_choice: 'required' })).message), expected);
    const named = { type: 'function', function: { name: 'add' } };
    const sum = [{ role: 'user', content: 'What is 1234 plus 5678?' }];
    const { message } = await ask({ tool_choice: named, messages: sum });
    assert.deepEqual(readCalls(message), [['add', { a: 1234, b: 5678 }]]);
    assert.deepEqual(readCalls((await ask({ tool_choice: 'none' })).message), []);
  });

  test('parallel: at most one call where the request says so; all calls are of the functions', async () => {
    const both = [{ role: 'user', content: 'What is the weather in Paris and in Rome?' }];
    const one = await ask({ messages: both, tool_choice: 'required', parallel_tool_calls: false });
    assert.equal(readCalls(one.message).length, 1);
    const many = await ask({ messages: both, tool_choice: 'required' });
    for (const [name] of readCalls(many.message)) assert.ok(['get_weather', 'add'].includes(name as string));
  });

  test('openai runTools: the call, its result, an answer', async () => {
    const asked: string[] = [];
    const tool = {
      ...weather,
      parse: JSON.parse,
      function: ({ city: given }: { city: string }) => {
        asked.push(given);
        return `It is sunny in ${given}, 21 degrees.`;
      },
    };
    // Left to itself, this model repeats its call after the result.
    const runner = openai.chat.completions.runTools({
      ...shared,
      tools: [{ type: 'function', function: tool }],
      tool_choice: { type: 'function', function: { name: weather.name } },
    });
    await runner.done();
    assert.deepEqual([asked, runner.messages.map(({ role }) => role)], [['Paris'], ['user', 'assistant', 'tool']]);
    const { message } = await ask({ messages: runner.messages, tool_choice: 'none' });
    assert.match(message.content ?? '', /sunny in Paris/);
  });

  test('@anthropic-ai/sdk: the call, its result, an answer', async () => {
    const client = new Anthropic({ baseURL: server.url, apiKey: '-', maxRetries: 0, timeout: 3_600_000 });
    const own = [{ name: weather.name, description: weather.description, input_schema: weatherSchema }];
    const first = await client.messages.create({ ...shared, tools: own });
    const [block] = first.content;
    assert.ok(block?.type === 'tool_use');
    assert.deepEqual([first.stop_reason, block.name, block.input], ['tool_use', 'get_weather', { city: 'Paris' }]);
    const result = { type: 'tool_result' as const, tool_use_id: block.id, content: 'It is sunny, 21 degrees.' };
    const turns = [
      ...messages,
      { role: 'assistant' as const, content: first.content },
      { role: 'user' as const, content: [result] },
    ];
    const second = await client.messages.create({ ...shared, messages: turns, tools: own });
    assert.ok(second.content.length > 0 && second.usage.output_tokens > 0);
  });

  test('responses and ollama: the same call', async () => {
    const { output } = await openai.responses.create({
      model,
      input: question,
      temperature: 0,
      max_output_tokens: 100,
      tools: [weather, add].map((each) => ({ type: 'function' as const, strict: false, ...each })),
    });
    const calls = output.flatMap((item) =>
      item.type === 'function_call' ? [[item.name, JSON.parse(item.arguments)]] : [],
    );
    assert.deepEqual(calls, expected);
    const ollama = new Ollama({ host: server.url });
    const { message } = await ollama.chat({ model, messages, tools, options: { temperature: 0, num_predict: 100 } });
    assert.deepEqual(
      message.tool_calls?.map((call) => [call.function.name, call.function.arguments]),
      expected,
    );
  });
});
