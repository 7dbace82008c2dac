// Calls of functions in the text of an answer, however it is cut. npm test -- server/tool-calls
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { GenerationEnd } from '../engine/index.ts';
import type { CallConstraint } from '../grammar/index.ts';
import { findCallSyntax } from './call-syntax.ts';
import { ToolCallReader } from './tool-calls.ts';

const end: GenerationEnd = {
  type: 'end',
  finishReason: 'stop',
  stopText: null,
  usage: {
    promptTokens: 1,
    cachedTokens: 0,
    completionTokens: 1,
    reasoningTokens: 0,
    draftedTokens: 0,
    acceptedTokens: 0,
  },
  firstTokenMs: 0,
  totalMs: 0,
  promptLogprobs: null,
};

const templates = {
  'DeepSeek V3 and R1': "'<｜tool▁calls▁begin｜>' + '\\n```json\\n'",
  'DeepSeek V3.1': "'<｜tool▁calls▁begin｜>'",
  'Qwen 2.5 and 3': '<tool_call>\\n{"name": <function-name>',
  'Llama 3': '<|eot_id|> {"name": "\' + name + \'", "parameters": ',
};
const args = '{"city": "A } \\" {", "n": [1, {}]}';
const answers: Readonly<Record<keyof typeof templates, string>> = {
  'DeepSeek V3 and R1':
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n' +
    `${args}\n\`\`\`<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>time\n` +
    '```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
  'DeepSeek V3.1':
    `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>${args}<｜tool▁call▁end｜>` +
    '<｜tool▁call▁begin｜>time<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
  'Qwen 2.5 and 3':
    `<tool_call>\n{"name": "weather", "arguments": ${args}}\n</tool_call>\n` +
    '<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>',
  'Llama 3': `{"name": "weather", "parameters": ${args}}; {"name": "time", "parameters": {}}`,
};

const functions = [
  {
    name: 'weather',
    schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    isStrict: false,
  },
  { name: 'time', schema: true, isStrict: false },
];

function read(template: string, parts: readonly string[], more: Partial<CallConstraint> = {}, reason = end) {
  const syntax = findCallSyntax(template);
  assert.ok(syntax);
  let id = 0;
  const offered = { kind: 'calls', syntax, functions, isRequired: false, isParallel: true, otherwise: null } as const;
  const reader = new ToolCallReader({ ...offered, ...more }, () => `call_${id++}`);
  const calls: { id: string; name: string; text: string; isDone: boolean }[] = [];
  let [text, count] = ['', 0];
  for (const each of parts)
    for (const event of reader.read({
      type: 'part',
      channel: 'answer',
      text: each,
      tokens: [{ id: 0, logprob: 0, top: [] }],
    })) {
      if (event.type === 'part') [text, count] = [text + event.text, count + event.tokens.length];
      if (event.type === 'tool-call') calls[event.index] = { id: event.id, name: event.name, text: '', isDone: false };
      if (event.type === 'tool-arguments') calls[event.index].text += event.text;
      if (event.type === 'tool-end') calls[event.index].isDone = true;
    }
  const soFar = text;
  for (const event of reader.read(reason)) {
    if (event.type === 'part') text += event.text;
    if (event.type === 'tool-call') calls[event.index] = { id: event.id, name: event.name, text: '', isDone: false };
    if (event.type === 'tool-arguments') calls[event.index].text += event.text;
    if (event.type === 'tool-end') calls[event.index].isDone = true;
    if (event.type === 'end') assert.equal(event.calls, calls.length);
  }
  assert.equal(count, parts.length, 'each token comes once');
  return { text, calls, soFar };
}

/** Cuts a text at random places. */
const cuts = (text: string) =>
  fc.uniqueArray(fc.nat(text.length), { maxLength: 12 }).map((places) => {
    const at = [0, ...places.sort((a, b) => a - b), text.length];
    return at.slice(1).map((to, i) => text.slice(at[i], to));
  });

