// Chat templates, DeepSeek's profiles beside the released template, and folders. npm test -- chat-template
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Template } from '@huggingface/jinja';
import { chatProfiles, withThinkTokens } from './chat-profile.ts';
import { ChatTemplate, type Message, readChatTemplate, readSpecialTokens } from './chat-template.ts';
import { loadTokenizer, saveTokenizer } from './folder.ts';
import { readV3, v3Folder } from './test-texts.ts';
import { Tokenizer } from './tokenizer.ts';
import { trainTokenizer } from './train.ts';

const config = readV3('tokenizer_config.json');
const tokens = readSpecialTokens(config);
const released = readChatTemplate(config) as ChatTemplate;
const v3 = readChatTemplate(chatProfiles['deepseek-v3'].config) as ChatTemplate;
const r1 = readChatTemplate(chatProfiles['deepseek-r1'].config) as ChatTemplate;
const { bos_token: bos, eos_token: eos } = tokens;

const conversation: Message[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Hello' },
  { role: 'user', content: 'Bye' },
];
const call = (name: string, args: unknown = '{"x": 1}') => ({ type: 'function', function: { name, arguments: args } });
const asked = { role: 'user', content: 'Weather?' };

describe('the V3 profile', () => {
  test('renders what the released template renders', () => {
    const two = { role: 'assistant', content: null, tool_calls: [call('f'), call('g')] };
    const outputs = ['sun', 'rain'].map((content) => ({ role: 'tool', content }));
    const all: Message[][] = [
      conversation,
      [{ role: 'system', content: 'A' }, ...conversation],
      conversation.slice(1),
      conversation.slice(1, 2),
      [asked, two],
      [asked, two, ...outputs],
      [asked, two, ...outputs, { role: 'assistant', content: 'Mixed.' }, asked],
    ];
    for (const messages of all)
      for (const addGenerationPrompt of [true, false])
        assert.equal(v3.render(messages, { addGenerationPrompt }), released.render(messages, { addGenerationPrompt }));
  });

  test('closes a single tool call, which the released template forgets', () => {
    const messages = [asked, { role: 'assistant', content: 'Let me see.', tool_calls: [call('f', { x: 1 })] }];
    assert.equal(
      v3.render(messages, { addGenerationPrompt: false }),
      `${bos}<｜User｜>Weather?<｜Assistant｜>Let me see.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n` +
        `\`\`\`json\n{"x": 1}\n\`\`\`<｜tool▁call▁end｜><｜tool▁calls▁end｜>${eos}`,
    );
    const one = [asked, { role: 'assistant', content: null, tool_calls: [call('f')] }];
    assert.ok(!released.render(one, { addGenerationPrompt: false }).includes('<｜tool▁calls▁end｜>'));
  });

  test('a second round of tools begins as the first', () => {
    const round = [
      { role: 'assistant', content: null, tool_calls: [call('f')] },
      { role: 'tool', content: 'sun' },
    ];
    const text = v3.render([asked, ...round, ...round]);
    const output = '<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>sun<｜tool▁output▁end｜><｜tool▁outputs▁end｜>';
    assert.equal(text.split(output).length, 3);
    assert.ok(text.endsWith(output)); // the answer follows at once
  });

  test('tools that are offered stand after the system text', () => {
    const tool = { type: 'function', function: { name: 'weather', parameters: { type: 'object' } } };
    const text = v3.render(conversation, { tools: [tool] });
    assert.ok(text.startsWith(`${bos}Be brief.\n\n## Tools\n\n`));
    assert.match(
      text,
      /\n\{"type": "function", "function": \{"name": "weather".*\}\}\}<｜User｜>Hi<｜Assistant｜>Hello/,
    );
    assert.ok(v3.render([asked], { tools: [tool] }).startsWith(`${bos}## Tools\n\n`));
    assert.equal(v3.render(conversation, { tools: [] }), v3.render(conversation));
  });
});

