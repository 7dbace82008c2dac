// Large bodies: the answers of small ones, and refusals before anything is parsed. npm test -- large-bodies
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertRefused, get, json, post, serve } from './test-requests.ts';

const text = 'to be or not to be, 字 "quoted" \\ 1 2 3\n'.repeat(4000); // 160 KB

describe('a large body', () => {
  const { app, model } = serve({ contextLength: 2 ** 22 });
  const { tokenizer } = model.tokenizer;

  test('with a long prompt, text or ids, is answered as a small one', async () => {
    for (const prompt of [text, [text, 'a'], [...tokenizer.encode(text)]]) {
      const response = await post(app, '/v1/completions', { prompt, max_tokens: 1 });
      assert.equal(response.status, 200, await response.clone().text());
    }
    const expected = [...tokenizer.encode(text, { plain: true, addSpecialTokens: true })];
    assert.deepEqual(model.prompts.slice(0, 2), [expected, expected]);
    assert.deepEqual(model.prompts.at(-1), [...tokenizer.encode(text)]);
  });

  test('with a long conversation is answered; its unknown fields are listed', async () => {
    const messages = Array.from({ length: 2000 }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: `${i}` }));
    const response = await post(app, '/v1/chat/completions', { messages, temprature: 1 });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-minke-ignored'), 'temprature (temperature?)');
    const prompt = tokenizer.decode(model.prompts.at(-1) as number[]);
    assert.ok(prompt.includes('<｜User｜>1998<｜Assistant｜>'));
  });

  test('tokens and texts come back whole', async () => {
    const { tokens, count } = await json(post(app, '/tokenize', { prompt: text, add_special_tokens: false }));
    const expected = [...tokenizer.encode(text)];
    assert.deepEqual([tokens, count], [expected, expected.length]);
    assert.equal((await json(post(app, '/detokenize', { tokens: expected }))).prompt, text);
    assert.equal((await json(post(app, '/detokenize', { tokens: [] }))).prompt, '');
    await assertRefused(
      await post(app, '/detokenize', { tokens: [...expected, 10 ** 6] }),
      422,
      /no token has id 1000000/,
    );
  });

  test('a prompt that cannot fit is refused by its bytes', async () => {
    const small = serve({ contextLength: 512 });
    const prompt = 'x'.repeat(4 * 1024 * 1024);
    const tooLong = /4194304 bytes are at least \d+ tokens, the context holds 512/;
    await assertRefused(await post(small.app, '/v1/completions', { prompt }), 400, tooLong, 'prompt');
    const messages = [{ role: 'user', content: prompt }];
    await assertRefused(await post(small.app, '/v1/chat/completions', { messages }), 400, /at least \d+ tokens/);
    const ids = new Array(1000).fill(5);
    await assertRefused(await post(small.app, '/v1/completions', { prompt: ids }), 400, /has 1000 tokens/, 'prompt');
    assert.equal(small.model.prompts.length, 0);
  });

  test('more log-probabilities of a prompt than an answer may hold are refused', async () => {
    const body = { prompt: new Array(100_000).fill(5), echo: true, logprobs: 20, max_tokens: 0 };
    const message = /^logprobs: 2100000 log-probabilities of prompts, at most 2097152 at a time/;
    await assertRefused(await post(app, '/v1/completions', body), 422, message, 'logprobs');
  });
});

describe('a body that would take long to parse or to check', () => {
  const { app, errors } = serve();
  const [open, none] = ['{"messages":[', /not counting token ids/];
  const bodies: readonly (readonly [name: string, body: string, status: number, message: RegExp])[] = [
    ['brackets', `${open}${'[],'.repeat(100_000)}[]]}`, 400, none],
    ['members', `{${Array.from({ length: 70_000 }, (_, i) => `"x${i}":1`).join()}}`, 400, none],
    ['nesting', '[{"a":'.repeat(9000), 400, /deeper than 64/],
    ['faults', `${open}${'{},'.repeat(4000)}{}]}`, 422, /^messages\[0\]\.role/],
    ['fractions', `{"prompt":[${'0.5,'.repeat(100_000)}1]}`, 422, /^prompt/],
    ['no text', `${open}${'\u0000'.repeat(100_000)}`, 400, /not JSON/],
    ['half of it', `${open}{"role":"user","content":"${'a'.repeat(100_000)}`, 400, /not JSON/],
  ];
  for (const [name, body, status, message] of bodies)
    test(`${name}: refused`, async () => {
      await assertRefused(await post(app, '/v1/chat/completions', body).then(retry(name, body)), status, message);
      assert.deepEqual(errors, []);
    });

  /** Bodies with a prompt go to the other route. */
  const retry = (name: string, body: string) => (response: Response) =>
    name === 'fractions' ? post(app, '/v1/completions', body) : response;

  test('names of template variables are names, not patterns', async () => {
    const kwargs = { '(\\w+\\s?)+\\x00': true };
    const messages = [{ role: 'user', content: 'a' }];
    const response = await post(app, '/v1/chat/completions', { messages, chat_template_kwargs: kwargs });
    assert.equal(response.status, 200);
  });
});

test('all bodies together have a limit, and what was refused or read counts no more', async () => {
  const { app } = serve({}, { maxBodyBytes: 2 ** 26 });
  const part = new TextEncoder().encode(' '.repeat(2 ** 20));
  const ends: (() => void)[] = [];
  /** A body of 32 MiB that does not end by itself. */
  const endless = (): Request => {
    let parts = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (parts++ < 32) controller.enqueue(part);
        else return new Promise<void>((resolve) => ends.push(() => resolve(controller.close())));
      },
    });
    return new Request('http://localhost/tokenize', { method: 'POST', body, duplex: 'half' } as RequestInit);
  };
  const waiting = Array.from({ length: 8 }, () => app.fetch(endless()));
  while (ends.length < 8) await new Promise((resolve) => setTimeout(resolve, 5));
  await assertRefused(await app.fetch(endless()), 429, /too many large bodies/);
  for (const end of ends) end();
  for (const response of await Promise.all(waiting)) assert.equal(response.status, 400);
  assert.equal((await json(post(app, '/tokenize', { prompt: 'a' }))).count, 1);
  assert.equal((await get(app, '/health')).status, 200);
});