describe('calls in an answer', () => {
  for (const [name, template] of Object.entries(templates)) {
    const answer = answers[name as keyof typeof templates];
    test(`${name}: wherever tokens end`, () => {
      fc.assert(
        fc.property(cuts(`Let me look.\n${answer}\n`), (parts) => {
          const { text, calls } = read(template, parts);
          assert.equal(text, 'Let me look.');
          assert.deepEqual(calls, [
            { id: 'call_0', name: 'weather', text: args, isDone: true },
            { id: 'call_1', name: 'time', text: '{}', isDone: true },
          ]);
        }),
      );
    });

    test(`${name}: text that is no call stays as it is`, () => {
      const others = [
        answer.slice(0, 9),
        answer.replaceAll('weather', 'wealth'),
        answer.replace(`${args}`, '[1]'),
        `a < b \n ${answer.slice(0, 8)}<${answer.slice(0, 7)}`,
        ' \n',
      ];
      for (const other of others)
        fc.assert(
          fc.property(cuts(other), (parts) => {
            const { text, calls } = read(template, parts);
            assert.deepEqual([text, calls], [other, []]);
          }),
          { numRuns: 20 },
        );
    });
  }

  test('arguments that end early are what came', () => {
    const { calls } = read(templates['Qwen 2.5 and 3'], [answers['Qwen 2.5 and 3'].slice(0, 59)]);
    assert.deepEqual(
      calls.map(({ text, isDone }) => [text, isDone]),
      [['{"city": "A } ', false]],
    );
  });

  test('a template without calls has no syntax, nor one in XML', () => {
    assert.equal(findCallSyntax('{{ messages }}'), null);
    assert.equal(findCallSyntax('<tool_call>\\n<function=NAME>'), null);
  });
});

const hermes = templates['Qwen 2.5 and 3'];
const one = `{"name": "weather", "arguments": ${args}}`;
const two = '{ "name" : "time" ,\n "parameters": {} }';
const bare: Readonly<Record<string, readonly string[]>> = {
  [one]: [args],
  [`\n${one}\n`]: [args],
  [`\`\`\`json\n${one}\n\`\`\``]: [args],
  [`\`\`\`\n${one}\n\`\`\`\n`]: [args],
  [`${one}\n${two}`]: [args, '{}'],
  [`[${one}, ${two}]`]: [args, '{}'],
  [`\`\`\`json\n[\n${one},\n${two}\n]\n\`\`\``]: [args, '{}'],
};

describe('calls without the syntax', () => {
  for (const [answer, expected] of Object.entries(bare))
    test(`are calls where they are the whole answer: ${JSON.stringify(answer)}`, () => {
      fc.assert(
        fc.property(cuts(answer), (parts) => {
          const { text, calls } = read(hermes, parts);
          assert.equal(text, '');
          assert.deepEqual(
            calls.map((call) => call.text),
            expected,
          );
          assert.ok(calls.every(({ isDone }) => isDone));
        }),
        { numRuns: 20 },
      );
    });

  const others = [
    `Here: ${one}`,
    `${one} is the call.`,
    `${one}\n{"temperature": 21}`,
    `\`\`\`json\n${one}`,
    `[${one}`,
    one.slice(0, -1),
    one.replace('weather', 'wealth'),
    one.replace('city', 'town'),
    one.replace('"A } \\" {"', '7'),
    one.replace('"arguments"', '"args"'),
    one.replace('[1, {}]', '[1 {}]'),
    '{"name": "weather", "arguments": []}',
    '{"answer": 1}',
    '```js\nf()\n```',
  ];
  for (const other of others)
    test(`are text where they are not, unchanged: ${JSON.stringify(other)}`, () => {
      fc.assert(
        fc.property(cuts(other), (parts) => {
          const { text, calls } = read(hermes, parts);
          assert.deepEqual([text, calls], [other, []]);
        }),
        { numRuns: 20 },
      );
    });

  test('text is held only while it can become one', () => {
    for (const [text, expected] of [
      ['{"name": "w', ''],
      ['{"name": "wi', '{"name": "wi'],
      ['{ "nom', '{ "nom'],
      ['Hello', 'Hello'],
      ['```jso', ''],
      ['```ja', '```ja'],
      [`${one}\nIt`, `${one}\nIt`],
    ])
      assert.equal(read(hermes, [text]).soFar, expected);
  });

  test('are text where the answer is cut off, has a format, or is one call at most', () => {
    const cut = { ...end, finishReason: 'length' as const };
    assert.deepEqual(read(hermes, [one], {}, cut), { text: one, calls: [], soFar: '' });
    assert.equal(read(hermes, [one], { otherwise: { kind: 'object' } }).text, one);
    assert.equal(read(hermes, [`${one}\n${two}`], { isParallel: false }).calls.length, 0);
    assert.equal(read(hermes, [one], { isParallel: false }).calls.length, 1);
  });

  test('tags in arguments of a call that is none are read as tags', () => {
    const wrong = '{"name": "weather", "arguments": {"a": "';
    const { text, calls } = read(hermes, [`${wrong}${answers['Qwen 2.5 and 3']}`]);
    assert.equal(text, wrong);
    assert.equal(calls.length, 2);
  });
});
