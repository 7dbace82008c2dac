// One conversation through every protocol: the same prompt, options and text. npm test -- faces/faces
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { json, post, serve, thinker } from '../test-requests.ts';

const messages = [
  { role: 'user', content: '1+1?' },
  { role: 'assistant', content: 'It is 2.' },
  { role: 'user', content: 'And 1 more?' },
];
const name = 'test-model';
const shared = { model: name, temperature: 0.5, top_p: 0.9 };
const system = 'Be brief.';

test('one conversation has the same tokens through all protocols', async () => {
  const { app, model } = serve(thinker);
  const asked = {
    '/v1/chat/completions': { ...shared, max_tokens: 64, messages: [{ role: 'system', content: system }, ...messages] },
    '/v1/responses': { ...shared, max_output_tokens: 64, instructions: system, input: messages },
    '/v1/messages': { ...shared, max_tokens: 64, system, messages },
    '/anthropic/v1/messages': { ...shared, max_tokens: 64, system, messages },
    '/api/chat': {
      model: name,
      stream: false,
      messages: [{ role: 'system', content: system }, ...messages],
      options: { temperature: 0.5, top_p: 0.9, num_predict: 64 },
    },
  };
  const counts = [];
  for (const [path, body] of Object.entries(asked)) {
    const answer = await json(post(app, path, body));
    const { usage } = answer;
    counts.push(usage?.completion_tokens ?? usage?.output_tokens ?? answer.eval_count);
  }
  assert.equal(new Set(counts).size, 1);
  assert.equal(model.prompts.length, 5);
  for (const prompt of model.prompts) assert.deepEqual(prompt, model.prompts[0]);
  const plain = model.requestedOptions.map(({ signal: _, ...options }) => options);
  for (const options of plain) assert.deepEqual(options, plain[0]);
});

test('functions and formats that cannot be are refused by each of them, with the place', async () => {
  const { app } = serve();
  const schema = { type: 'object', properties: { a: { not: { type: 'string' } } } };
  const refused = async (path: string, body: object, message: RegExp) => {
    const response = await post(app, path, { model: name, messages, ...body });
    assert.equal(response.status, 400);
    assert.match(await response.text(), message);
  };
  const tools = [{ name: 'add', input_schema: schema, strict: true }];
  await refused('/v1/messages', { max_tokens: 9, tools }, /tools\[0\]\.input_schema#\/properties\/a/);
  await refused('/v1/messages', { max_tokens: 9, tool_choice: { type: 'any' } }, /tool_choice: needs tools/);
  const choice = { tools, tool_choice: { type: 'tool', name: 'sub' } };
  await refused('/v1/messages/count_tokens', choice, /there is no function \\"sub\\" in tools/);
  await refused('/api/generate', { messages: undefined, prompt: 'a', format: schema }, /format#\/properties\/a/);
  await refused('/api/chat', { format: schema }, /format#\/properties\/a/);
  const responses = { messages: undefined, input: 'a' };
  await refused('/v1/responses', { ...responses, tool_choice: 'required' }, /tool_choice: needs tools/);
  const text = { format: { type: 'json_schema', name: 'a', schema } };
  await refused('/v1/responses', { ...responses, text }, /text\.format\.schema#\/properties\/a/);
});