describe('the R1 profile', () => {
  test('earlier thinking is dropped, the prompt opens the thinking', () => {
    const messages = [
      { role: 'user', content: '1+1?' },
      { role: 'assistant', content: '<think>\nOne and one.\n</think>\n\n2' },
      { role: 'user', content: 'And 2+2?' },
    ];
    const history = `${bos}<｜User｜>1+1?<｜Assistant｜>\n\n2${eos}<｜User｜>And 2+2?`;
    assert.equal(r1.render(messages), `${history}<｜Assistant｜><think>\n`);
    assert.equal(r1.render(messages, { addGenerationPrompt: false }), history);
  });

  test("the R1 vocabulary is V3's with two placeholders renamed", () => {
    const [plain, thinking] = [
      new Tokenizer(readV3('tokenizer.json')),
      new Tokenizer(withThinkTokens(readV3('tokenizer.json'))),
    ];
    assert.equal(plain.tokenToId('<think>'), undefined);
    assert.ok(plain.encode('<think>').length > 1);
    assert.deepEqual([...thinking.encode('<think>\n</think>')], [128798, 201, 128799]);
    assert.equal(thinking.vocabSize, plain.vocabSize);
    assert.equal(thinking.decode([128798, 0], { skipSpecialTokens: true }), '<think>');
    assert.throws(() => withThinkTokens({ added_tokens: [] }), /no added token <｜place▁holder▁no▁798｜>/);
  });

  test('its special tokens train into a vocabulary that its template uses', () => {
    const { specialTokens, config: own } = chatProfiles['deepseek-r1'];
    const tokenizer = new Tokenizer(trainTokenizer(['to be'], { vocabSize: 300, specialTokens }));
    const ids = tokenizer.encode((readChatTemplate(own) as ChatTemplate).render([{ role: 'user', content: 'be' }]));
    const expected = ['<｜begin▁of▁sentence｜>', '<｜User｜>', 'b', 'e', '<｜Assistant｜>', '<think>', 'Ċ'];
    const { vocab } = tokenizer.json.model as { vocab: Record<string, number> };
    const given = [...ids].map((id) => Object.keys(vocab).find((token) => vocab[token] === id) as string);
    assert.deepEqual(
      given.filter((token) => token !== 'be'),
      expected.filter((token) => given.includes(token)),
    );
    assert.equal(tokenizer.decode(ids.slice(0, 2), { skipSpecialTokens: true }), '<｜User｜>');
  });
});

describe('chat templates', () => {
  test('variables, lists of templates, special tokens as texts or objects', () => {
    const template = new ChatTemplate('{{ bos_token }}{% if thinking %}<think>{% endif %}', { bos_token: '<s>' });
    assert.equal(template.render([], { variables: { thinking: true } }), '<s><think>');
    const list = [
      { name: 'default', template: 'a' },
      { name: 'tool_use', template: 'b' },
    ];
    assert.equal(readChatTemplate({ chat_template: list })?.render([]), 'a');
    assert.equal(readChatTemplate({ chat_template: list }, 'x', 'tool_use')?.render([]), 'b');
    assert.equal(readChatTemplate({}), null);
    const given = { bos_token: '<s>', eos_token: { content: '</s>' }, pad_token: null, add_bos_token: true };
    assert.deepEqual(readSpecialTokens(given), { bos_token: '<s>', eos_token: '</s>' });
  });

  test('the names that every template knows are those of the library, but for an endless range', () => {
    const text =
      '{{ range(3) }}{{ range(1, 7, 2) }}{{ range(3, 0, -1) }}{{ range(5, 2) }}' +
      "{{ strftime_now('%Y %m %d %b %B %H %%') }}" +
      '{{ true }}{{ True }}{{ false }}{{ False }}{{ none is none }}{{ None is none }}';
    assert.equal(new ChatTemplate(text, {}).render([]), new Template(text).render({}));
    const endless = ['range(1000000000)', 'range(0, 1, 0)', 'range(0, 9, 0.00001)'];
    for (const call of endless)
      assert.throws(() => new ChatTemplate(`{{ ${call} }}`, {}).render([]), /range of more than 100000 numbers/, call);
  });

  test('errors in words', () => {
    const list = { chat_template: [{ name: 'default', template: 'a' }] };
    assert.throws(() => readChatTemplate(list, 'x', 'rag'), /\[x\] chat_template: .*a list with one named rag/);
    assert.throws(() => new ChatTemplate('{% if %}', {}, 'y'), /\[y\] the chat template cannot be parsed/);
    assert.throws(() => new ChatTemplate("{{ raise_exception('no system') }}", {}).render([]), /refused .*no system/);
    assert.throws(() => new ChatTemplate('', {}).render([{} as never]), /messages\[0\]: expected a role/);
    assert.throws(
      () => v3.render([{ role: 'robot', content: '' }]),
      /role robot: expected system, user, assistant or tool/,
    );
  });
});

