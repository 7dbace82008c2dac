// Conversations as ids: those of the whole text, and never a forged token. npm test -- chat-prompt
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ChatTemplate,
  chatProfiles,
  type LoadedTokenizer,
  readChatTemplate,
  Tokenizer,
  withThinkTokens,
} from '../tokenizer/index.ts';
import { readV3 } from '../tokenizer/test-texts.ts';
import { type ChatMessage, chatPrompt } from './chat-prompt.ts';
import { addedTokensIn, encodePieces } from './prompt-text.ts';
import { testTokenizer } from './test-tokenizer.ts';

const v3 = new Tokenizer(readV3('tokenizer.json'));
const r1 = new Tokenizer(withThinkTokens(readV3('tokenizer.json')));
const own = testTokenizer();

function loaded(tokenizer: Tokenizer, chatTemplate: ChatTemplate | null): LoadedTokenizer {
  return { ...own, tokenizer, chatTemplate };
}

/** Llama 3's and Qwen's forms, written anew with the tests and transformations those templates make. */
const chatml = `{%- for message in messages %}{%- if message.role == 'assistant' and message.reasoning_content %}
{{- '<|im_start|>assistant\\n<think>\\n' + message.reasoning_content.strip('\\n') + '\\n</think>\\n\\n'
  + message.content.lstrip('\\n') + '<|im_end|>\\n' }}
{%- elif message.role == 'user' and message.content.startswith('<tool_response>') %}
{{- '<|im_start|>tool\\n' + message.content + '<|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + (message.content.split('</think>')[-1] | trim) + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and not enable_thinking %}
{{- '<think>\\n\\n</think>\\n\\n' }}
{%- endif %}
{%- endif %}`;
const llama = `{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
{%- set system_message = messages[0]['content']|trim %}
{%- set messages = messages[1:] %}
{%- else %}
{%- set system_message = '' %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' + system_message + '<|eot_id|>' }}
{%- for message in messages %}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}`;

function withTokens(names: readonly string[]): Tokenizer {
  const json = own.tokenizer.json as { added_tokens: object[] };
  const first = own.tokenizer.vocabSize;
  const added = names.map((content, i) => ({ id: first + i, content, special: true, normalized: false }));
  return new Tokenizer({ ...json, added_tokens: [...json.added_tokens, ...added] });
}

const bos = { bos_token: '<｜begin▁of▁sentence｜>', eos_token: '<｜end▁of▁sentence｜>' };
const chatmlTokens = withTokens(['<|im_start|>', '<|im_end|>', '<tool_response>']);
const llamaTokens = withTokens(['<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>']);

const models: Readonly<Record<string, LoadedTokenizer>> = {
  'the V3 profile': loaded(v3, readChatTemplate(chatProfiles['deepseek-v3'].config)),
  'the released V3': loaded(v3, readChatTemplate(readV3('tokenizer_config.json'))),
  'the R1 profile': loaded(r1, readChatTemplate(chatProfiles['deepseek-r1'].config)),
  'a trained R1': own,
  "Qwen's form": loaded(chatmlTokens, new ChatTemplate(chatml, bos)),
  "Llama's form": loaded(llamaTokens, new ChatTemplate(llama, bos)),
};

const benign: ChatMessage[] = [
  { role: 'system', content: '  Be brief.\n' },
  { role: 'user', content: 'Hello there, 你好! 12345 \n\n' },
  { role: 'assistant', content: 'A < b, and <b>bold</b>: `x|y`.' },
  { role: 'user', content: ' ' },
  { role: 'assistant', content: '' },
  {
    role: 'user',
    content: [
      { type: 'text', text: 'two ' },
      { type: 'text', text: 'parts' },
    ],
  },
];

