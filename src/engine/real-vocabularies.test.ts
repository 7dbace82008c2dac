// Text of generations in vocabularies as they are used: DeepSeek-R1's, and characters with and without tags as tokens.
// npm test -- real-vocabularies
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { characterTokenizer, type LoadedTokenizer, Tokenizer, withThinkTokens } from '../tokenizer/index.ts';
import { readV3, texts, wellFormed } from '../tokenizer/test-texts.ts';
import type { GeneratedToken } from './generation.ts';
import { TextAssembler } from './text-assembler.ts';

const alphabet = 'ab <>/think\né😀';

function loaded(tokenizer: Tokenizer): LoadedTokenizer {
  return { tokenizer, specialTokens: {}, bosId: null, padId: null, eosIds: [], chatTemplate: null };
}

const r1 = loaded(new Tokenizer(withThinkTokens(readV3('tokenizer.json'))));
const spelled = loaded(new Tokenizer(characterTokenizer(alphabet)));
const tags = ['<think>', '</think>'].map((content) => ({ content, special: false }));
const tagged = loaded(new Tokenizer(characterTokenizer(alphabet, { specialTokens: tags })));

const ownTexts = fc
  .array(fc.constantFrom(...alphabet, '</', '<th', 'think>', 'ab'), { maxLength: 30 })
  .map((parts) => parts.join(''))
  .filter((text) => !/<\/?think>/.test(`${text}</think>`.slice(0, -1)));
const anyTexts = texts.map(wellFormed).filter((text) => !/<\/?think>|<｜/.test(text));

interface Outcome {
  readonly thinking: string;
  readonly answer: string;
  readonly stopText: string | null;
}

/** Runs ids through an assembler and checks what is true of every generation. */
function assemble({ from, ids, stop = [] }: { from: LoadedTokenizer; ids: number[]; stop?: string[] }): Outcome {
  const assembler = new TextAssembler(from, {
    stop,
    stopIds: [],
    minTokens: 0,
    raw: false,
    startsThinking: false,
    ignoreEos: false,
  });
  const text = { thinking: '', answer: '' };
  const given: GeneratedToken[] = [];
  let reasoning = 0;
  const take = (parts: ReturnType<TextAssembler['push']>) => {
    for (const part of parts) {
      text[part.channel] += part.text;
      given.push(...part.tokens);
      if (part.channel === 'thinking') reasoning += part.tokens.length;
      assert.ok(part.text !== '' || part.tokens.length > 0, 'an empty part');
    }
  };
  const pushed: GeneratedToken[] = [];
  for (const id of ids) {
    if (assembler.ended) break;
    pushed.push({ id, logprob: -pushed.length, top: [] });
    take(assembler.push(pushed.at(-1) as GeneratedToken));
  }
  take(assembler.end());
  assert.deepEqual(given, pushed, 'every token once, in order');
  assert.equal(assembler.reasoningTokens, reasoning);
  return { ...text, stopText: assembler.stopText };
}

for (const [name, from, some] of [
  ['DeepSeek-R1', r1, anyTexts],
  ['characters, tags as tokens', tagged, ownTexts],
  ['characters, tags spelled', spelled, ownTexts],
] as const)
  describe(`text with the vocabulary of ${name}`, () => {
    const encode = (text: string) => [...from.tokenizer.encode(text)];

    test('thinking and answer are what is between the tags and after them', () => {
      fc.assert(
        fc.property(some, some, (inner, after) => {
          const ids = encode(`<think>\n${inner}</think>${after}`);
          assert.deepEqual(assemble({ from, ids }), { thinking: inner, answer: after.trimStart(), stopText: null });
        }),
        { numRuns: 300 },
      );
    });

    test('a stop text is found anywhere, and nothing of it or after it is emitted', () => {
      fc.assert(
        fc.property(some, some, fc.nat(), fc.integer({ min: 1, max: 6 }), (before, after, at, size) => {
          const units = [...`${before}${after}`];
          fc.pre(units.length > 0 && !/<\/?think>|<｜/.test(units.join(''))); // two pieces can make a tag
          const start = at % units.length;
          const stop = units.slice(start, start + size).join('');
          const text = units.join('');
          const expected = text.slice(0, text.indexOf(stop));
          const outcome = assemble({ from, ids: encode(text), stop: [stop] });
          assert.deepEqual(outcome, { thinking: '', answer: expected, stopText: stop });
        }),
        { numRuns: 300 },
      );
    });
  });

test('a character that is cut off becomes U+FFFD, behind the thinking as inside it', () => {
  const ids = [...r1.tokenizer.encode('😀')];
  assert.ok(ids.length > 1, 'the character needs several tokens for this test');
  const [open, close] = tags.map(({ content }) => r1.tokenizer.tokenToId(content) as number);
  const outcome = assemble({ from: r1, ids: [open, ids[0], close, ids[0]] });
  assert.deepEqual(outcome, { thinking: '\ufffd', answer: '\ufffd', stopText: null });
});
