// A checkpoint on disk, served on a socket: the openai client gets the same answers as the library.
// npm test -- test/serve
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { type GenerateOptions, openModel, type ServedModel } from '../src/engine/index.ts';
import { listen, type RunningServer } from '../src/server/index.ts';
import { writeSmallModel } from './small-model.ts';

let folder: string;
let model: ServedModel;
let server: RunningServer;
let client: OpenAI;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'minke-serve-'));
  await writeSmallModel(folder);
  model = await openModel(folder, { name: 'whale' });
  server = await listen(model, { port: 0 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});

after(async () => {
  await server.close();
  await model.close();
  rmSync(folder, { recursive: true });
});

const messages = [{ role: 'user' as const, content: 'the whale' }];

describe('a model served to a client', () => {
  test('the library and the client get the same tokens for a seed, streamed or whole', async () => {
    const own = { thinking: '', answer: '' };
    for await (const event of model.chat(messages, { seed: 5, temperature: 1, maxTokens: 40 }))
      if (event.type === 'part') own[event.channel] += event.text;
    const request = { model: 'whale', messages, seed: 5, temperature: 1, max_tokens: 40 };
    const whole = await client.chat.completions.create(request);
    const [choice] = whole.choices as unknown as [{ message: { content: string; reasoning_content?: string } }];
    const { content, reasoning_content } = choice.message;
    assert.equal((reasoning_content ?? '') + content, own.thinking + own.answer);
    assert.equal(whole.usage?.completion_tokens, 40);
    assert.equal(whole.system_fingerprint, model.fingerprint);
    let streamed = '';
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
      const delta = chunk.choices[0]?.delta as { content?: string | null; reasoning_content?: string | null };
      streamed += (delta?.reasoning_content ?? '') + (delta?.content ?? '');
    }
    assert.equal(streamed, own.thinking + own.answer);
  });

  test('a stop token ends the raw text where it first comes, but not before the minimum number of tokens', async () => {
    const tokens = async (more: GenerateOptions) => {
      const ids: number[] = [];
      for await (const event of model.complete('the whale', { temperature: 0, maxTokens: 12, ...more }))
        if (event.type === 'part') ids.push(...event.tokens.map(({ id }) => id));
      return ids;
    };
    const free = await tokens({});
    const [first] = free;
    assert.equal(free.length, 12);
    assert.deepEqual(await tokens({ stopIds: [first] }), [first]);
    const later = await tokens({ stopIds: [first], minTokens: 4 });
    assert.ok(later.length >= 4 && later.slice(0, 4).every((id) => id !== first), `${later}`);
    const request = { model: 'whale', prompt: 'the whale', temperature: 0, max_tokens: 12, stop_token_ids: [first] };
    const { choices, usage } = await client.completions.create(request);
    assert.deepEqual([choices[0]?.text, choices[0]?.finish_reason, usage?.completion_tokens], ['', 'stop', 1]);
    await assert.rejects(client.completions.create({ ...request, min_tokens: 13 } as never), /min_tokens: .*0 to 12/);
  });

  test('each of many clients gets the answer that it gets alone, while others leave', async () => {
    const ask = async (seed: number) => {
      const { choices } = await client.completions.create({
        model: 'whale',
        prompt: 'sings '.repeat(1 + (seed % 9)),
        seed,
        temperature: 1,
        max_tokens: 12,
      });
      return choices[0]?.text;
    };
    const alone: unknown[] = [];
    for (let seed = 0; seed < 8; seed++) alone.push(await ask(seed));
    const leaving = Array.from({ length: 8 }, async () => {
      const stream = await client.chat.completions.create({ model: 'whale', messages, stream: true });
      for await (const chunk of stream) if (chunk) break;
    });
    const answers = await Promise.all(Array.from({ length: 24 }, (_, i) => ask(i % 8)));
    await Promise.all(leaving);
    answers.forEach((text, i) => {
      assert.equal(text, alone[i % 8]);
    });
    for (let i = 0; i < 200 && model.stats.running > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual([model.stats.running, model.stats.blocksUsed], [0, 0]);
  });

  test('an unknown model and a prompt beyond the context are refused in words', async () => {
    const refused = async (request: object) =>
      client.chat.completions.create({ model: 'whale', messages, ...request } as never).then(
        () => null,
        (error: { status: number; message: string }) => `${error.status} ${error.message}`,
      );
    assert.match(`${await refused({ model: 'shark' })}`, /^404 .*whale/);
    const long = [{ role: 'user', content: 'the whale sings '.repeat(400) }];
    assert.match(`${await refused({ messages: long })}`, /^400 .*context/);
  });
});
