// LangChain's client of DeepSeek over a real socket. npm test -- server/langchain
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ChatDeepSeek } from '@langchain/deepseek';
import { listen, type RunningServer } from './listen.ts';
import { TestModel } from './test-model.ts';
import { thinker } from './test-requests.ts';

let server: RunningServer;
let chat: ChatDeepSeek;
before(async () => {
  server = await listen(new TestModel(thinker), { port: 0, keys: ['secret'], strict: true });
  const configuration = { baseURL: `${server.url}/v1` };
  chat = new ChatDeepSeek({ model: 'test-model', apiKey: 'secret', configuration, maxRetries: 0 });
});
after(() => server.close(0));

test('text, thinking and usage', async () => {
  const { content, additional_kwargs, usage_metadata } = await chat.invoke([
    ['system', 'Be brief.'],
    ['human', '1+1?'],
  ]);
  assert.deepEqual([content, additional_kwargs.reasoning_content], ['It is 2.', 'Hm, 1+1.']);
  assert.ok(((usage_metadata as { output_tokens: number } | undefined)?.output_tokens ?? 0) > 0);
});

test('a stream gives the same', async () => {
  let [text, thinking] = ['', ''];
  for await (const { content, additional_kwargs } of await chat.stream('1+1?')) {
    text += content;
    thinking += String(additional_kwargs.reasoning_content ?? '');
  }
  assert.deepEqual([text, thinking], ['It is 2.', 'Hm, 1+1.']);
});
