// Checks of Responses, Anthropic's Messages, and Ollama's API, and that all of them give the same answer.
import { greedy, messages } from './chat-checks.ts';
import type { Check } from './check.ts';
import { type Client, expect, expectEqual, type Json } from './client.ts';

const responses = { input: messages, temperature: 0, max_output_tokens: 48 };
const anthropic = { messages, temperature: 0, max_tokens: 48 };
const ollama = { messages, options: { temperature: 0, num_predict: 48 } };

const outputText = ({ output }: Json): string =>
  output
    .filter(({ type }: Json) => type === 'message')
    .flatMap(({ content }: Json) => content.map(({ text }: Json) => text))
    .join('');
const blockText = ({ content }: Json): string => content.map(({ text = '' }: Json) => text).join('');

async function streamsResponse(client: Client): Promise<void> {
  const whole = await client.ask('/v1/responses', responses);
  const events = (await client.stream('/v1/responses', responses)).filter((event) => event !== '[DONE]');
  const deltas = events.filter(({ type }) => type === 'response.output_text.delta').map(({ delta }) => delta);
  expectEqual(deltas.join(''), outputText(whole), 'the text of the events');
  const numbers = events.map(({ sequence_number }) => sequence_number);
  expectEqual(
    numbers,
    events.map((_, i) => i),
    'sequence_number',
  );
  expect(/^response\.(completed|incomplete)$/.test(events.at(-1)?.type), `the last event is ${events.at(-1)?.type}`);
}

async function continuesResponse(client: Client): Promise<void> {
  const { id } = await client.ask('/v1/responses', responses);
  const next = await client.ask('/v1/responses', { ...responses, input: 'And 1 more?', previous_response_id: id });
  expectEqual(next.previous_response_id, id, 'previous_response_id');
  const first = await client.ask('/v1/responses', { ...responses, input: 'And 1 more?' });
  expect(next.usage.input_tokens > first.usage.input_tokens, 'the earlier turns are not in the prompt');
}

async function streamsMessage(client: Client): Promise<void> {
  const whole = await client.ask('/v1/messages', anthropic);
  const events = await client.stream('/v1/messages', anthropic);
  const deltas = events.filter(({ delta }) => delta?.type === 'text_delta').map(({ delta }) => delta.text);
  expectEqual(deltas.join(''), blockText(whole), 'the text of the events');
  expectEqual(events[0]?.type, 'message_start', 'the first event');
  expectEqual(events.at(-1)?.type, 'message_stop', 'the last event');
}

async function streamsLines(client: Client): Promise<void> {
  const whole = await client.ask('/api/chat', { ...ollama, stream: false });
  const lines = await client.stream('/api/chat', ollama);
  const text = lines.map(({ message }) => message.content).join('');
  expectEqual(text, whole.message.content, 'the text of the lines');
  expectEqual(lines.at(-1)?.done, true, 'done of the last line');
}

async function agree(client: Client): Promise<void> {
  const chat = (await client.ask('/v1/chat/completions', greedy)).choices[0].message.content;
  expectEqual(outputText(await client.ask('/v1/responses', responses)), chat, 'the text of Responses');
  expectEqual(blockText(await client.ask('/v1/messages', anthropic)), chat, 'the text of Messages');
  const { message } = await client.ask('/api/chat', { ...ollama, stream: false });
  expectEqual(message.content, chat, "the text of Ollama's chat");
}

export const faceChecks: readonly Check[] = [
  {
    group: 'responses',
    name: 'a response has output and usage',
    run: async (client) => {
      const { object, usage, output } = await client.ask('/v1/responses', responses);
      expectEqual(object, 'response', 'object');
      expect(Array.isArray(output), 'output is no list');
      expectEqual(usage.total_tokens, usage.input_tokens + usage.output_tokens, 'usage.total_tokens');
    },
  },
  { group: 'responses', name: 'a stream has the same text, in numbered events', run: streamsResponse },
  { group: 'responses', name: 'previous_response_id continues a conversation', run: continuesResponse },
  {
    group: 'messages',
    name: 'a stream has the same text, between message_start and message_stop',
    run: streamsMessage,
  },
  {
    group: 'messages',
    name: 'count_tokens counts the prompt of a message',
    run: async (client) => {
      const { input_tokens: counted } = await client.ask('/v1/messages/count_tokens', { messages });
      const { usage } = await client.ask('/v1/messages', anthropic);
      expectEqual(usage.input_tokens + (usage.cache_read_input_tokens ?? 0), counted, 'tokens of the prompt');
    },
  },
  {
    group: 'messages',
    name: "errors have Anthropic's shape",
    run: async (client) => {
      const { type, error } = await client.expectRefused('/v1/messages', { ...anthropic, temperature: 9 });
      expectEqual([type, error.type], ['error', 'invalid_request_error'], 'types');
    },
  },
  { group: 'ollama', name: 'a stream has the same text, in JSON lines', run: streamsLines },
  {
    group: 'ollama',
    name: 'the models are listed',
    run: async (client) => {
      const names = (await client.json('/api/tags')).models.map(({ name }: Json) => name);
      expect(names.length > 0, 'the list is empty');
    },
  },
  { group: 'all', name: 'one conversation has the same answer through all four protocols', run: agree },
];
