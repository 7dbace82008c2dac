// OpenAI's Responses, by unmodified clients and in their own shapes. npm test -- faces/responses
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { listen, type RunningServer } from '../listen.ts';
import { type ScriptedAnswer, TestModel } from '../test-model.ts';
import { assertRefused, events, get, json, post, serve, thinker } from '../test-requests.ts';
import { response, responseEvent } from './responses-protocol.ts';

const path = '/v1/responses';
const model = 'test-model';
/** Thinks, then answers with the number of turns in the prompt. */
const turns = {
  script: (prompt: string): ScriptedAnswer => ({
    thinking: 'Let me count.',
    answer: `turn ${prompt.split('<｜User｜>').length - 1}`,
  }),
};

describe('clients', () => {
  let server: RunningServer;
  let openai: OpenAI;
  before(async () => {
    server = await listen(new TestModel(turns), { port: 0, keys: ['secret'] });
    openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret', maxRetries: 0 });
  });
  after(() => server.close(0));

  test('openai: text and reasoning, continued by the id of the response', async () => {
    const first = await openai.responses.create({ model, input: 'Hi', instructions: 'Be brief.' });
    assert.equal(first.output_text, 'turn 1');
    const [reasoning] = first.output;
    assert.equal(reasoning?.type === 'reasoning' && reasoning.content?.[0]?.text, 'Let me count.');
    const second = await openai.responses.create({ model, input: 'Hi', previous_response_id: first.id });
    assert.equal(second.output_text, 'turn 2');
    assert.equal((await openai.responses.retrieve(second.id)).previous_response_id, first.id);
    await openai.responses.delete(first.id);
    await assert.rejects(openai.responses.retrieve(first.id), OpenAI.NotFoundError);
  });

  test('openai: a stream gives the same response', async () => {
    const stream = openai.responses.stream({ model, input: 'Hi' });
    let text = '';
    stream.on('response.output_text.delta', ({ delta }) => {
      text += delta;
    });
    const final = await stream.finalResponse();
    assert.deepEqual([text, final.output_text, final.status], ['turn 1', 'turn 1', 'completed']);
    assert.ok((final.usage?.output_tokens_details.reasoning_tokens ?? 0) > 0);
  });

  test('@ai-sdk/openai, whose default this protocol is: text, reasoning, streams, turns', async () => {
    const provider = createOpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret' });
    const providerOptions = { openai: { reasoningSummary: 'auto', forceReasoning: true } };
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    const first = await generateText({ model: provider(model), messages, providerOptions });
    assert.deepEqual([first.text, first.reasoningText], ['turn 1', 'Let me count.']);
    const next = [...messages, ...first.response.messages, ...messages];
    assert.equal((await generateText({ model: provider(model), messages: next, providerOptions })).text, 'turn 2');
    const stateless = {
      openai: { ...providerOptions.openai, store: false, include: ['reasoning.encrypted_content' as const] },
    };
    const alone = await generateText({ model: provider(model), messages, providerOptions: stateless });
    const again = [...messages, ...alone.response.messages, ...messages];
    const last = await generateText({ model: provider(model), messages: again, providerOptions: stateless });
    assert.equal(last.text, 'turn 2');
    const streamed = streamText({ model: provider(model), messages, providerOptions });
    assert.equal(await streamed.text, 'turn 1');
  });
});

describe('responses', () => {
  test('have all fields; a stream has them at its end, its events are numbered', async () => {
    const { app } = serve(thinker);
    const whole = response.parse(await json(post(app, path, { input: 'a', top_logprobs: 2, metadata: { a: 'b' } })));
    assert.deepEqual([whole.status, whole.metadata], ['completed', { a: 'b' }]);
    const frames = await events(await post(app, path, { input: 'a', top_logprobs: 2, stream: true }).then(named));
    assert.equal(frames.pop(), '[DONE]');
    const parsed = frames.map((each) => JSON.parse(each));
    assert.deepEqual(
      parsed.map((each) => responseEvent.parse(each).sequence_number),
      parsed.map((_, i) => i),
    );
    const { output } = response.parse(parsed.at(-1).response);
    const plain = (items: typeof output) => items.map(({ id: _, ...item }) => item);
    assert.deepEqual(plain(output), plain(whole.output));
    const message = output.find((item) => item.type === 'message');
    const joined = message?.content[0]?.logprobs.map(({ token }) => token).join('');
    assert.equal(joined, `${message?.content[0]?.text}<｜end▁of▁sentence｜>`);
  });

  test('items are the messages of the chat API', async () => {
    const { app, model: own } = serve();
    const input = [
      { role: 'user', content: [{ type: 'input_text', text: 'a' }] },
      { type: 'reasoning', id: 'r', summary: [], content: [{ type: 'reasoning_text', text: 'hm' }] },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'b', annotations: [] }] },
      { role: 'user', content: 'c' },
    ];
    await json(post(app, path, { input, instructions: 'be kind' }));
    const messages = [
      { role: 'system', content: 'be kind' },
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b', reasoning_content: 'hm' },
      { role: 'user', content: 'c' },
    ];
    await json(post(app, '/v1/chat/completions', { messages }));
    assert.deepEqual(own.prompts[0], own.prompts[1]);
  });

  test('an answer that is cut off is incomplete; one that fails says so', async () => {
    const { app } = serve(thinker);
    const cut = response.parse(await json(post(app, path, { input: 'a', max_output_tokens: 2 })));
    assert.deepEqual([cut.status, cut.incomplete_details], ['incomplete', { reason: 'max_output_tokens' }]);
    const failing = serve({ ...thinker, failsAfter: 3 });
    const text = await (await post(failing.app, path, { input: 'a', stream: true })).text();
    assert.match(text, /event: response\.failed\n.*"code":"server_error"/);
    assert.match(text, /event: error\n/);
  });

  test('are kept for their own key, unless store is false', async () => {
    const { app } = serve(thinker, { keys: ['one', 'two'] });
    const as = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });
    const { id } = await json(post(app, path, { input: 'a' }, as('one')));
    assert.equal((await get(app, `${path}/${id}`, as('one'))).status, 200);
    assert.equal((await get(app, `${path}/${id}`, as('two'))).status, 404);
    const next = await post(app, path, { input: 'b', previous_response_id: id }, as('two'));
    await assertRefused(next, 404, /is not kept: send the whole conversation/, 'previous_response_id');
    const unkept = await json(post(app, path, { input: 'a', store: false }, as('one')));
    assert.equal((await get(app, `${path}/${unkept.id}`, as('one'))).status, 404);
  });

  test('what is not read is refused by name', async () => {
    const { app } = serve();
    const refused = async (more: object, status: number, message: RegExp) =>
      assertRefused(await post(app, path, { input: 'a', ...more }), status, message);
    await refused({ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, 422, /input/);
    await refused({ input: [{ type: 'function_call_output', output: '1' }] }, 422, /input\[0\]\.call_id: is missing/);
    await refused({ input: [{ type: 'item_reference', id: 'x' }] }, 404, /input\[0\]\.id: item "x" is not kept/);
    await refused({ background: true }, 400, /background is not supported/);
    await refused({ truncation: 'auto' }, 400, /truncation is not supported/);
    await refused({ tools: [{ type: 'web_search' }] }, 422, /tools\[0\]\.type: expected function/);
  });
});

/** A stream whose events have names, as one without. */
async function named(streamed: Response): Promise<Response> {
  return new Response((await streamed.text()).replaceAll(/^event: .*\n/gm, ''));
}
