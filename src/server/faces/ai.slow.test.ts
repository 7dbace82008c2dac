// The package ai over a real socket, by each of its providers: objects, functions, several steps. npm test -- faces/ai
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createDeepSeek } from '@ai-sdk/deepseek';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, type LanguageModel, Output, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { listen, type RunningServer } from '../listen.ts';
import { TestModel } from '../test-model.ts';
import { caller } from '../test-requests.ts';

const name = 'test-model';
const ignored: string[] = [];
let server: RunningServer;

before(async () => {
  server = await listen(new TestModel(caller), {
    port: 0,
    keys: ['secret'],
    onIgnored: (message) => ignored.push(message),
  });
});
after(async () => {
  await server.close(0);
  assert.deepEqual(ignored, []);
});

const settings = () => ({ baseURL: `${server.url}/v1`, apiKey: 'secret' });
const providers: Readonly<Record<string, () => LanguageModel>> = {
  '@ai-sdk/deepseek': () => createDeepSeek(settings())(name),
  '@ai-sdk/openai-compatible': () =>
    createOpenAICompatible({ ...settings(), name: 'minke', supportsStructuredOutputs: true })(name),
  '@ai-sdk/openai, responses': () => createOpenAI(settings())(name),
  '@ai-sdk/openai, chat': () => createOpenAI(settings()).chat(name),
};

describe('ai', () => {
  for (const [provider, open] of Object.entries(providers)) {
    test(`${provider}: functions in several steps, whole and streamed`, async () => {
      const sums: number[] = [];
      const add = tool({
        description: 'Adds two numbers.',
        inputSchema: z.object({ a: z.number(), b: z.number() }),
        execute: ({ a, b }) => {
          sums.push(a + b);
          return `${a + b}`;
        },
      });
      const asked = { model: open(), prompt: 'Add.', tools: { add }, stopWhen: stepCountIs(3) };
      const { text, steps, totalUsage } = await generateText(asked);
      assert.deepEqual(
        steps.map(({ toolCalls, finishReason }) => [toolCalls.map(({ input }) => input), finishReason]),
        [
          [
            [
              { a: 1, b: 2 },
              { a: 3, b: 4 },
            ],
            'tool-calls',
          ],
          [[], 'stop'],
        ],
      );
      assert.ok((totalUsage.outputTokens ?? 0) > 0);
      const streamed = streamText(asked);
      for (const each of [text, await streamed.text]) assert.match(each, /It is .*3.* and .*7/);
      assert.deepEqual(sums, [3, 7, 3, 7]);
    });

    test(`${provider}: objects`, async () => {
      const output = Output.object({ schema: z.object({ sum: z.number() }) });
      const asked = { model: open(), prompt: 'In JSON.', output };
      assert.deepEqual((await generateText(asked)).output, { sum: 2 });
    });
  }
});
