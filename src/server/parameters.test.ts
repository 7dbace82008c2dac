// Parameters that are not honored: refused by name, accepted, or listed as ignored. npm test -- server/parameters
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ChatTemplate } from '../tokenizer/index.ts';
import { nearestName } from './ignored-fields.ts';
import {
  type Unhonored,
  unhonoredInMessages,
  unhonoredInStreamOptions,
  unhonoredOnChat,
  unhonoredOnCompletions,
  unhonoredOnTokenize,
} from './parameters.ts';
import { chatMessage, chatRequest, completionRequest, tokenizeRequest } from './protocol.ts';
import { TestModel } from './test-model.ts';
import { assertRefused, chatBody, events, get, json, post, serve, thinker } from './test-requests.ts';

const header = 'x-minke-ignored';
const completionBody = (more: object) => ({ prompt: 'a', ...more });
const inMessage = (more: object) => ({ messages: [{ role: 'user', content: 'a', ...more }] });

/** Each place of the table, and a body with some fields in it. */
const places: readonly [route: string, path: string, table: Unhonored, body: (more: object) => object][] = [
  ['/v1/chat/completions', '', unhonoredOnChat, chatBody],
  ['/v1/completions', '', unhonoredOnCompletions, completionBody],
  ['/v1/chat/completions', 'messages[0].', unhonoredInMessages, inMessage],
  ['/tokenize', '', unhonoredOnTokenize, completionBody],
];

const samples: readonly unknown[] = [7, 'x', true, ['x']];

describe('parameters that are not honored', () => {
  for (const [route, path, { refused, accepted }, body] of places) {
    const { app, notices } = serve();

    test(`${route} ${path}: those that would change the answer are refused by name; neutral values pass`, async () => {
      assert.ok(refused.size > 3);
      for (const [name, { neutral }] of refused) {
        for (const sample of samples)
          if (!neutral.some((each) => JSON.stringify(each) === JSON.stringify(sample))) {
            const response = await post(app, route, body({ [name]: sample }));
            const error = await assertRefused(response, 400, / is not supported yet: /, path + name);
            assert.equal(error.code, 'unsupported_parameter');
          }
        for (const value of [null, ...neutral]) {
          const response = await post(app, route, body({ [name]: value }));
          assert.deepEqual([response.status, response.headers.get(header)], [200, null], `${name}: ${value}`);
        }
      }
      assert.deepEqual(notices, []);
    });

    test(`${route} ${path}: those that change nothing are accepted, by a strict server too`, async () => {
      const strict = serve({}, { strict: true }).app;
      for (const name of accepted)
        assert.equal((await post(strict, route, body({ [name]: { any: 'value' } }))).status, 200, name);
    });
  }

  test("OpenAI's own types have no parameter that is unknown here", () => {
    const resources = new URL('../../../node_modules/openai/resources/', import.meta.url);
    const own = (file: string, name: string) => {
      const source = readFileSync(new URL(file, resources), 'utf8');
      const from = source.indexOf(`export interface ${name} `);
      assert.ok(from > 0, name);
      const body = source.slice(from, source.indexOf('\n}', from));
      return [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, field]) => field);
    };
    const check = (fields: readonly string[], shape: object, { refused, accepted }: Unhonored) => {
      assert.ok(fields.length > 0);
      for (const field of fields)
        assert.ok(Object.hasOwn(shape, field) || refused.has(field) || accepted.has(field), field);
    };
    const chat = 'chat/completions/completions.d.ts';
    const { stream_options: options } = chatRequest.shape;
    check(own(chat, 'ChatCompletionCreateParamsBase'), chatRequest.shape, unhonoredOnChat);
    check(own('completions.d.ts', 'CompletionCreateParamsBase'), completionRequest.shape, unhonoredOnCompletions);
    check(own(chat, 'ChatCompletionAssistantMessageParam'), chatMessage.shape, unhonoredInMessages);
    check(own(chat, 'ChatCompletionStreamOptions'), options.unwrap().unwrap().shape, unhonoredInStreamOptions);
  });

  test('none is a field of its schema too, and the OpenAPI document describes all of them', async () => {
    const { components } = await json(get(serve().app, '/openapi.json'));
    for (const [id, { shape }, { refused, accepted }] of [
      ['ChatCompletionRequest', chatRequest, unhonoredOnChat],
      ['CompletionRequest', completionRequest, unhonoredOnCompletions],
      ['ChatMessage', chatMessage, unhonoredInMessages],
      ['TokenizeRequest', tokenizeRequest, unhonoredOnTokenize],
    ] as const)
      for (const name of [...refused.keys(), ...accepted]) {
        assert.equal(Object.hasOwn(shape, name), false, name);
        assert.equal(refused.has(name) && accepted.has(name), false, name);
        assert.ok(components.schemas[id].properties[name]['x-minke'], name);
      }
  });

  test('nested fields: of stream options, thinking, and parts of a content', async () => {
    const { app } = serve();
    const chat = (more: object) => post(app, '/v1/chat/completions', chatBody(more));
    const stream = (options: object) => chat({ stream: true, stream_options: options });
    await assertRefused(
      await stream({ include_obfuscation: true }),
      400,
      /not supported/,
      'stream_options.include_obfuscation',
    );
    const streamed = await stream({ include_obfuscation: false, include_usage: true });
    assert.equal((await events(streamed)).at(-1), '[DONE]');
    const thinking = await chat({ thinking: { type: 'enabled', effort: 'low' } });
    await assertRefused(thinking, 400, /use reasoning_effort/, 'thinking.effort');
    const part = { type: 'text', text: 'a', cache_control: {}, annotation: 1 };
    const parts = await chat({ messages: [{ role: 'user', content: [part, part] }] });
    assert.equal(parts.headers.get(header), 'messages[].content[].annotation (annotations?)');
  });
});

