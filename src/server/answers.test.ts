// Responses of chat and completions, whole and in chunks, without sockets. npm test -- server/answers
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chatChunk, chatCompletion, completion } from './protocol-responses.ts';
import type { ScriptedAnswer } from './test-model.ts';
import { assertRefused, chatBody, events, get, json, post, serve } from './test-requests.ts';

describe('chat', () => {
  test('an answer has content, thinking and usage', async () => {
    const { app, model } = serve();
    const answer = chatCompletion.parse(await (await post(app, '/v1/chat/completions', chatBody())).json());
    const [choice] = answer.choices;
    assert.deepEqual(choice?.message, { role: 'assistant', content: 'It is 2.', reasoning_content: 'Hm, 1+1.' });
    assert.equal(choice?.finish_reason, 'stop');
    assert.equal(choice?.logprobs, null);
    const { usage } = answer;
    assert.equal(usage.prompt_tokens, model.prompts[0]?.length);
    assert.equal(usage.prompt_cache_hit_tokens + usage.prompt_cache_miss_tokens, usage.prompt_tokens);
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
    assert.ok(usage.completion_tokens_details.reasoning_tokens > 0);
    assert.equal(answer.system_fingerprint, 'fp_test');
    assert.equal(model.requestedOptions[0]?.startsThinking, true);
    assert.equal(app.live, 0);
  });

  test('a stream is a transcript of DeepSeek: role, thinking, answer, end, usage, [DONE]', async () => {
    const script = () => ({ thinking: '1', answer: '2' });
    for (const include of [false, true]) {
      const { app } = serve({ script });
      const request = chatBody({ stream: true, ...(include && { stream_options: { include_usage: true } }) });
      const response = await post(app, '/chat/completions', request);
      assert.match(response.headers.get('content-type') as string, /^text\/event-stream/);
      const text = (await response.text())
        .replace(/"id":"chatcmpl-[0-9a-f]{32}"/g, '"id":"ID"')
        .replace(/"created":\d+/g, '"created":0');
      const head =
        '{"id":"ID","object":"chat.completion.chunk","created":0,"model":"test-model","system_fingerprint":"fp_test"';
      const usage = /"usage":(\{"prompt_tokens".*?\}\})/.exec(text)?.[1] as string;
      const no = ',"usage":null';
      const chunk = (delta: string, end = 'null', last = no) =>
        `data: ${head},"choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${end}}]${last}}\n\n`;
      assert.equal(
        text,
        chunk('{"role":"assistant","content":null,"reasoning_content":""}') +
          chunk('{"content":null,"reasoning_content":"1"}') +
          chunk('{"content":"2","reasoning_content":null}') +
          chunk('{"content":"","reasoning_content":null}', '"stop"', include ? no : `,"usage":${usage}`) +
          (include ? `data: ${head},"choices":[],"usage":${usage}}\n\n` : '') +
          'data: [DONE]\n\n',
      );
      assert.equal(app.live, 0);
    }
  });

  test('a model that does not think has no fields for thinking', async () => {
    const { app } = serve({ profile: 'deepseek-v3' });
    const chunks = (await events(await post(app, '/chat/completions', chatBody({ stream: true })))).slice(0, -1);
    const deltas = chunks.map((chunk) => chatChunk.parse(JSON.parse(chunk)).choices[0]?.delta);
    assert.deepEqual(deltas[0], { role: 'assistant', content: '' });
    assert.ok(deltas.every((delta) => !('reasoning_content' in (delta as object))));
    assert.equal(deltas.map((delta) => delta?.content).join(''), 'hello');
  });

  test('include_reasoning returns the thinking as `reasoning` too', async () => {
    const { app } = serve();
    const answer = await json(post(app, '/chat/completions', chatBody({ include_reasoning: true })));
    assert.equal(answer.choices[0].message.reasoning, 'Hm, 1+1.');
    const chunks = await events(
      await post(app, '/chat/completions', chatBody({ include_reasoning: true, stream: true })),
    );
    assert.match(chunks[1], /"reasoning_content":"(.*?)","reasoning":"\1"/);
  });

  test('log-probabilities of thinking and answer, with bytes and alternatives', async () => {
    const { app, model } = serve();
    const request = chatBody({ logprobs: true, top_logprobs: 2 });
    const answer = chatCompletion.parse(await (await post(app, '/chat/completions', request)).json());
    const lists = answer.choices[0]?.logprobs;
    const text = (list: { bytes: number[] | null }[]) =>
      new TextDecoder().decode(new Uint8Array(list.flatMap(({ bytes }) => bytes ?? [])));
    assert.equal(text(lists?.reasoning_content ?? []), 'Hm, 1+1.');
    assert.equal(text(lists?.content ?? []), 'It is 2.<｜end▁of▁sentence｜>');
    assert.equal(lists?.content?.[0]?.top_logprobs.length, 2);
    const count = (lists?.content?.length ?? 0) + (lists?.reasoning_content?.length ?? 0);
    assert.equal(count, answer.usage.completion_tokens);
    const chunks = (await events(await post(app, '/chat/completions', { ...request, stream: true }))).slice(0, -1);
    const streamed = chunks.flatMap((chunk) => chatChunk.parse(JSON.parse(chunk)).choices[0]?.logprobs?.content ?? []);
    assert.deepEqual(streamed, lists?.content);
    await assertRefused(
      await post(app, '/chat/completions', chatBody({ top_logprobs: 2 })),
      422,
      /needs logprobs/,
      'top_logprobs',
    );
    assert.equal(model.live, 0);
  });

  test('options reach the engine under its names; each of several answers has its own seed', async () => {
    const { app, model } = serve();
    const options = {
      temperature: 0.5,
      top_p: 0.9,
      top_k: 7,
      min_p: 0.1,
      presence_penalty: 1,
      frequency_penalty: -1,
      repetition_penalty: 1.5,
      seed: 2 ** 32 - 1,
      stop: ['x', ''],
      max_tokens: 3,
      reasoning_budget: 5,
      logit_bias: { '7': -100 },
      n: 2,
      ignore_eos: true,
      user: 'ignored',
      max_completion_tokens: null,
    };
    const answer = chatCompletion.parse(await (await post(app, '/chat/completions', chatBody(options))).json());
    assert.deepEqual(
      answer.choices.map(({ index, finish_reason }) => [index, finish_reason]),
      [
        [0, 'length'],
        [1, 'length'],
      ],
    );
    const [first, second] = model.requestedOptions as [object, object];
    const { signal: _, ...rest } = first as { signal?: AbortSignal };
    assert.deepEqual(rest, {
      temperature: 0.5,
      topP: 0.9,
      topK: 7,
      minP: 0.1,
      presencePenalty: 1,
      frequencyPenalty: -1,
      repetitionPenalty: 1.5,
      seed: 2 ** 32 - 1,
      stop: ['x'],
      maxTokens: 3,
      reasoningBudget: 5,
      logitBias: new Map([[7, -100]]),
      ignoreEos: true,
      startsThinking: true,
    });
    assert.equal((second as { seed?: number }).seed, 0);
    assert.equal(answer.usage.completion_tokens, 6);
    assert.equal(answer.usage.prompt_tokens, model.prompts[0]?.length);
  });

  test('two answers in one stream differ by index', async () => {
    const { app } = serve({ delayMs: 1 });
    const chunks = (await events(await post(app, '/chat/completions', chatBody({ stream: true, n: 2 })))).slice(0, -1);
    const texts = ['', ''];
    for (const chunk of chunks)
      for (const { index, delta } of chatChunk.parse(JSON.parse(chunk)).choices) texts[index] += delta.content ?? '';
    assert.deepEqual(texts, ['hello', 'hello']);
    assert.ok(chunks.findIndex((chunk) => chunk.includes('"index":1')) < 3);
  });
});

