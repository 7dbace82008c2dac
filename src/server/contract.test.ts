// What a request may ask for besides the answer, and what profiles change. npm test -- server/contract
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { profiles } from './profiles.ts';
import { chatChunk, chatCompletion, completion } from './protocol-responses.ts';
import type { TestModel } from './test-model.ts';
import { assertRefused, caller, chatBody, events, json, post, serve, thinker } from './test-requests.ts';

const path = '/v1/chat/completions';
const decode = ({ tokenizer }: TestModel, ids: readonly number[]) => tokenizer.tokenizer.decode([...ids]);

describe('return_token_ids', () => {
  test('chat: the prompt, and every token of the answer, whole and streamed', async () => {
    const { app, model } = serve(thinker);
    const body = chatBody({ return_token_ids: true });
    const whole = chatCompletion.parse(await json(post(app, path, body)));
    const ids = whole.choices[0]?.token_ids ?? [];
    assert.deepEqual(whole.prompt_token_ids, model.prompts[0]);
    assert.equal(ids.length, whole.usage.completion_tokens);
    assert.equal(decode(model, ids), 'Hm, 1+1.It is 2.<｜end▁of▁sentence｜>');
    for (const more of [{}, { include_reasoning: false }, { logprobs: true }]) {
      const frames = await events(await post(app, path, { ...body, ...more, stream: true }));
      const chunks = frames.slice(0, -1).map((frame) => chatChunk.parse(JSON.parse(frame)));
      assert.deepEqual(chunks[0]?.prompt_token_ids, model.prompts[0]);
      assert.deepEqual(
        chunks.flatMap(({ choices }) => choices[0]?.token_ids ?? []),
        ids,
      );
    }
    assert.equal('token_ids' in chatCompletion.parse(await json(post(app, path, chatBody()))).choices[0], false);
  });

  test('with calls, no token is lost', async () => {
    const { app, model } = serve(caller);
    const tools = [{ type: 'function', function: { name: 'add' } }];
    const { choices, usage } = chatCompletion.parse(
      await json(post(app, path, chatBody({ return_token_ids: true, tools }))),
    );
    assert.equal(choices[0]?.message.tool_calls?.length, 2);
    assert.equal(choices[0]?.token_ids?.length, usage.completion_tokens);
    assert.match(decode(model, choices[0]?.token_ids ?? []), /<｜tool▁calls▁end｜>/);
  });

  test('completions: of each choice', async () => {
    const { app, model } = serve();
    const body = { prompt: [[65], [66, 67]], return_token_ids: true };
    const { choices } = completion.parse(await json(post(app, '/v1/completions', body)));
    assert.deepEqual(
      choices.map((each) => each.prompt_token_ids),
      [[65], [66, 67]],
    );
    for (const { text, token_ids: ids = [] } of choices)
      assert.equal(decode(model, ids).replace('<｜end▁of▁sentence｜>', ''), text);
    const frames = await events(await post(app, '/v1/completions', { ...body, prompt: [65], stream: true }));
    const chunks = frames.slice(0, -1).map((frame) => completion.parse(JSON.parse(frame)).choices[0]);
    assert.deepEqual(chunks[0]?.prompt_token_ids, [65]);
    assert.deepEqual(
      chunks.flatMap((choice) => choice?.token_ids ?? []),
      choices[0]?.token_ids,
    );
  });
});

test('prompt_logprobs on chat: each token of the prompt but the first; not in a stream', async () => {
  const { app, model } = serve();
  const { prompt_logprobs: table = [] } = chatCompletion.parse(
    await json(post(app, path, chatBody({ prompt_logprobs: 2 }))),
  );
  const [prompt] = model.prompts;
  assert.equal(table.length, prompt.length);
  assert.equal(table[0], null);
  for (const [i, row] of table.entries()) {
    if (row === null) continue;
    const { logprob } = model.scored(prompt[i], 0);
    assert.equal(row[prompt[i]]?.logprob, logprob);
    assert.deepEqual(row[7], { logprob: -1 / 8, rank: 2, decoded_token: row[7]?.decoded_token });
    assert.equal(row[prompt[i]]?.rank, [0, 7].includes(prompt[i]) ? prompt[i] / 7 + 1 : null);
  }
  await assertRefused(await post(app, path, chatBody({ prompt_logprobs: 0, stream: true })), 400, /leave out stream/);
  await assertRefused(await post(app, '/v1/completions', { prompt: 'a', prompt_logprobs: 1 }), 400, /with echo/);
});

test('timings: in the fields of llama.cpp, at the end', async () => {
  const { app } = serve();
  const { timings, usage } = chatCompletion.parse(await json(post(app, path, chatBody({ timings: true }))));
  assert.deepEqual([timings?.prompt_ms, timings?.predicted_ms], [1, 1]);
  assert.equal(timings?.predicted_per_second, 1000 * usage.completion_tokens);
  assert.equal((timings?.prompt_n ?? 0) + (timings?.cache_n ?? 0), usage.prompt_tokens);
  for (const [at, body] of [[path, chatBody()] as const, ['/v1/completions', { prompt: 'a' }] as const]) {
    const frames = await events(await post(app, at, { ...body, timings: true, stream: true }));
    const marked = frames.slice(0, -1).map((frame) => 'timings' in JSON.parse(frame));
    assert.deepEqual(
      marked,
      marked.map((_, i) => i === marked.length - 1),
    );
  }
});