describe('folders', () => {
  const temporary = mkdtempSync(join(tmpdir(), 'minke-tokenizer-'));
  after(() => rmSync(temporary, { recursive: true }));
  const folder = (name: string, files: Readonly<Record<string, unknown>>) => {
    const path = join(temporary, name);
    mkdirSync(path);
    for (const [file, value] of Object.entries(files))
      writeFileSync(join(path, file), typeof value === 'string' ? value : JSON.stringify(value));
    return path;
  };
  const trained = trainTokenizer(['to be or not to be'], { vocabSize: 270, specialTokens: ['<s>', '<eos>'] });

  test('the released V3: tokens, template, the begin token that its settings ask for', () => {
    const { tokenizer, bosId, eosIds, padId, chatTemplate } = loadTokenizer(v3Folder);
    assert.deepEqual([bosId, eosIds, padId], [0, [1], 1]);
    assert.equal(chatTemplate?.text, config.chat_template);
    assert.equal(tokenizer.encode('a', { addSpecialTokens: true })[0], 0);
    assert.equal(tokenizer.encode('a', { addSpecialTokens: true }).length, 2);
    const again = new Tokenizer(JSON.parse(JSON.stringify(tokenizer.json)));
    assert.deepEqual(again.encode('a', { addSpecialTokens: true }), tokenizer.encode('a', { addSpecialTokens: true }));
  });

  test('saved and loaded again', () => {
    const { specialTokens, config: own } = chatProfiles['deepseek-v3'];
    const json = trainTokenizer(['to be or not to be'], { vocabSize: 300, specialTokens });
    saveTokenizer(join(temporary, 'own'), json, own);
    const loaded = loadTokenizer(join(temporary, 'own'));
    assert.deepEqual(loaded.tokenizer.json, json);
    assert.deepEqual([loaded.bosId, loaded.eosIds, loaded.padId], [0, [1], 2]);
    assert.equal(loaded.chatTemplate?.text, own.chat_template);
    assert.deepEqual(loaded.tokenizer.encode('to be'), new Tokenizer(json).encode('to be'));
  });

  test('what ends a generation: generation_config.json before config.json before eos_token', () => {
    const files = { 'tokenizer.json': trained, 'tokenizer_config.json': { eos_token: '<eos>' } };
    const eosIds = (name: string, more: object) => loadTokenizer(folder(name, { ...files, ...more })).eosIds;
    assert.deepEqual(eosIds('eos', {}), [1]);
    assert.deepEqual(eosIds('config', { 'config.json': { eos_token_id: 0 } }), [0]);
    const generation = { 'generation_config.json': { eos_token_id: [0, 1] }, 'config.json': { eos_token_id: 0 } };
    assert.deepEqual(eosIds('generation', generation), [0, 1]);
    assert.throws(
      () => eosIds('odd', { 'config.json': { eos_token_id: 10 ** 6 } }),
      /eos_token_id: expected ids below/,
    );
    const none = loadTokenizer(folder('none', { 'tokenizer.json': trained }));
    assert.deepEqual([none.bosId, none.eosIds, none.padId, none.chatTemplate], [null, [], null, null]);
  });

  test('a template in its own file comes first; tokens after the text', () => {
    const settings = { chat_template: 'a', bos_token: '<s>', eos_token: '<eos>', add_eos_token: true };
    const files = {
      'tokenizer.json': trained,
      'tokenizer_config.json': settings,
      'chat_template.jinja': '{{ bos_token }}b',
    };
    const { tokenizer, chatTemplate } = loadTokenizer(folder('jinja', files));
    assert.equal(chatTemplate?.render([]), '<s>b');
    assert.equal(tokenizer.encode('to', { addSpecialTokens: true }).at(-1), 1);
  });

  test('refused, with file, field and remedy', () => {
    assert.throws(() => loadTokenizer(join(temporary, 'no')), /tokenizer\.json\] cannot be read \(ENOENT\)/);
    assert.throws(() => loadTokenizer(folder('broken', { 'tokenizer.json': '{' })), /tokenizer\.json\] is not JSON/);
    assert.throws(() => loadTokenizer(folder('list', { 'tokenizer.json': '[]' })), /contains no JSON object/);
    const withConfig = (name: string, fields: object) =>
      loadTokenizer(folder(name, { 'tokenizer.json': trained, 'tokenizer_config.json': fields }));
    assert.throws(
      () => withConfig('foreign', { eos_token: '</s>' }),
      /tokenizer_config\.json\] eos_token "<\/s>" is not a token of tokenizer\.json.*same checkpoint/,
    );
    assert.throws(() => withConfig('bos', { add_bos_token: true }), /add_bos_token: expected a bos_token/);
    assert.throws(
      () => withConfig('template', { chat_template: 7 }),
      /tokenizer_config\.json\] chat_template: expected a text/,
    );
  });
});

test('a template is linear where each message is read once and nothing is called', () => {
  const isLinear = (text: string) => new ChatTemplate(text, {}).isLinear;
  const loop = (body: string) => `{% for message in messages[:-1] %}${body}{% endfor %}`;
  const turn = "{{ message.role | capitalize }}: {{ message.content | trim }}{{ '\\n' }}";
  for (const text of ['User: {{ messages[-1].content }}', loop(turn), `A${loop(turn)}{{ messages[-1].content }}`])
    assert.ok(isLinear(text), text);
  const nested = loop(loop(turn));
  for (const text of [nested, loop('{{ messages }}'), loop('{{ message.content * 9 }}'), loop('{{ f(message) }}')])
    assert.ok(!isLinear(text), text);
  assert.ok(!isLinear('{% for i in range(9) %}a{% endfor %}'));
  assert.ok(!isLinear(loop('{{ message.content | replace("a", "aaaa") }}')));
});
