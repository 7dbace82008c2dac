// The clients that people use, over a real socket. npm test -- server/clients
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createDeepSeek } from '@ai-sdk/deepseek';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, type ModelMessage, streamText } from 'ai';
import OpenAI from 'openai';
import { listen, type RunningServer } from './listen.ts';
import { type Answer, TestModel } from './test-model.ts';

/** Says how many turns it sees; thinks first. */
const script = (prompt: string): Answer => ({
  thinking: 'Let me count.',
  answer: `turn ${prompt.split('<｜User｜>').length - 1}`,
});

const model = new TestModel({ script });
const slow = new TestModel({ name: 'slow', delayMs: 5, script: () => ({ answer: 'word '.repeat(500) }) });
const busy = new TestModel({ name: 'busy', capacity: 0 });
let server: RunningServer;
let openai: OpenAI;

before(async () => {
  server = await listen([model, slow, busy], { port: 0, keys: ['secret'] });
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret' });
});
after(async () => {
  await server.close(0);
  assert.deepEqual([model.live, slow.live, server.app.live], [0, 0, 0]);
});

const messages = [{ role: 'user' as const, content: 'Hi' }];

/** Waits for what happens soon. */
async function soon(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !isTrue(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(isTrue());
}

describe('openai', () => {
  test('text, with the thinking beside it', async () => {
    const answer = await openai.chat.completions.create({ model: 'test-model', messages });
    const message = answer.choices[0]?.message as { content: string; reasoning_content?: string };
    assert.deepEqual([message.content, message.reasoning_content], ['turn 1', 'Let me count.']);
    assert.ok((answer.usage?.completion_tokens_details?.reasoning_tokens ?? 0) > 0);
  });

  test('a stream, with usage', async () => {
    const stream = openai.chat.completions.stream({
      ...{ model: 'test-model', messages },
      stream_options: { include_usage: true },
    });
    let thought = '';
    for await (const chunk of stream)
      thought += (chunk.choices[0]?.delta as { reasoning_content?: string } | undefined)?.reasoning_content ?? '';
    assert.equal(thought, 'Let me count.');
    const final = await stream.finalChatCompletion();
    assert.equal(final.choices[0]?.message.content, 'turn 1');
    assert.ok((final.usage?.total_tokens ?? 0) > 0);
  });

  test('several turns', async () => {
    const answer = await openai.chat.completions.create({
      model: 'test-model',
      messages: [
        ...messages,
        {
          role: 'assistant',
          content: 'turn 1',
          reasoning_content: 'Let me count.',
        } as OpenAI.ChatCompletionMessageParam,
        ...messages,
      ],
    });
    assert.equal(answer.choices[0]?.message.content, 'turn 2');
  });

  test('log-probabilities', async () => {
    const answer = await openai.chat.completions.create({
      ...{ model: 'test-model', messages },
      ...{ logprobs: true, top_logprobs: 3 },
    });
    const [first] = answer.choices[0]?.logprobs?.content ?? [];
    assert.equal(first?.token, new TextDecoder().decode(new Uint8Array(first?.bytes ?? [])));
    assert.equal(first?.top_logprobs.length, 3);
  });

  test('completions', async () => {
    const answer = await openai.completions.create({ model: 'test-model', prompt: [65, 66], echo: true, logprobs: 1 });
    assert.equal(answer.usage?.prompt_tokens, 2);
    assert.equal(answer.choices[0]?.logprobs?.token_logprobs?.[0], null);
    const stream = await openai.completions.create({ model: 'slow', prompt: 'a', max_tokens: 3, stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
    assert.ok('word word word'.startsWith(text.trim()) && text.length > 0, text);
  });

  test('abort ends the generation', async () => {
    const stream = await openai.chat.completions.create({ model: 'slow', messages, stream: true });
    for await (const _ of stream) break;
    await soon(() => slow.live === 0);
    const controller = new AbortController();
    const whole = openai.chat.completions.create({ model: 'slow', messages }, { signal: controller.signal });
    const rejected = assert.rejects(whole, OpenAI.APIUserAbortError);
    await soon(() => slow.live === 1);
    controller.abort();
    await rejected;
    await soon(() => slow.live === 0);
  });

  test('a full queue is asked again', async () => {
    let refusals = 1;
    const patient = new OpenAI({
      ...{ baseURL: `${server.url}/v1`, apiKey: 'secret' },
      fetch: async (url, init) => {
        const body = String(init?.body).replace('"busy"', refusals-- > 0 ? '"busy"' : '"test-model"');
        return fetch(url, { ...(init as RequestInit), body });
      },
    });
    const started = performance.now();
    const answer = await patient.chat.completions.create({ model: 'busy', messages });
    assert.equal(answer.choices[0]?.message.content, 'turn 1');
    assert.ok(performance.now() - started > 900, 'it waited as retry-after says');
    const hasty = openai.chat.completions.create({ model: 'busy', messages }, { maxRetries: 0 });
    await assert.rejects(hasty, OpenAI.RateLimitError);
  });

  test('errors are its own kinds, in our words', async () => {
    const create = (more: object) => openai.chat.completions.create({ model: 'test-model', messages, ...more });
    await assert.rejects(create({ model: 'gpt-4' }), (error: InstanceType<typeof OpenAI.NotFoundError>) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.match(error.message, /use one of test-model, slow, busy/);
      assert.deepEqual([error.code, error.param], ['model_not_found', 'model']);
      return true;
    });
    await assert.rejects(create({ temperature: 9 }), OpenAI.UnprocessableEntityError);
    await assert.rejects(create({ tools: [{ type: 'function', function: { name: 'f' } }] }), OpenAI.BadRequestError);
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'wrong' });
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
    const ids = (await openai.models.list()).data.map(({ id }) => id);
    assert.deepEqual(ids, ['test-model', 'slow', 'busy']);
  });
});