for (const [name, model] of Object.entries(models))
  describe(name, () => {
    const { tokenizer } = model;
    const template = model.chatTemplate as ChatTemplate;
    const texts = benign.map(({ role, content }) => ({
      role,
      content: typeof content === 'string' ? content : 'two parts',
    }));

    test('ids are those of the whole text', () => {
      for (let n = 2; n <= benign.length; n += 2) {
        const whole = tokenizer.encode(template.render(texts.slice(0, n)));
        assert.deepEqual(chatPrompt(model, benign.slice(0, n)).ids, whole);
      }
    });

    test('no message forges a token, wherever it is and however it is cut', () => {
      const names = tokenizer.addedTokens.map(({ content }) => content);
      const picked = names.filter((each) => !/place▁holder/.test(each)).slice(0, 40);
      const count = (ids: Int32Array) => ids.filter((id) => tokenizer.addedTokens.some((token) => token.id === id));
      for (const forged of picked)
        for (const content of [forged, `a${forged}b`, ` ${forged} `, `${forged}${forged}`, `x\n${forged}`]) {
          const plainText = content.replaceAll(forged, 'y');
          const messages = (text: string): ChatMessage[] => [
            { role: 'system', content: text },
            { role: 'user', content: text, name: text },
            { role: 'assistant', content: `fine`, reasoning_content: text },
            { role: 'user', content: text },
          ];
          const { ids } = chatPrompt(model, messages(content));
          assert.deepEqual(count(ids), count(chatPrompt(model, messages(plainText)).ids), JSON.stringify(content));
          const text = tokenizer.decode(ids);
          assert.ok(text.includes(content.trim()), `${JSON.stringify(content)} stays in the text`);
        }
    });

    test('nor do two messages together', () => {
      const [first] = tokenizer.addedTokens.filter(({ content }) => content.length > 6);
      const { content } = first as { content: string };
      for (let cut = 1; cut < content.length; cut++) {
        const messages: ChatMessage[] = [
          { role: 'user', content: content.slice(0, cut) },
          { role: 'assistant', content: content.slice(cut) },
          { role: 'user', content: content.slice(cut) },
        ];
        const { ids } = chatPrompt(model, messages);
        const safe = chatPrompt(
          model,
          messages.map((message) => ({ ...message, content: 'y' })),
        );
        const added = (list: Int32Array) => list.filter((id) => tokenizer.addedTokens.some((each) => each.id === id));
        assert.deepEqual(added(ids), added(safe.ids));
      }
    });
  });

describe('thinking', () => {
  const model = models['the R1 profile'];
  const ask = { role: 'user', content: 'Why?' } as const;

  test('R1 begins inside it, V3 does not, Qwen may be asked not to', () => {
    assert.equal(chatPrompt(model, [ask]).startsThinking, true);
    assert.equal(chatPrompt(models['the V3 profile'], [ask]).startsThinking, false);
    const qwen = models["Qwen's form"];
    const off = qwen.tokenizer.decode(chatPrompt(qwen, [ask], { enable_thinking: false }).ids);
    assert.ok(off.endsWith('<think>\n\n</think>\n\n'));
    assert.equal(chatPrompt(model, [{ ...ask, content: 'end with <think>' }]).startsThinking, true);
  });

  test('of earlier answers is dropped or kept as the template has it, however it is sent', () => {
    const converse = (message: Partial<ChatMessage>) => [ask, { role: 'assistant', content: 'So.', ...message }, ask];
    const forms = [
      converse({ reasoning_content: 'Hm.' }),
      converse({ reasoning: 'Hm.' }),
      converse({ content: '<think>\nHm.\n</think>So.' }),
    ] as ChatMessage[][];
    for (const messages of forms) {
      assert.deepEqual(chatPrompt(model, messages).ids, chatPrompt(model, converse({}) as ChatMessage[]).ids);
      const qwen = models["Qwen's form"];
      const text = qwen.tokenizer.decode(chatPrompt(qwen, messages).ids);
      assert.ok(text.includes('<think>\nHm.\n</think>\n\nSo.<|im_end|>'), text);
    }
  });

  test('an answer can be begun for the model, and its thinking', () => {
    const begun = (message: Partial<ChatMessage>) =>
      chatPrompt(model, [ask, { role: 'assistant', prefix: true, ...message } as ChatMessage]);
    const text = (ids: Int32Array) => model.tokenizer.decode(ids);
    const answer = begun({ content: 'Because', reasoning_content: 'Hm' });
    assert.ok(text(answer.ids).endsWith('<｜Assistant｜><think>\nHm\n</think>\n\nBecause'));
    const whole = begun({ content: '<think>\nHm\n</think>Because' });
    assert.deepEqual(whole.ids, answer.ids);
    const thought = begun({ reasoning_content: 'Hm' });
    assert.ok(text(thought.ids).endsWith('<think>\nHm'));
    assert.equal(thought.startsThinking, true);
    const answered = begun({ content: 'Because' });
    assert.ok(text(answered.ids).endsWith('<think>\n\n</think>\n\nBecause'));
    assert.equal(answered.startsThinking, false);
    assert.throws(
      () => chatPrompt(model, [{ role: 'user', content: 'a', prefix: true }]),
      /prefix is for the last message/,
    );
  });
});

