// Anthropic's Messages, by the unmodified client and in their own shapes. npm test -- faces/messages
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { listen, type RunningServer } from '../listen.ts';
import { TestModel } from '../test-model.ts';
import { json, post, serve, thinker } from '../test-requests.ts';
import { anthropicError, anthropicMessage } from './messages-protocol.ts';

const path = '/v1/messages';
const messages = [{ role: 'user' as const, content: '1+1?' }];
const body = (more: object = {}) => ({ model: 'test-model', max_tokens: 100, messages, ...more });

describe('the client of Anthropic', () => {
  let server: RunningServer;
  let client: Anthropic;
  before(async () => {
    server = await listen(new TestModel(thinker), { port: 0, keys: ['secret'] });
    client = new Anthropic({ baseURL: server.url, apiKey: 'secret', maxRetries: 0 });
  });
  after(() => server.close(0));

  test('thinking and text, as one message', async () => {
    const message = await client.messages.create(body() as Anthropic.MessageCreateParamsNonStreaming);
    const [thinking, text] = message.content;
    assert.deepEqual(thinking, { type: 'thinking', thinking: 'Hm, 1+1.', signature: 'fp_test' });
    assert.equal(text?.type === 'text' && text.text, 'It is 2.');
    assert.deepEqual([message.stop_reason, message.stop_sequence], ['end_turn', null]);
    assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0);
  });

  test('a stream gives the same message', async () => {
    const stream = client.messages.stream(body() as Anthropic.MessageStreamParams);
    const texts: string[] = [];
    const thoughts: string[] = [];
    stream.on('text', (text) => texts.push(text));
    stream.on('thinking', (text) => thoughts.push(text));
    const streamed = await stream.finalMessage();
    const { id: _, ...whole } = await client.messages.create(body() as Anthropic.MessageCreateParamsNonStreaming);
    const { content, stop_reason, usage } = streamed;
    assert.deepEqual(content, whole.content);
    assert.deepEqual([stop_reason, usage.output_tokens], [whole.stop_reason, whole.usage.output_tokens]);
    assert.deepEqual([thoughts.join(''), texts.join('')], ['Hm, 1+1.', 'It is 2.']);
    assert.ok(texts.length > 1);
  });

  test('count_tokens counts what a message reads', async () => {
    const { input_tokens: counted } = await client.messages.countTokens({ model: 'test-model', messages });
    const { usage } = await client.messages.create(body() as Anthropic.MessageCreateParamsNonStreaming);
    assert.equal(counted, usage.input_tokens + (usage.cache_read_input_tokens ?? 0));
  });

  test('errors are of its own classes', async () => {
    const asked = (more: object) => client.messages.create(body(more) as Anthropic.MessageCreateParamsNonStreaming);
    await assert.rejects(asked({ model: 'none' }), Anthropic.NotFoundError);
    await assert.rejects(asked({ temperature: 9 }), Anthropic.BadRequestError);
    const foreign = new Anthropic({ baseURL: server.url, apiKey: 'wrong', maxRetries: 0 });
    const refused = foreign.messages.create(body() as Anthropic.MessageCreateParamsNonStreaming);
    await assert.rejects(refused, Anthropic.AuthenticationError);
  });
});

describe('messages', () => {
  test('are those of the chat API: system, turns, thinking, calls and results, a beginning of the answer', async () => {
    const { app, model } = serve();
    const turns = [
      { role: 'user', content: [{ type: 'text', text: 'a' }] },
      { role: 'user', content: 'b' },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: '' },
          { type: 'text', text: 'c' },
        ],
      },
      { role: 'user', content: 'd' },
      { role: 'assistant', content: 'e' },
    ];
    const system = [
      { type: 'text', text: 'be ', cache_control: { type: 'ephemeral' } },
      { type: 'text', text: 'kind' },
    ];
    anthropicMessage.parse(await json(post(app, path, body({ system, messages: turns }))));
    const chat = [
      { role: 'system', content: 'be kind' },
      { role: 'user', content: 'a\n\nb' },
      { role: 'assistant', content: 'c', reasoning_content: 'hm' },
      { role: 'user', content: 'd' },
      { role: 'assistant', content: 'e', prefix: true },
    ];
    await json(post(app, '/v1/chat/completions', { messages: chat }));
    assert.deepEqual(model.prompts[0], model.prompts[1]);
  });

  test('options reach the engine; max_tokens and stop texts are the reasons of the end', async () => {
    const { app, model } = serve();
    const more = {
      temperature: 0.5,
      top_p: 0.9,
      top_k: 7,
      stop_sequences: ['is'],
      thinking: { type: 'enabled', budget_tokens: 9 },
    };
    const stopped = await json(post(app, path, body(more)));
    assert.deepEqual([stopped.stop_reason, stopped.stop_sequence], ['stop_sequence', 'is']);
    const { temperature, topP, topK, reasoningBudget, maxTokens } = model.requestedOptions[0] ?? {};
    assert.deepEqual([temperature, topP, topK, reasoningBudget, maxTokens], [0.5, 0.9, 7, 9, 100]);
    assert.equal((await json(post(app, path, body({ max_tokens: 2 })))).stop_reason, 'max_tokens');
  });

  test('what is not read is refused by name, in the shape of the protocol', async () => {
    const { app } = serve();
    const refused = async (more: object, status: number, message: RegExp) => {
      const response = await post(app, path, body(more));
      assert.equal(response.status, status);
      const { error, request_id } = anthropicError.parse(await response.json());
      assert.match(error.message, message);
      assert.equal(response.headers.get('request-id'), request_id);
    };
    const image = { role: 'user', content: [{ type: 'image', source: {} }] };
    await refused({ messages: [image] }, 400, /messages\[0\]\.content.*text/);
    await refused({ mcp_servers: [{}] }, 400, /mcp_servers is not supported/);
    await refused({ thinking: { type: 'enabled', display: 'full' } }, 400, /thinking\.display/);
    const stray = { role: 'user', content: [{ type: 'tool_use', id: 'a', name: 'b', input: {} }] };
    await refused({ messages: [stray] }, 400, /tool_use is for the assistant/);
    const nameless = { role: 'user', content: [{ type: 'tool_result', content: '1' }] };
    await refused({ messages: [nameless] }, 400, /messages\[0\]\.content\[0\]\.tool_use_id: is missing/);
    const full = serve({ capacity: 0 });
    assert.equal((await post(full.app, path, body())).status, 429);
  });

  test('a stream that fails ends with an error event', async () => {
    const { app } = serve({ ...thinker, failsAfter: 5 });
    const text = await (await post(app, `/anthropic${path}`, body({ stream: true }))).text();
    const last = text.trim().split('\n\n').at(-1) ?? '';
    assert.match(last, /^event: error\ndata: \{"type":"error","error":\{"type":"api_error"/);
  });
});