describe('the last message', () => {
  const messages = [
    { role: 'user', content: '1+1?' },
    { role: 'assistant', content: 'It' },
  ];

  test('is continued with continue_final_message as with prefix, on every route', async () => {
    const { app, model } = serve();
    const [user, last] = messages;
    await json(post(app, path, { messages: [user, { ...last, prefix: true }] }));
    const asked = { messages, continue_final_message: true, add_generation_prompt: false };
    await json(post(app, path, asked));
    assert.deepEqual(model.prompts[1], model.prompts[0]);
    const { tokens } = await json(post(app, '/tokenize', asked));
    const applied = await json(post(app, '/apply-template', asked));
    assert.deepEqual([tokens, applied.tokens], [model.prompts[0], model.prompts[0]]);
  });

  test('is refused where it cannot be', async () => {
    const { app } = serve();
    const refused = async (body: object, message: RegExp, param: string) =>
      assertRefused(await post(app, path, { messages, ...body }), 400, message, param);
    await refused({ add_generation_prompt: false }, /false is for continue_final_message/, 'add_generation_prompt');
    const both = { continue_final_message: true, add_generation_prompt: true };
    await refused(both, /contradicts/, 'add_generation_prompt');
    const user = { messages: messages.slice(0, 1), continue_final_message: true };
    await refused(user, /is no text of the assistant/, 'continue_final_message');
  });
});

describe('profiles', () => {
  const [user] = chatBody().messages;
  const history = [user, { role: 'assistant', content: 'It is 2.', reasoning_content: 'Hm.' }, user];

  test('openai shows no thinking, and usage where it is asked for', async () => {
    const { app } = serve(thinker, { profile: 'openai' });
    const { message } = chatCompletion.parse(await json(post(app, path, chatBody()))).choices[0] ?? {};
    assert.deepEqual(message, { role: 'assistant', content: 'It is 2.' });
    const streamed = async (more: object) =>
      (await events(await post(app, path, chatBody({ stream: true, ...more })))).slice(0, -1).map((f) => JSON.parse(f));
    for (const each of await streamed({})) assert.equal('usage' in each, false);
    const asked = await streamed({ stream_options: { include_usage: true } });
    assert.deepEqual(
      asked.map(({ usage, choices }) => [usage === null, choices.length]),
      asked.map((_, i) => (i < asked.length - 1 ? [true, 1] : [false, 0])),
    );
    const shown = chatCompletion.parse(await json(post(app, path, chatBody({ include_reasoning: true })))).choices[0];
    assert.equal(shown?.message.reasoning_content, 'Hm, 1+1.');
  });

  test('deepseek has usage on the last chunk, and null on the others', async () => {
    const { app } = serve(thinker, { profile: 'deepseek' });
    const frames = (await events(await post(app, path, chatBody({ stream: true })))).slice(0, -1);
    assert.deepEqual(
      frames.map((frame) => JSON.parse(frame).usage === null),
      frames.map((_, i) => i < frames.length - 1),
    );
  });

  for (const [name, { earlierThinking }] of Object.entries(profiles))
    test(`${name}: earlier thinking is ${earlierThinking}`, async () => {
      const { app, model } = serve(thinker, { profile: name as keyof typeof profiles });
      const answered = await post(app, path, { messages: history });
      const prefixed = [user, { role: 'assistant', content: '', reasoning_content: 'Hm.', prefix: true }];
      assert.equal((await post(app, path, { messages: prefixed })).status, 200);
      if (earlierThinking === 'refused')
        await assertRefused(answered, 400, /leave it out/, 'messages[1].reasoning_content');
      else assert.equal(answered.status, 200);
      assert.match(decode(model, model.prompts.at(-1) ?? []), /Hm\.$/);
    });
});

test('FIM with echo: the prompt stands before the middle', async () => {
  const { app } = serve({ profile: 'deepseek-v3', script: () => ({ answer: 'middle' }) });
  const body = { prompt: 'before ', suffix: ' after', echo: true };
  const { choices } = completion.parse(await json(post(app, '/beta/completions', body)));
  assert.equal(choices[0]?.text, 'before middle');
  await assertRefused(await post(app, '/beta/completions', { ...body, logprobs: 1 }), 400, /echo and suffix/);
});

test('ollama: a call that is cut off is text, whole and streamed', async () => {
  const { app } = serve(caller);
  const tools = [{ type: 'function', function: { name: 'add', parameters: { type: 'object' } } }];
  const messages = [{ role: 'user', content: 'Add.' }];
  const body = { model: 'test-model', messages, tools, options: { num_predict: 103 } };
  const { message, done_reason } = await json(post(app, '/api/chat', { ...body, stream: false }));
  assert.equal(`${done_reason}`, 'length');
  assert.match(`${message.content}`, /^\{"name": "add", "arguments": \{/);
  const lines = (await (await post(app, '/api/chat', body)).text()).trim().split('\n');
  assert.equal(lines.map((line) => JSON.parse(line).message.content).join(''), message.content);
});