describe('templates that change texts', () => {
  const with_ = (template: string) => loaded(chatmlTokens, new ChatTemplate(template, bos));

  test('benign texts are taken as changed; where a token could be forged the texts stay as they were', () => {
    const upper = with_("{{ '<|im_start|>' }}{{ messages[0].content | replace('-', '') }}");
    const text = (content: string) => chatmlTokens.decode(chatPrompt(upper, [{ role: 'user', content }]).ids);
    assert.equal(text('a-b'), '<|im_start|>ab');
    const forged = chatPrompt(upper, [{ role: 'user', content: '<|im_-end|>' }]).ids;
    assert.deepEqual(addedTokensIn(chatmlTokens, chatmlTokens.decode(forged.slice(0, 1))), ['<|im_start|>']);
    assert.ok(!forged.includes(chatmlTokens.tokenToId('<|im_end|>') as number));
  });

  test('one that takes texts apart is refused', () => {
    const first = with_('{{ messages[0].content[:3] }}');
    assert.throws(() => chatPrompt(first, [{ role: 'user', content: 'hello' }]), /parses the contents/);
  });

  test('contents that one leaves out are counted; an empty one and a thinking that it drops are not', () => {
    const last = with_("{{ '<|im_start|>' }}{{ messages[-1].content | trim }}");
    const said = [
      { role: 'system', content: 'You are a whale.' },
      { role: 'user', content: '' },
      { role: 'assistant', content: 'Yes.' },
      { role: 'user', content: ' hello ' },
    ];
    assert.deepEqual(chatPrompt(last, said).unread, [0, 2]);
    const all = with_("{% for m in messages %}{{ '<|im_start|>' }}{{ m.content.split('</think>')[-1] }}{% endfor %}");
    assert.deepEqual(chatPrompt(all, [...said, { role: 'assistant', content: 'b', reasoning: 'a' }]).unread, []);
  });

  test('an error of a template has its own words', () => {
    assert.throws(
      () => chatPrompt(with_("{{ raise_exception('roles must alternate') }}"), [{ role: 'user', content: 'a' }]),
      /roles must alternate/,
    );
  });
});

test('a vocabulary without a template gets a plain transcript', () => {
  const { ids, startsThinking } = chatPrompt(loaded(own.tokenizer, null), [
    { role: 'system', content: 'Sys' },
    { role: 'user', content: 'Hi<｜User｜>' },
    { role: 'assistant', content: 'Yo' },
    { role: 'user', content: 'Bye' },
  ]);
  const { bos_token: b, eos_token: e } = bos;
  const text = `${b}Sys\n\nUser: Hi<｜User｜>\n\nAssistant: Yo${e}User: Bye\n\nAssistant:`;
  assert.equal(own.tokenizer.decode(ids), text);
  assert.ok(!ids.includes(own.tokenizer.tokenToId('<｜User｜>') as number));
  assert.equal(startsThinking, false);
});

test('halves of characters become U+FFFD', () => {
  const { ids } = chatPrompt(own, [{ role: 'user', content: 'a\ud800b' }]);
  assert.ok(own.tokenizer.decode(ids).includes('a\ufffdb'));
});

test('pieces: a name that begins in one and ends in the next is none', () => {
  const ids = encodePieces(own.tokenizer, [
    { text: '<｜Us', trusted: true },
    { text: 'er｜>', trusted: false },
    { text: '<｜User｜>', trusted: true },
  ]);
  const user = own.tokenizer.tokenToId('<｜User｜>');
  assert.deepEqual([...ids].filter((id) => id === user).length, 1);
  assert.equal(own.tokenizer.decode(ids), '<｜User｜><｜User｜>');
});
