// Conversations: their form, right answers, and held-out texts that are never said in training.
// npm test -- conversations
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readExpression, readResponse, typeInHaste } from '../../tasks/index.ts';
import { toDialogues } from './dialogues.ts';
import { type Conversation, conversationAt, conversationSorts, conversationsInput, toConversations } from './index.ts';

const count = process.env.MINKE_LONG ? 2000 : 150;

const draw = (sort: (typeof conversationSorts)[number], split: 'train' | 'held-out', length = count) =>
  Array.from({ length }, (_, index) => conversationAt(sort, { seed: 3, index, split }));

/** What the assistant answered in its last turn; null where it only talked. */
function lastAnswer(conversation: Conversation): string | null {
  const text = (conversation.at(-1) as Conversation[0]).content;
  return text.startsWith('<think>') ? readResponse(text.slice('<think>'.length)).answer : null;
}

describe('conversations', () => {
  for (const sort of conversationSorts.filter((each) => each !== 'tool-calls'))
    test(`${sort}: user and assistant in turn, plain texts, the same for the same seed`, () => {
      for (const split of ['train', 'held-out'] as const) {
        const all = draw(sort, split);
        assert.deepEqual(all.slice(0, 20), draw(sort, split).slice(0, 20));
        for (const conversation of all) {
          const turns = conversation[0].role === 'system' ? conversation.slice(1) : conversation;
          assert.ok(turns.length >= 2 && turns.length % 2 === 0);
          for (const [i, { role, content }] of turns.entries()) {
            assert.equal(role, i % 2 === 0 ? 'user' : 'assistant');
            assert.ok(content.trim() === content && content !== '');
            assert.doesNotMatch(content, /undefined|\bNaN\b|\{|\}|\bnull\b/);
            if (content.includes('<')) assert.ok(readResponse(content.replace(/^<think>/, '')).isWellFormed, content);
          }
        }
      }
    });

  test('texts of held-out conversations are never said in training', () => {
    const said = (sort: (typeof conversationSorts)[number], split: 'train' | 'held-out') =>
      new Set(
        draw(sort, split, 4 * count).flatMap((conversation) =>
          conversation.flatMap(({ role, content }) =>
            role === 'assistant' ? [] : [typeInHaste(content).toLowerCase()],
          ),
        ),
      );
    for (const sort of ['greetings', 'abilities', 'thanks', 'out-of-scope', 'system-texts', 'problems'] as const) {
      const [training, heldOut] = [said(sort, 'train'), said(sort, 'held-out')];
      assert.ok(training.size > 20 && heldOut.size > 10);
      assert.deepEqual(
        [...heldOut].filter((text) => training.has(text)),
        [],
      );
    }
  });

  test('a follow-up goes on with the last answer, and computes it', () => {
    for (const conversation of draw('follow-ups', 'train')) {
      const before = lastAnswer(conversation.slice(0, 2));
      const [, left, operator, right] =
        /(\d+)([+*/-])(\d+)/.exec((conversation.at(-1) as Conversation[0]).content) ?? [];
      assert.equal(left, before);
      const value = readExpression(`${left}${operator}${right}`);
      assert.ok('value' in value && `${value.value.top}` === lastAnswer(conversation), JSON.stringify(conversation));
    }
    for (const conversation of draw('doubts', 'train'))
      assert.equal(lastAnswer(conversation), lastAnswer(conversation.slice(0, 2)));
  });

  test('greetings, refusals, and abilities are words; a name in the system text is used', () => {
    for (const sort of ['greetings', 'abilities', 'thanks', 'out-of-scope'] as const)
      for (const conversation of draw(sort, 'held-out')) assert.equal(lastAnswer(conversation), null);
    const named = draw('system-texts', 'train').filter(([first]) => first.content.startsWith("The user's name is "));
    assert.ok(named.length > 0);
    for (const [first, , reply] of named) assert.ok(reply.content.includes(first.content.slice(19, -1)), reply.content);
  });

  test('as documents of a base: people with names talk, and no tag shows who thinks', () => {
    const input = conversationsInput.parse({ conversations: 'follow-ups', count: 20 });
    const { documents } = toDialogues(input);
    const made = [...(documents(0, 20) as Iterable<string>)];
    assert.deepEqual(made.slice(5, 9), [...(documents(5, 9) as Iterable<string>)]);
    for (const [index, text] of made.entries()) {
      const [{ content }] = conversationAt('follow-ups', { seed: 1, index, split: 'train' });
      const [, asker, said] = /^(\w+): (.*)\n/.exec(text) ?? [];
      assert.equal(said, content.split('\n')[0]);
      assert.equal(text.split('\n').filter((line) => line.startsWith(`${asker}: `)).length, 2);
      assert.doesNotMatch(text, /<\/?\w+>|User|Assistant/);
    }
  });

  test('as an input of a recipe', async () => {
    const input = conversationsInput.parse({ conversations: 'problems', task: 'sums', difficulty: 2, count: 30 });
    const made = await toConversations(input);
    assert.equal(made.length, 30);
    assert.ok(
      made.every((conversation) => conversation.length === 2 && /^-?\d+$/.test(lastAnswer(conversation) ?? '')),
    );
    const refused = [
      { conversations: 'greetings', task: 'sums', count: 1 },
      { conversations: 'problems', difficulty: 2, count: 1 },
      { conversations: 'problems', task: 'sums', difficulty: 9, count: 1 },
      { conversations: 'gossip', count: 1 },
      { conversations: 'problems', task: 'word-problems', count: 1 },
    ];
    for (const each of refused) assert.equal(conversationsInput.safeParse(each).success, false, JSON.stringify(each));
  });
});