describe('completions', () => {
  const script = (prompt: string): ScriptedAnswer => ({
    answer: prompt.replace('<｜begin▁of▁sentence｜>', '').toUpperCase(),
  });

  test('texts and ids, one or many, n of each', async () => {
    const { app, model } = serve({ script });
    const { tokenizer } = model.tokenizer;
    const many = async (prompt: unknown, more: object = {}) =>
      completion
        .parse(await (await post(app, '/v1/completions', { prompt, ...more })).json())
        .choices.map(({ text }) => text);
    const ids = (text: string) => [...tokenizer.encode(text)];
    assert.deepEqual(await many('ab'), ['AB']);
    assert.deepEqual(await many(['ab', 'cd'], { n: 2 }), ['AB', 'AB', 'CD', 'CD']);
    assert.deepEqual(await many(ids('ab')), ['AB']);
    assert.deepEqual(await many([ids('ab'), ids('cd')]), ['AB', 'CD']);
    assert.deepEqual(model.prompts.at(-1), ids('cd'));
    assert.deepEqual(await many('ab', { echo: true, add_special_tokens: false }), ['abAB']);
    assert.deepEqual(await many('ab', { echo: true, max_tokens: 0, add_special_tokens: false }), ['ab']);
    const body = { prompt: [ids('ab'), ids('cd')], stream: true, stream_options: { include_usage: true } };
    const chunks = await events(await post(app, '/completions', body));
    const last = completion.parse(JSON.parse(chunks.at(-2) as string));
    assert.deepEqual([last.choices, last.usage?.prompt_tokens], [[], 4]);
  });

  test('names of special tokens are text unless parse_special is set', async () => {
    const { app, model } = serve({ script });
    const user = model.tokenizer.tokenizer.tokenToId('<｜User｜>') as number;
    await post(app, '/completions', { prompt: '<｜User｜>' });
    assert.ok(!model.prompts.at(-1)?.includes(user));
    await post(app, '/completions', { prompt: '<｜User｜>', parse_special: true });
    assert.ok(model.prompts.at(-1)?.includes(user));
  });

  test('fills in the middle if the vocabulary has the tokens for it', async () => {
    const { app, model } = serve();
    const { tokenizer } = model.tokenizer;
    await post(app, '/beta/completions', { prompt: 'a<｜fim▁end｜>', suffix: 'b' });
    const prompt = model.prompts.at(-1) as number[];
    assert.equal(
      tokenizer.decode(prompt),
      '<｜begin▁of▁sentence｜><｜fim▁begin｜>a<｜fim▁end｜><｜fim▁hole｜>b<｜fim▁end｜>',
    );
    assert.equal(prompt.filter((id) => id === tokenizer.tokenToId('<｜fim▁end｜>')).length, 1);
    await assertRefused(await post(app, '/completions', { prompt: ['a'], suffix: 'b' }), 400, /one text/, 'suffix');
  });

  test('stops act on the answer in chat, and on the whole text here', async () => {
    const { app } = serve();
    for (const [stop, content, text] of [
      ['1', 'It is 2.', '<think>Hm, '],
      ['think', 'It is 2.', '<'],
      ['.</think>It', 'It is 2.', '<think>Hm, 1+1'],
      [' is', 'It', '<think>Hm, 1+1.</think>It'],
    ]) {
      const chat = await json(post(app, '/chat/completions', chatBody({ stop })));
      const { message } = chat.choices[0];
      assert.deepEqual([message.reasoning_content, message.content], ['Hm, 1+1.', content]);
      const raw = await json(post(app, '/completions', { prompt: 'x', max_tokens: 100, stop }));
      assert.equal(raw.choices[0].text, text);
    }
  });

  test('the raw text contains the thinking tags', async () => {
    const { app } = serve();
    const body = { prompt: 'x', max_tokens: 100 };
    const answer = completion.parse(await (await post(app, '/completions', body)).json());
    assert.equal(answer.choices[0]?.text, '<think>Hm, 1+1.</think>It is 2.');
  });

  test("lm-evaluation-harness: a prompt's own log-probabilities, its tokenizer's routes", async () => {
    const { app, model } = serve({ script: () => ({ answer: '' }) }); // ends at once
    const { tokenizer } = model.tokenizer;
    const tokens = [[...tokenizer.encode('the quick 你 brown')], [...tokenizer.encode('to be or not')]];
    const context = [3, 2];
    const body = {
      model: 'test-model',
      prompt: tokens,
      temperature: 0,
      max_tokens: 1,
      logprobs: 1,
      seed: 1234,
      echo: true,
    };
    const answer = completion.parse(await (await post(app, '/v1/completions', body)).json());
    for (const [i, { index, logprobs, text }] of answer.choices.entries()) {
      assert.equal(index, i);
      const own = tokens[i];
      assert.equal(text, tokenizer.decode(own));
      assert.equal(logprobs?.token_logprobs.length, own.length + 1); // the prompt's, and one more, which is cut off
      assert.equal(logprobs?.token_logprobs[0], null);
      assert.equal(logprobs?.top_logprobs?.[0], null);
      const scored = logprobs?.token_logprobs.slice(context[i], -1) as number[];
      const expected = own.slice(context[i]).map((id) => model.scored(id, 1).logprob);
      assert.deepEqual(scored, expected);
      const best = logprobs?.top_logprobs
        ?.slice(context[i], -1)
        .map((top) => Math.max(...Object.values(top as object)));
      assert.deepEqual(
        best,
        expected.map(() => 0),
      ); // the scripted best alternative
      assert.deepEqual(logprobs?.text_offset.slice(0, 3), [
        0,
        ...[0, 1].map((k) => [...tokenizer.decode(own.slice(0, k + 1))].length),
      ]);
    }
    const info = await json(get(app, '/tokenizer_info'));
    assert.equal(info.eos_token, '<｜end▁of▁sentence｜>');
    assert.equal(info.chat_template, model.tokenizer.chatTemplate?.text);
    const encode = async (prompt: string) =>
      (await json(post(app, '/tokenize', { prompt, add_special_tokens: false }))).tokens;
    assert.deepEqual(await encode('test'), [...tokenizer.encode('test')]);
    assert.deepEqual(await encode(String(info.eos_token)), [model.tokenizer.eosIds[0]]);
    const back = await json(post(app, '/detokenize', { tokens: tokens[1] }));
    assert.equal(back.prompt, 'to be or not');
    await assertRefused(await post(app, '/completions', { ...body, stream: true }), 400, /prompt come last/);
  });
});