describe('fields that nobody knows', () => {
  test('are listed in a header with the nearest name, streamed or not, and once in the log', async () => {
    const { app, notices } = serve();
    for (const stream of [false, true, false]) {
      const body = chatBody({
        stream,
        temprature: 0,
        maxTokenz: 3,
        quux: 1,
        stream_options: stream ? { usages: 1 } : null,
      });
      const response = await post(app, '/v1/chat/completions', body);
      const own = 'temprature (temperature?), maxTokenz (max_tokens?), quux';
      assert.equal(response.headers.get(header), stream ? `${own}, stream_options.usages` : own);
      assert.equal(response.status, 200);
      await response.text();
    }
    assert.deepEqual(notices.length, 4);
    assert.equal(
      notices[0],
      '[/v1/chat/completions] temprature is not a parameter and is ignored; did clients mean temperature?',
    );
    const known = await post(app, '/v1/chat/completions', chatBody({ temperature: 0, user: 'me' }));
    assert.equal(known.headers.get(header), null);
  });

  test('on every route with a body', async () => {
    const { app } = serve();
    const bodies = {
      '/v1/completions': { prompt: 'a' },
      '/tokenize': { prompt: 'a' },
      '/detokenize': { tokens: [1] },
      '/minke/tasks/problem': { task: 'countdown' },
    };
    for (const [path, body] of Object.entries(bodies)) {
      const response = await post(app, path, { ...body, seeed: 'x' });
      assert.equal(response.status, 200, path);
      assert.match(response.headers.get(header) ?? '', /^seeed/, path);
    }
  });

  test('are refused by a strict server', async () => {
    const { app, model } = serve(thinker, { strict: true });
    const chat = (more: object) => post(app, '/v1/chat/completions', chatBody(more));
    const error = await assertRefused(await chat({ temprature: 0 }), 400, /did you mean temperature\?/, 'temprature');
    assert.equal(error.code, 'unknown_parameter');
    await assertRefused(
      await chat(inMessage({ contnt: 'a' })),
      400,
      /mean messages\[\]\.content\?/,
      'messages[].contnt',
    );
    await assertRefused(
      await chat({ chat_template_kwargs: { cot: true } }),
      400,
      /leave it out/,
      'chat_template_kwargs.cot',
    );
    assert.deepEqual([model.live, app.live, model.prompts.length], [0, 0, 0]);
    assert.equal((await events(await chat({ stream: true, user: 'u' }))).at(-1), '[DONE]');
  });

  test('so are contents that the chat template leaves out', async () => {
    const model = new TestModel(thinker);
    const chatTemplate = new ChatTemplate('{{ messages[-1].content }}', {});
    Object.assign(model, { tokenizer: { ...model.tokenizer, chatTemplate } });
    const system = { role: 'system', content: 'You are a whale.' };
    const body = { messages: [system, { role: 'user', content: 'a' }] };
    const { app, notices } = serve(model);
    for (let i = 0; i < 2; i++) {
      const response = await post(app, '/v1/chat/completions', body);
      assert.deepEqual([response.status, response.headers.get(header)], [200, 'messages[0].content']);
    }
    assert.equal(notices.length, 1);
    assert.match(notices[0] ?? '', /messages\[\]\.content is left out by this model's chat template/);
    const strict = serve(model, { strict: true }).app;
    const refused = await post(strict, '/v1/chat/completions', body);
    await assertRefused(refused, 400, /is left out .* strict: leave it out/, 'messages[0].content');
    assert.equal((await post(strict, '/v1/chat/completions', chatBody())).status, 200);
  });

  test('are safe in a header and bounded, whatever their names', async () => {
    const { app, notices } = serve();
    const names = [
      '\r\nset-cookie: a',
      'ä, b',
      '\ud800',
      'x'.repeat(10_000),
      '%',
      '',
      ...Array.from({ length: 500 }, (_, i) => `f${i}`),
    ];
    const response = await post(
      app,
      '/v1/completions',
      completionBody(Object.fromEntries(names.map((name) => [name, 1]))),
    );
    const value = response.headers.get(header) ?? '';
    assert.equal(response.status, 200);
    assert.match(value, /^[\x20-\x7e]{1,1000}, and more$/);
    assert.match(value, /%0D%0Aset-cookie%3A%20a/);
    for (let i = 0; i < 60; i++)
      await post(
        app,
        '/v1/completions',
        completionBody(Object.fromEntries(Array.from({ length: 10 }, (_, j) => [`g${i}-${j}`, 1]))),
      );
    assert.equal(notices.length, 256);
    assert.ok(notices.every((notice) => /^[\x20-\x7e]{1,200}$/.test(notice)));
  });

  test('the nearest name is another spelling, or one edit in four letters away', () => {
    const known = ['temperature', 'max_tokens', 'n', 'stop', 'top_p', 'top_k'];
    const cases: [string, string | null][] = [
      ['Temperature', 'temperature'],
      ['temprature', 'temperature'],
      ['maxTokens', 'max_tokens'],
      ['max_token', 'max_tokens'],
      ['topP', 'top_p'],
      ['stpo', 'stop'],
      ['quux', null],
      ['', null],
    ];
    for (const [name, nearest] of cases) assert.equal(nearestName(name, known), nearest, name);
  });
});

describe('honored as others do', () => {
  const optionsFor = async (more: object) => {
    const { app, model } = serve();
    assert.equal((await post(app, '/v1/chat/completions', chatBody(more))).status, 200);
    return model.requestedOptions[0];
  };

  test('top_p 0 is the most probable token; top_k -1 is all; stop tokens reach the engine', async () => {
    assert.deepEqual([(await optionsFor({ top_p: 0 })).topK, (await optionsFor({ top_p: 0 })).topP], [1, undefined]);
    assert.equal((await optionsFor({ top_k: -1 })).topK, 0);
    assert.deepEqual((await optionsFor({ stop_token_ids: [5] })).stopIds, [5]);
    assert.equal((await optionsFor({ min_tokens: 3 })).minTokens, 3);
    const { app } = serve();
    const unknown = await post(app, '/v1/chat/completions', chatBody({ stop_token_ids: [99999] }));
    await assertRefused(unknown, 422, /token 99999 does not exist/, 'stop_token_ids');
  });

  test('usage of a stream: on the last chunk, on its own, or left out', async () => {
    const { app } = serve();
    const usages = async (options: object | null) => {
      const chunks = await events(
        await post(app, '/v1/chat/completions', chatBody({ stream: true, stream_options: options })),
      );
      return chunks.filter((chunk) => /"usage":\{/.test(chunk)).length;
    };
    assert.deepEqual(
      [await usages(null), await usages({ include_usage: true }), await usages({ include_usage: false })],
      [1, 1, 0],
    );
    const whole = await post(app, '/v1/chat/completions', chatBody({ stream_options: { include_usage: true } }));
    await assertRefused(whole, 400, /needs stream: true/, 'stream_options');
  });

  test('include_reasoning: false leaves the thinking out', async () => {
    const { app } = serve();
    for (const stream of [false, true]) {
      const body = chatBody({ include_reasoning: false, stream });
      const text = await (await post(app, '/v1/chat/completions', body)).text();
      assert.doesNotMatch(text, /Hm|"reasoning(_content)?"/);
    }
  });

  test('two limits that differ are refused', async () => {
    const { app } = serve();
    const chat = (more: object) => post(app, '/v1/chat/completions', chatBody(more));
    await assertRefused(await chat({ max_tokens: 3, max_completion_tokens: 4 }), 422, /send one of them/, 'max_tokens');
    assert.equal((await chat({ max_tokens: 3, max_completion_tokens: 3 })).status, 200);
  });
});

describe('the thinking', () => {
  const always = serve({ ...thinker, profile: 'deepseek-r1' });
  const never = serve({ profile: 'deepseek-v3' });
  const chat = ({ app }: typeof always, more: object) => post(app, '/v1/chat/completions', chatBody(more));
  /** Returns the end of the prompt, as text, and whether the answer begins inside the thinking. */
  const asked = async (served: typeof always, more: object) => {
    assert.equal((await chat(served, more)).status, 200, JSON.stringify(more));
    const { model } = served;
    const prompt = model.tokenizer.tokenizer.decode(model.prompts.at(-1) ?? []);
    const { startsThinking, reasoningBudget } = model.requestedOptions.at(-1) ?? {};
    return { end: prompt.slice(prompt.lastIndexOf('<｜Assistant｜>')), startsThinking, reasoningBudget };
  };

  test('is turned off where the template begins it: by each of the three parameters', async () => {
    const on = { end: '<｜Assistant｜><think>\n', startsThinking: true, reasoningBudget: undefined };
    assert.deepEqual(await asked(always, {}), on);
    assert.deepEqual(await asked(always, { thinking: { type: 'enabled' } }), on);
    for (const more of [
      { thinking: { type: 'disabled' } },
      { reasoning_effort: 'none' },
      { chat_template_kwargs: { enable_thinking: false } },
    ])
      assert.deepEqual(await asked(always, more), {
        end: '<｜Assistant｜><think>\n\n</think>\n\n',
        startsThinking: false,
        reasoningBudget: undefined,
      });
  });

  test('is refused by name on a model that does not think', async () => {
    await assertRefused(await chat(never, { thinking: { type: 'enabled' } }), 400, /does not think/, 'thinking');
    for (const effort of ['minimal', 'low', 'xhigh', 'max'])
      await assertRefused(await chat(never, { reasoning_effort: effort }), 400, /does not think/, 'reasoning_effort');
    for (const more of [{ thinking: { type: 'disabled' } }, { reasoning_effort: 'none' }, { reasoning_effort: 'high' }])
      assert.equal((await asked(never, more)).reasoningBudget, undefined);
  });

  test('has a budget: its own, of thinking, or of an effort that the template does not read', async () => {
    const budget = async (more: object) => (await asked(always, more)).reasoningBudget;
    assert.equal(await budget({ reasoning_budget: 7 }), 7);
    assert.equal(await budget({ thinking: { type: 'enabled', budget_tokens: 8 } }), 8);
    const efforts = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'];
    const budgets = [];
    for (const effort of efforts) budgets.push(await budget({ reasoning_effort: effort }));
    assert.deepEqual(budgets, [512, 1024, 8192, 24576, undefined, undefined]);
    assert.equal(await budget({ reasoning_effort: 'low', reasoning_budget: 7 }), 7);
    const two = { reasoning_budget: 7, thinking: { type: 'enabled', budget_tokens: 8 } };
    await assertRefused(await chat(always, two), 400, /differs from thinking\.budget_tokens/, 'reasoning_budget');
  });

  test('an effort is one that exists; switches that contradict each other are refused', async () => {
    await assertRefused(
      await chat(always, { reasoning_effort: 'nonsense' }),
      422,
      /reasoning_effort/,
      'reasoning_effort',
    );
    const both = { thinking: { type: 'enabled' }, chat_template_kwargs: { enable_thinking: false } };
    await assertRefused(await chat(always, both), 400, /contradicts thinking/, 'chat_template_kwargs');
  });
});