const providers = {
  '@ai-sdk/deepseek': (name: string) => createDeepSeek({ baseURL: server.url, apiKey: 'secret' })(name),
  '@ai-sdk/openai-compatible': (name: string) =>
    createOpenAICompatible({ name: 'minke', baseURL: `${server.url}/v1`, apiKey: 'secret', includeUsage: true })(name),
};

for (const [name, provide] of Object.entries(providers))
  describe(`ai with ${name}`, () => {
    test('text and thinking; a second turn sends both back', async () => {
      const first = await generateText({ model: provide('test-model'), prompt: 'Hi' });
      assert.deepEqual([first.text, first.reasoningText, first.finishReason], ['turn 1', 'Let me count.', 'stop']);
      assert.ok((first.usage.outputTokenDetails.reasoningTokens ?? 0) > 0);
      const history: ModelMessage[] = [{ role: 'user', content: 'Hi' }, ...first.response.messages];
      const second = await generateText({
        model: provide('test-model'),
        messages: [...history, { role: 'user', content: 'Again' }],
      });
      assert.equal(second.text, 'turn 2');
    });

    test('a stream: thinking, then text', async () => {
      const { fullStream, usage } = streamText({ model: provide('test-model'), prompt: 'Hi' });
      const parts = { thinking: '', text: '', order: [] as string[] };
      for await (const part of fullStream) {
        if (part.type === 'reasoning-delta') parts.thinking += part.text;
        if (part.type === 'text-delta') parts.text += part.text;
        if (part.type.endsWith('-start') && part.type !== 'start') parts.order.push(part.type);
      }
      assert.deepEqual([parts.thinking, parts.text], ['Let me count.', 'turn 1']);
      assert.deepEqual(
        parts.order.filter((type) => /reasoning|text/.test(type)),
        ['reasoning-start', 'text-start'],
      );
      assert.ok(((await usage).inputTokens ?? 0) > 0);
    });

    test('abort ends the generation', async () => {
      const controller = new AbortController();
      const { textStream } = streamText({
        ...{ model: provide('slow'), prompt: 'Hi' },
        abortSignal: controller.signal,
        onError: () => {},
      });
      let taken = 0;
      for await (const _ of textStream) if (++taken === 3) controller.abort();
      assert.ok(taken < 100);
      await soon(() => slow.live === 0);
    });

    test('a wrong model is said to be wrong', async () => {
      await assert.rejects(
        generateText({ model: provide('gpt-4'), prompt: 'Hi', maxRetries: 0 }),
        /"gpt-4" is not served: use one of test-model/,
      );
    });
  });
