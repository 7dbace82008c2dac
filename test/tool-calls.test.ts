// Conversations with functions, as they are learned and as they are served. npm test -- test/tool-calls
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conversationAt } from '../src/corpus/index.ts';
import { promptEncoder } from '../src/engine/index.ts';
import { TestModel } from '../src/server/test-model.ts';
import { json, post, serve } from '../src/server/test-requests.ts';
import { toChatTemplate } from '../src/tasks/index.ts';
import { ChatTemplate } from '../src/tokenizer/index.ts';

const sort = 'tool-calls';
const conversations = Array.from({ length: 60 }, (_, index) =>
  conversationAt(sort, { seed: 5, index, split: index % 2 === 0 ? 'train' : 'held-out' }),
);

test('what is learned is what the server asks, calls and results included', async () => {
  let answer = '';
  const model = new TestModel({ script: () => ({ answer }) });
  const loaded = { ...model.tokenizer, chatTemplate: new ChatTemplate(toChatTemplate('tools'), {}) };
  Object.assign(model, { tokenizer: loaded });
  const { app } = serve(model);
  const encoder = promptEncoder(loaded);
  const counts = { calls: 0, results: 0, none: 0 };
  const kinds = [
    conversations.filter((each) => each.length > 3),
    conversations.filter(([, , { content }, next]) => content.startsWith('<tool_call>') && next === undefined),
    conversations.filter(([, , { content }]) => !content.startsWith('<tool_call>')),
  ];
  const few = kinds.flatMap((kind) => kind.slice(0, 2));
  for (const conversation of few) {
    const [system, question, reply, result] = conversation;
    const tools = system.content.split('\n').flatMap((line) => (line.startsWith('{"type"') ? [JSON.parse(line)] : []));
    const ask = async (messages: readonly object[]) => {
      const body = { messages, tools };
      return (await json(post(app, '/v1/chat/completions', body))).choices[0] as unknown as {
        readonly message: { readonly content: string | null; readonly tool_calls?: readonly { function: object }[] };
      };
    };
    answer = reply.content;
    const { message } = await ask([question]);
    assert.deepEqual(model.prompts.at(-1), [...(await encoder.chat([system, question])).ids]);
    if (!reply.content.startsWith('<tool_call>')) {
      assert.deepEqual([message.content, message.tool_calls], [reply.content, undefined]);
      counts.none++;
      continue;
    }
    const written = JSON.parse(reply.content.split('\n')[1] ?? '');
    const [call] = message.tool_calls ?? [];
    assert.deepEqual(call?.function, { name: written.name, arguments: JSON.stringify(written.arguments) });
    counts.calls++;
    if (result === undefined) continue;
    answer = conversation[4]?.content ?? '';
    const last = await ask([question, message, { role: 'tool', content: result.content, tool_call_id: 'a' }]);
    assert.deepEqual(model.prompts.at(-1), [...(await encoder.chat(conversation.slice(0, 4))).ids]);
    assert.equal(last.message.content, conversation[4]?.content);
    counts.results++;
  }
  encoder.close();
  for (const [name, count] of Object.entries(counts)) assert.ok(count > 0, name);
});

test('a call is of an offered function, with words of the question as arguments; held-out questions differ', () => {
  const said = { train: new Set<string>(), 'held-out': new Set<string>() };
  for (const [i, [system, question, reply]] of conversations.entries()) {
    assert.doesNotMatch(question.content, /undefined|\{/);
    if (!reply.content.startsWith('<tool_call>')) continue;
    const { name, arguments: given } = JSON.parse(reply.content.split('\n')[1] ?? '');
    assert.match(system.content, new RegExp(`"name":"${name}"`));
    let shape = question.content.toLowerCase();
    for (const value of Object.values(given)) {
      assert.ok(shape.includes(`${value}`.toLowerCase()), `${value} is in: ${question.content}`);
      shape = shape.replace(`${value}`.toLowerCase(), 'X');
    }
    said[i % 2 === 0 ? 'train' : 'held-out'].add(shape.replace(/[.?]$/, ''));
  }
  assert.ok(said.train.size > 5 && said['held-out'].size > 3);
  assert.deepEqual(
    [...said['held-out']].filter((shape) => said.train.has(shape)),
    [],
  );
});
