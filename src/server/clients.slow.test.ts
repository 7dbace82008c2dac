// Popular client libraries over a real socket. npm test -- server/clients
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createDeepSeek } from '@ai-sdk/deepseek';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, type ModelMessage, RetryError, streamText } from 'ai';
import OpenAI from 'openai';
import { listen, type RunningServer } from './listen.ts';
import { type ScriptedAnswer, TestModel } from './test-model.ts';

/** Thinks, then answers with the number of turns in the prompt. */
const script = (prompt: string): ScriptedAnswer => ({
  thinking: 'Let me count.',
  answer: `turn ${prompt.split('<｜User｜>').length - 1}`,
});

const model = new TestModel({ script });
const slow = new TestModel({ name: 'slow', delayMs: 5, script: () => ({ answer: 'word '.repeat(500) }) });
const busy = new TestModel({ name: 'busy', capacity: 0 });
const names = ['test-model', 'slow', 'busy'];
let server: RunningServer;
let openai: OpenAI;
const ignored: string[] = [];

before(async () => {
  server = await listen([model, slow, busy], {
    port: 0,
    keys: ['secret'],
    onIgnored: (message) => ignored.push(message),
  });
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'secret' });
});
after(async () => {
  await server.close(0);
  assert.deepEqual([model.live, slow.live, server.app.live], [0, 0, 0]);
  assert.deepEqual(ignored, [], 'no client sends a field that is unknown here');
});

const messages = [{ role: 'user' as const, content: 'Hi' }];

interface Exchange {
  readonly body: { readonly model: string; readonly messages: readonly Record<string, unknown>[] };
  readonly status: number;
  readonly retryAfter: string | null;
  /** Milliseconds since the previous response. */
  readonly waitedMs: number;
  /** Whether a timer of 1.9 s, set at the previous response, had fired. Late timers keep their order. */
  readonly waitedLong: boolean;
}

/** A fetch that records requests and responses. */
function recorder() {
  const exchanges: Exchange[] = [];
  let [last, waitedLong] = [performance.now(), false];
  const recorded = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const asked = { body: JSON.parse(String(init?.body)), waitedMs: performance.now() - last, waitedLong };
    const response = await fetch(url, init);
    exchanges.push({ ...asked, status: response.status, retryAfter: response.headers.get('retry-after') });
    last = performance.now();
    waitedLong = false;
    setTimeout(() => {
      waitedLong = true;
    }, 1900).unref();
    return response;
  };
  return { exchanges, recorded };
}

/** Calls `ask` on a server that refuses the first request with 429, and on one that refuses it with 503. */
async function refusingOnce(
  ask: (url: string, recorded: typeof fetch) => Promise<string>,
  check: (exchanges: readonly Exchange[]) => void,
): Promise<void> {
  const each = async (refusal: 'overloaded' | 'closing', status: number) => {
    const own = await listen(new TestModel({ script, refusals: [refusal] }), { port: 0 });
    const { exchanges, recorded } = recorder();
    assert.equal(await ask(own.url, recorded), 'turn 1');
    await own.close(0);
    assert.deepEqual(
      exchanges.map((exchange) => [exchange.status, exchange.retryAfter]),
      [
        [status, '1'],
        [200, null],
      ],
    );
    check(exchanges);
  };
  await Promise.all([each('overloaded', 429), each('closing', 503)]);
}

