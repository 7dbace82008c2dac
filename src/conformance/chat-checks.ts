// Checks of chat and completions, as OpenAI and DeepSeek document them.
import type { Check } from './check.ts';
import { type Client, expect, expectEqual, type Json } from './client.ts';

const path = '/v1/chat/completions';
export const messages = [{ role: 'user', content: 'What is 2+3?' }];
export const greedy = { messages, temperature: 0, max_tokens: 48 };

const textOfDeltas = (chunks: Json[], field: string) =>
  chunks.map((chunk) => chunk?.choices?.[0]?.delta?.[field] ?? '').join('');

async function answersText(client: Client): Promise<void> {
  const { object, choices, usage } = await client.ask(path, greedy);
  expectEqual(object, 'chat.completion', 'object');
  const [choice] = choices;
  expect(typeof choice.message.content === 'string', 'choices[0].message.content is no text');
  expect(['stop', 'length'].includes(choice.finish_reason), `finish_reason is ${choice.finish_reason}`);
  expectEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens, 'usage.total_tokens');
}

async function streamsTheSame(client: Client): Promise<void> {
  const whole = (await client.ask(path, greedy)).choices[0].message;
  const chunks = await client.stream(path, greedy);
  expectEqual(chunks.pop(), '[DONE]', 'the end of the stream');
  expectEqual(textOfDeltas(chunks, 'content'), whole.content, 'the content of the chunks');
  const thinking = textOfDeltas(chunks, 'reasoning_content');
  expectEqual(thinking, whole.reasoning_content ?? '', 'the reasoning_content of the chunks');
}

async function streamsUsage(client: Client): Promise<void> {
  const chunks = await client.stream(path, { ...greedy, stream_options: { include_usage: true } });
  const counted = chunks.filter((chunk) => chunk !== '[DONE]' && chunk.usage);
  expectEqual(counted.length, 1, 'chunks with usage');
  expect(counted[0].usage.total_tokens > 0, 'usage.total_tokens is not above 0');
}

async function stops(client: Client): Promise<void> {
  const { content } = (await client.ask(path, greedy)).choices[0].message;
  const [stop] = content.trim().slice(1) || ['x'];
  const { message, finish_reason } = (await client.ask(path, { ...greedy, stop: [stop] })).choices[0];
  expect(!message.content.includes(stop), `the answer contains the stop text ${JSON.stringify(stop)}`);
  if (content.includes(stop)) expectEqual(finish_reason, 'stop', 'finish_reason');
}

async function scores(client: Client): Promise<void> {
  const { message, logprobs } = (await client.ask(path, { ...greedy, logprobs: true, top_logprobs: 2 })).choices[0];
  const bytes = logprobs.content.flatMap((token: Json) => token.bytes ?? []);
  const text = new TextDecoder().decode(new Uint8Array(bytes));
  expect(text.startsWith(message.content), 'the bytes of logprobs.content are not those of the content');
  expect(
    logprobs.content.every((token: Json) => token.logprob <= 0),
    'a log-probability is above 0',
  );
  expectEqual(logprobs.content[0].top_logprobs.length, 2, 'alternatives of the first token');
}

async function repeats(client: Client): Promise<void> {
  const ask = async () => (await client.ask(path, { ...greedy, temperature: 1, seed: 7 })).choices[0].message.content;
  expectEqual(await ask(), await ask(), 'a second answer with the same seed');
}

async function ignoresCompany(client: Client): Promise<void> {
  const ask = async (seed: number) => (await client.ask(path, { ...greedy, seed })).choices[0].message.content;
  const alone = await ask(1);
  const others = await Promise.all([ask(1), ask(2), ask(3), ask(4)]);
  for (const each of others) expectEqual(each, alone, 'the greedy answer among others');
}

async function continues(client: Client): Promise<void> {
  const turns = [...messages, { role: 'assistant', content: 'The sum of two and', prefix: true }];
  const { content } = (await client.ask(path, { ...greedy, messages: turns })).choices[0].message;
  expect(!content.startsWith('The sum of two and'), 'the beginning is repeated');
}

async function exceedsContext(client: Client): Promise<void> {
  const long = [{ role: 'user', content: 'one two three '.repeat(200_000) }];
  const { error } = await client.expectRefused(path, { ...greedy, messages: long });
  const isNamed = error.code === 'context_length_exceeded' || error.type === 'exceed_context_size_error';
  expect(isNamed, `the error's code is ${error.code}`);
  expect(Number.isInteger(error.n_ctx), 'the error has no n_ctx');
}

async function refuses(client: Client, more: object): Promise<void> {
  await client.expectRefused(path, { ...greedy, ...more });
}

async function echoes(client: Client): Promise<void> {
  const body = { prompt: 'one two', max_tokens: 1, temperature: 0, echo: true, logprobs: 1 };
  const [{ text, logprobs }] = (await client.ask('/v1/completions', body)).choices;
  expect(text.includes('one two'), 'the text does not contain the prompt');
  expectEqual(logprobs.token_logprobs[0], null, 'the log-probability of the first token');
  expectEqual(logprobs.tokens.length, logprobs.token_logprobs.length, 'tokens and log-probabilities');
}

const chat = (name: string, run: Check['run']): Check => ({ group: 'chat', name, run });

export const chatChecks: readonly Check[] = [
  chat('an answer has text, a finish reason, and usage that adds up', answersText),
  chat('a stream has the same text and ends with [DONE]', streamsTheSame),
  chat('include_usage: one chunk has the usage', streamsUsage),
  chat('max_tokens ends with the reason length', async (client) => {
    const [{ finish_reason }] = (await client.ask(path, { ...greedy, max_tokens: 1 })).choices;
    expectEqual(finish_reason, 'length', 'finish_reason');
  }),
  chat('a stop text ends the answer and is not in it', stops),
  chat('n: 2 gives two choices', async (client) => {
    expectEqual((await client.ask(path, { ...greedy, temperature: 1, n: 2 })).choices.length, 2, 'choices');
  }),
  chat('logprobs have the bytes of the text, and alternatives', scores),
  chat('the same seed gives the same answer', repeats),
  chat('an answer does not depend on the requests beside it', ignoresCompany),
  chat('the thinking is not in the content', async (client) => {
    const { content } = (await client.ask(path, { ...greedy, max_tokens: 256 })).choices[0].message;
    expect(!/<\/?think>/.test(content), 'the content has a tag of the thinking');
  }),
  chat('DeepSeek: cache hits and misses add up to the prompt', async (client) => {
    const { usage } = await client.ask(path, greedy);
    const sum = usage.prompt_cache_hit_tokens + usage.prompt_cache_miss_tokens;
    expectEqual(sum, usage.prompt_tokens, 'prompt_cache_hit_tokens + prompt_cache_miss_tokens');
  }),
  chat('DeepSeek: prefix: true continues the last message', continues),
  chat('a prompt beyond the context is an error with its sizes', exceedsContext),
  chat('temperature: 9 is refused', (client) => refuses(client, { temperature: 9 })),
  chat('an unknown role is refused', (client) => refuses(client, { messages: [{ role: 'nobody', content: 'a' }] })),
  chat('no messages are refused', (client) => refuses(client, { messages: [] })),
  chat('an unknown model is refused', (client) => refuses(client, { model: 'no-such-model' })),
  { group: 'completions', name: 'echo with logprobs scores the prompt', run: echoes },
  {
    group: 'models',
    name: 'a model of the list is found by its id',
    run: async (client) => {
      const id = await client.model();
      expectEqual((await client.json(`/v1/models/${id}`)).id, id, 'id');
    },
  },
];