/** Waits until a condition holds. */
async function soon(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !isTrue(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(isTrue());
}

describe('openai', () => {
  test('text and thinking', async () => {
    const answer = await openai.chat.completions.create({ model: 'test-model', messages });
    const message = answer.choices[0]?.message as { content: string; reasoning_content?: string };
    assert.deepEqual([message.content, message.reasoning_content], ['turn 1', 'Let me count.']);
    assert.ok((answer.usage?.completion_tokens_details?.reasoning_tokens ?? 0) > 0);
  });

  test('a stream, with usage', async () => {
    const stream = openai.chat.completions.stream({
      model: 'test-model',
      messages,
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
      model: 'test-model',
      messages,
      logprobs: true,
      top_logprobs: 3,
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

  test('429 and 503 are retried after retry-after, and reported without retries', async () => {
    await refusingOnce(
      async (url, recorded) => {
        const patient = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', fetch: recorded });
        const answer = await patient.chat.completions.create({ model: 'test-model', messages });
        return answer.choices[0]?.message.content ?? '';
      },
      ([, second]) => assert.ok(second.waitedMs > 900, 'its own first pause is half a second at most'),
    );
    const hasty = openai.chat.completions.create({ model: 'busy', messages }, { maxRetries: 0 });
    await assert.rejects(hasty, OpenAI.RateLimitError);
  });

  test('errors have the types of the client and the messages of the server', async () => {
    const create = (more: object) => openai.chat.completions.create({ model: 'test-model', messages, ...more });
    await assert.rejects(create({ model: 'gpt-4' }), (error: InstanceType<typeof OpenAI.NotFoundError>) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.match(error.message, /use one of test-model, slow, busy/);
      assert.deepEqual([error.code, error.param], ['model_not_found', 'model']);
      return true;
    });
    await assert.rejects(create({ temperature: 9 }), OpenAI.UnprocessableEntityError);
    await assert.rejects(
      create({ tools: [{ type: 'function', function: { name: 'not a name' } }] }),
      OpenAI.BadRequestError,
    );
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'wrong' });
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
    const ids = (await openai.models.list()).data.map(({ id }) => id);
    assert.deepEqual(ids, names);
  });
});

interface Access {
  readonly url: string;
  readonly fetch?: typeof fetch;
}

const providers = {
  '@ai-sdk/deepseek': {
    open: (name: string, { url, ...more }: Access) => createDeepSeek({ baseURL: url, apiKey: 'secret', ...more })(name),
    logprobs: { deepseek: { logprobs: true, topLogprobs: 2 } },
  },
  '@ai-sdk/openai-compatible': {
    open: (name: string, { url, ...more }: Access) =>
      createOpenAICompatible({
        name: 'minke',
        baseURL: `${url}/v1`,
        apiKey: 'secret',
        includeUsage: true,
        // The provider has no field for log-probabilities, but one for extensions of a server.
        metadataExtractor: {
          extractMetadata: async ({ parsedBody }) => ({ deepseek: { logprobs: logprobsIn(parsedBody) } }),
          createStreamExtractor: () => {
            const content: unknown[] = [];
            return {
              processChunk: (chunk) => content.push(...(logprobsIn(chunk)?.content ?? [])),
              buildMetadata: () => ({ deepseek: { logprobs: { content } as never } }),
            };
          },
        },
        ...more,
      })(name),
    logprobs: { minke: { logprobs: true, top_logprobs: 2 } },
  },
};

function logprobsIn(body: unknown): { content: never[] } | undefined {
  const { choices } = body as { choices: { logprobs?: { content: never[] } | null }[] };
  return choices[0]?.logprobs ?? undefined;
}

/** Log-probabilities of the answer's tokens in DeepSeek's format. */
type Scored = readonly { readonly token: string; readonly logprob: number; readonly top_logprobs: readonly object[] }[];

for (const [name, { open, logprobs }] of Object.entries(providers))
  describe(`ai with ${name}`, () => {
    const provide = (model: string, fetching: typeof fetch = fetch) =>
      open(model, { url: server.url, fetch: fetching });

    test('text and thinking', async () => {
      const answer = await generateText({ model: provide('test-model'), prompt: 'Hi' });
      assert.deepEqual([answer.text, answer.reasoningText, answer.finishReason], ['turn 1', 'Let me count.', 'stop']);
      assert.ok((answer.usage.outputTokenDetails.reasoningTokens ?? 0) > 0);
    });

    test('three turns: the client sends the thinking back, and the template leaves it out', async () => {
      const { exchanges, recorded } = recorder();
      const history: ModelMessage[] = [];
      for (const turn of [1, 2, 3]) {
        history.push({ role: 'user', content: `Question ${turn}` });
        const streamed = streamText({ model: provide('test-model', recorded), messages: history });
        assert.equal(await streamed.text, `turn ${turn}`);
        assert.equal(await streamed.reasoningText, 'Let me count.');
        history.push(...(await streamed.response).messages);
      }
      const sent = (exchanges.at(-1) as Exchange).body.messages;
      assert.deepEqual(
        sent.map(({ role, content }) => `${role}: ${content}`),
        ['user: Question 1', 'assistant: turn 1', 'user: Question 2', 'assistant: turn 2', 'user: Question 3'],
      );
      const prompt = model.tokenizer.tokenizer.decode(model.prompts.at(-1) as number[]);
      assert.match(prompt, /Question 1.*turn 1.*Question 2.*turn 2.*Question 3/s);
      assert.ok(!prompt.includes('Let me count.'), prompt);
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

    test('log-probabilities, whole and streamed', async () => {
      const asking = { model: provide('test-model'), prompt: 'Hi', providerOptions: logprobs };
      const whole = await generateText(asking);
      const streamed = streamText(asking);
      await streamed.consumeStream();
      for (const metadata of [whole.providerMetadata, await streamed.providerMetadata]) {
        assert.ok(metadata?.deepseek);
        const { content } = metadata.deepseek.logprobs as unknown as { content: Scored };
        // The last token ends the answer and is not in its text.
        assert.equal(
          content
            .slice(0, -1)
            .map(({ token }) => token)
            .join(''),
          'turn 1',
        );
        for (const { logprob, top_logprobs } of content)
          assert.ok(logprob <= 0 && logprob > -1 && top_logprobs.length === 2);
      }
    });

    test('429 and 503 are retried after retry-after', async () => {
      await refusingOnce(
        async (url, recorded) =>
          (await generateText({ model: open('test-model', { url, fetch: recorded }), prompt: 'Hi' })).text,
        ([, second]) => {
          assert.ok(second.waitedMs > 900);
          assert.ok(!second.waitedLong, 'its own first pause is two seconds');
        },
      );
      const hasty = generateText({ model: provide('busy'), prompt: 'Hi', maxRetries: 0 });
      await assert.rejects(
        hasty,
        (error) => APICallError.isInstance(error) && error.statusCode === 429 && error.isRetryable,
      );
      const stubborn = generateText({ model: provide('busy'), prompt: 'Hi', maxRetries: 1 });
      await assert.rejects(stubborn, (error) => RetryError.isInstance(error) && error.errors.length === 2);
    });

    test('abort ends the generation, streamed or whole, and the retries', async () => {
      const controller = new AbortController();
      const { textStream } = streamText({
        model: provide('slow'),
        prompt: 'Hi',
        abortSignal: controller.signal,
        onError: () => {},
      });
      let taken = 0;
      for await (const _ of textStream) if (++taken === 3) controller.abort();
      assert.ok(taken < 100);
      await soon(() => slow.live === 0);
      const aborted = async (name: string, begun: () => boolean, fetching?: typeof fetch) => {
        const own = new AbortController();
        const whole = generateText({ model: provide(name, fetching), prompt: 'Hi', abortSignal: own.signal });
        const rejected = assert.rejects(whole, { name: 'AbortError' });
        await soon(begun);
        own.abort();
        await rejected;
      };
      await aborted('slow', () => slow.live === 1);
      await soon(() => slow.live === 0);
      const { exchanges, recorded } = recorder();
      await aborted('busy', () => exchanges.length === 1, recorded);
      assert.equal(exchanges.length, 1);
    });

    test('an unknown model is reported once, streamed or whole', async () => {
      const { exchanges, recorded } = recorder();
      const isWrong = (error: unknown) => {
        assert.ok(APICallError.isInstance(error));
        assert.match(error.message, /"gpt-4" is not served: use one of test-model/);
        assert.deepEqual([error.statusCode, error.isRetryable], [404, false]);
        return true;
      };
      await assert.rejects(generateText({ model: provide('gpt-4', recorded), prompt: 'Hi' }), isWrong);
      const errors: unknown[] = [];
      const streamed = streamText({
        model: provide('gpt-4', recorded),
        prompt: 'Hi',
        onError: ({ error }) => {
          errors.push(error);
        },
      });
      await streamed.consumeStream();
      assert.ok(isWrong(errors[0]));
      assert.deepEqual(
        exchanges.map(({ status }) => status),
        [404, 404],
      );
    });
  });
