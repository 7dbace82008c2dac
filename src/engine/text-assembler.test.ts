// From tokens to text, for any place where a token may end. npm test -- text-assembler
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { byteChars } from '../tokenizer/bytes.ts';
import { characterTokenizer, type LoadedTokenizer, Tokenizer, type TokenizerJson } from '../tokenizer/index.ts';
import { type GeneratedToken, type GenerationPart, RefusedError } from './generation.ts';
import { ReasoningBudget } from './reasoning-budget.ts';
import { type AssemblerOptions, TextAssembler } from './text-assembler.ts';
import { closingIds } from './think-tags.ts';

function loaded(json: TokenizerJson): LoadedTokenizer {
  const tokenizer = new Tokenizer(json);
  const eos = tokenizer.tokenToId('<eos>');
  const eosIds = eos === undefined ? [] : [eos];
  return { tokenizer, specialTokens: {}, bosId: null, padId: null, eosIds, chatTemplate: null };
}

/** All bytes as tokens, and with `tags` the tags of thinking as tokens of their own. */
function bytesTokenizer(tags: boolean): LoadedTokenizer {
  const added = ['<eos>', '<pad>', ...(tags ? ['<think>', '</think>'] : [])];
  const json = characterTokenizer('a') as unknown as { model: object; added_tokens: object[] } & TokenizerJson;
  const vocab = Object.fromEntries(byteChars.map((char, byte) => [char, byte]));
  const added_tokens = added.map((content, i) => ({
    id: 256 + i,
    content,
    special: i < 2,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }));
  return loaded({ ...json, model: { ...json.model, vocab }, added_tokens } as TokenizerJson);
}

const [spelled, tagged] = [bytesTokenizer(false), bytesTokenizer(true)];
const options: AssemblerOptions = {
  stop: [],
  stopIds: [],
  minTokens: 0,
  raw: false,
  startsThinking: false,
  ignoreEos: false,
};
const [eos, pad, open, close] = [256, 257, 258, 259];
const encodeBytes = (text: string) => [...new TextEncoder().encode(text)];

function token(id: number): GeneratedToken {
  return { id, logprob: -id, top: [] };
}

interface Outcome {
  readonly thinking: string;
  readonly answer: string;
  readonly parts: readonly GenerationPart[];
  readonly assembler: TextAssembler;
  readonly used: number;
}

function assemble(from: LoadedTokenizer, ids: readonly number[], given: Partial<AssemblerOptions> = {}): Outcome {
  const assembler = new TextAssembler(from, { ...options, ...given });
  const parts: GenerationPart[] = [];
  let used = 0;
  for (const id of ids) {
    if (assembler.ended) break;
    parts.push(...assembler.push(token(id)));
    used++;
  }
  parts.push(...assembler.end());
  const text = (channel: string) => parts.flatMap((part) => (part.channel === channel ? part.text : [])).join('');
  return { thinking: text('thinking'), answer: text('answer'), parts, assembler, used };
}

const listIds = (parts: readonly GenerationPart[]) => parts.flatMap(({ tokens }) => tokens.map(({ id }) => id));

/** A tokenizer whose tokens are these pieces of text, one id each in order, without tags as tokens. */
function piecesTokenizer(pieces: readonly string[]): LoadedTokenizer {
  const bytes = pieces.map((piece) => encodeBytes(piece));
  const tokenizer = {
    tokenToId: () => undefined,
    has: (id: number) => id >= 0 && id < pieces.length,
    isSpecial: () => false,
    tokenBytes: (id: number) => Uint8Array.from(bytes[id]),
    stream: () => {
      const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
      return {
        push: (id: number) => utf8.decode(Uint8Array.from(bytes[id]), { stream: true }),
        end: () => utf8.decode(),
      };
    },
  } satisfies Partial<Record<keyof Tokenizer, unknown>>;
  return { ...spelled, tokenizer: tokenizer as unknown as Tokenizer };
}

/** The same text cut into tokens at these places. */
function cutAt(text: string, cuts: readonly number[]): string[] {
  const places = [...new Set(cuts.map((cut) => Math.floor(cut * text.length)))].sort((a, b) => a - b);
  const bounds = [
    0,
    ...places.filter((place) => place > 0 && !/^[\udc00-\udfff]/.test(text.slice(place))),
    text.length,
  ];
  return bounds.slice(1).map((end, i) => text.slice(bounds[i], end));
}

const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { maxLength: 12 });
/** Texts in which stop texts and tags nearly come, often. */
const tricky = fc
  .array(
    fc.constantFrom('a', 'b', 'ab', 'aab', '<', '</', '<think', 'think>', '\n', '</thin', '😀', '\ud83d\ude01', 'é'),
    {
      maxLength: 25,
    },
  )
  .map((parts) => parts.join(''));

describe('text of tokens', () => {
  test('any tokens, whole or broken characters: the text is what they decode to', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(257), { maxLength: 60 }), (ids) => {
        const { answer, thinking, parts, used } = assemble(tagged, ids);
        const shown = ids.slice(0, used);
        assert.equal(thinking, '');
        assert.equal(answer, tagged.tokenizer.decode(shown, { skipSpecialTokens: true }));
        assert.deepEqual(listIds(parts), shown);
      }),
    );
  });

  test('tags as tokens: thinking and answer are what lies between, one line break after the opening left out', () => {
    const piece = fc.array(fc.oneof(fc.nat(255), fc.constantFrom(10, 97, pad)), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), fc.boolean(), (pieces, startsThinking) => {
        const ids: number[] = [];
        const text = { thinking: '', answer: '' };
        pieces.forEach((piece, i) => {
          const inside = (i % 2 === 1) !== startsThinking;
          if (i > 0) ids.push(inside ? open : close);
          ids.push(...piece);
          const decoded = tagged.tokenizer.decode(piece, { skipSpecialTokens: true });
          if (inside) text.thinking += decoded.replace(/^\n/, '');
          else if (i > 0) text.answer += decoded.trimStart();
          else if (pieces.length === 1 || decoded.trim() !== '') text.answer += decoded;
        });
        const got = assemble(tagged, ids, { startsThinking });
        assert.deepEqual({ thinking: got.thinking, answer: got.answer }, text);
        assert.deepEqual(listIds(got.parts), ids);
        const reasoning = got.parts.filter(({ channel }) => channel === 'thinking').flatMap(({ tokens }) => tokens);
        assert.equal(got.assembler.reasoningTokens, reasoning.length);
      }),
    );
  });

  test('tags as text, cut anywhere: the same thinking and answer, and every token once', () => {
    fc.assert(
      fc.property(fc.constantFrom('', ' ', '\n\n'), tricky, tricky, cuts, (before, inner, after, places) => {
        fc.pre(!inner.includes('</think>') && !`${inner}</think>`.slice(0, -1).includes('</think>'));
        const text = `${before}<think>${inner}</think>${after}`;
        const pieces = cutAt(text, places);
        const got = assemble(
          piecesTokenizer(pieces),
          pieces.map((_, i) => i),
        );
        assert.equal(got.thinking, inner.replace(/^\n/, ''));
        assert.equal(got.answer, after.trimStart());
        assert.deepEqual(
          listIds(got.parts),
          pieces.map((_, i) => i),
        );
      }),
    );
  });

  test('an answer may speak of the tag where tags are text; thinking that never closes stays thinking', () => {
    const { answer, thinking } = assemble(spelled, encodeBytes('The tag <think> and </think>.'));
    assert.deepEqual([answer, thinking], ['The tag <think> and </think>.', '']);
    const unclosed = assemble(spelled, encodeBytes('<<think>'));
    assert.equal(unclosed.answer, '<<think>');
    const cut = assemble(spelled, encodeBytes('hm </thi'), { startsThinking: true });
    assert.deepEqual([cut.thinking, cut.answer], ['hm </thi', '']);
  });

  test('tokens come with the channel they are of; those of the tags count as thinking', () => {
    const ids = [...encodeBytes('<think>\nab</think>c'), eos];
    const { parts, assembler } = assemble(spelled, ids);
    const of = (channel: string) => listIds(parts.filter((part) => part.channel === channel));
    assert.deepEqual(of('thinking'), encodeBytes('<think>\nab</think>'));
    assert.deepEqual(of('answer'), [...encodeBytes('c'), eos]);
    assert.equal(assembler.reasoningTokens, 18);
    assert.ok(parts.every(({ tokens }) => tokens.every(({ id, logprob }) => logprob === -id)));
  });

  test('end tokens end, unless they are to be ignored; ids without a token have no text', () => {
    const ids = [97, eos, 98];
    const ended = assemble(tagged, ids);
    assert.deepEqual([ended.answer, ended.used, ended.assembler.stopText], ['a', 2, null]);
    assert.ok(ended.assembler.ended);
    assert.throws(() => ended.assembler.push(token(98)), /after the end/);
    assert.equal(assemble(tagged, ids, { ignoreEos: true }).answer, 'ab');
    assert.deepEqual(listIds(assemble(tagged, [97, 5000, 98]).parts), [97, 5000, 98]);
    assert.equal(assemble(tagged, [0xf0, 0x9f]).answer, '\ufffd');
  });
});

describe('stop texts', () => {
  /** Where the stop text that is complete first begins, and which it is. */
  function firstStop(text: string, stops: readonly string[]): { start: number; stop: string } | null {
    for (let end = 1; end <= text.length; end++) {
      const met = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length);
      if (met.length > 0) return { start: end - met[0].length, stop: met[0] };
    }
    return null;
  }

  const stops = fc.uniqueArray(fc.constantFrom('ab', 'aab', 'b<', 'abab', 'a</', '<think', '😀', '\n\n', 'éa', 'bé'), {
    minLength: 1,
    maxLength: 4,
  });

  test('found at any border, nothing after them is emitted, nothing that becomes one is emitted early', () => {
    fc.assert(
      fc.property(tricky, stops, cuts, (text, stop, places) => {
        fc.pre(!/^\s*<think>/.test(text));
        const pieces = cutAt(text, places);
        const met = firstStop(text, stop);
        const assembler = new TextAssembler(piecesTokenizer(pieces), { ...options, stop });
        const expected = met === null ? text : text.slice(0, met.start);
        let out = '';
        for (let i = 0; i < pieces.length && !assembler.ended; i++) {
          for (const part of assembler.push(token(i))) out += part.text;
          assert.ok(
            expected.startsWith(out),
            `${JSON.stringify(out)} is not a beginning of ${JSON.stringify(expected)}`,
          );
          // Only what could still become a stop text or the opening tag is buffered.
          const seen = pieces.slice(0, i + 1).join('');
          const buffered = seen.slice(out.length);
          if (!assembler.ended && buffered.trim() !== '')
            assert.ok([...stop, '<think>'].some((s) => s.startsWith(out === '' ? buffered.trimStart() : buffered)));
        }
        for (const part of assembler.end()) out += part.text;
        assert.equal(out, expected);
        assert.equal(assembler.stopText, met?.stop ?? null);
      }),
      { numRuns: 500 },
    );
  });

  test('of several that are complete at once, the longest is met, in any order', () => {
    for (const stop of [
      ['b', 'aab', 'ab'],
      ['aab', 'b'],
    ]) {
      const { answer, assembler } = assemble(spelled, encodeBytes('caab'), { stop });
      assert.deepEqual([answer, assembler.stopText], ['c', 'aab']);
    }
  });

  /** Thinking and answer with tags as text, cut into tokens anywhere. */
  const spoken = fc.record({
    before: fc.constantFrom('', ' ', '\n\n'),
    thought: tricky.filter((text) => !`${text}</think>`.slice(0, -1).includes('</think>')),
    answer: tricky,
    startsThinking: fc.boolean(),
    places: cuts,
  });
  const anyStops = fc.uniqueArray(
    fc.constantFrom('ab', 'aab', 'b<', 'a</', '<', '<think>', '</think>', '>a', '\n', '\n\n', 'k>', '😀', 'b</think>a'),
    { minLength: 1, maxLength: 3 },
  );

  test('belong to the answer: without them the same thinking, and the answer up to the first of them', () => {
    fc.assert(
      fc.property(spoken, anyStops, ({ before, thought, answer, startsThinking, places }, stop) => {
        const text = startsThinking ? `${thought}</think>${answer}` : `${before}<think>${thought}</think>${answer}`;
        const pieces = cutAt(text, places);
        const ids = pieces.map((_, i) => i);
        const got = assemble(piecesTokenizer(pieces), ids, { startsThinking, stop });
        const spoken = answer.trimStart();
        const met = firstStop(spoken, stop);
        assert.equal(got.thinking, thought.replace(/^\n/, ''));
        assert.equal(got.answer, met === null ? spoken : spoken.slice(0, met.start));
        assert.equal(got.assembler.stopText, met?.stop ?? null);
        assert.deepEqual(listIds(got.parts), ids.slice(0, got.used));
      }),
      { numRuns: 500 },
    );
  });

  test('with tags as tokens too, in white space before the thinking and after it', () => {
    fc.assert(
      fc.property(fc.constantFrom('', '\n', ' \n\n'), tricky, tricky, anyStops, (before, thought, answer, stop) => {
        const ids = [...encodeBytes(before), open, ...encodeBytes(thought), close, ...encodeBytes(answer), eos];
        const got = assemble(tagged, ids, { stop });
        const spoken = answer.trimStart();
        const met = firstStop(spoken, stop);
        assert.equal(got.thinking, thought.replace(/^\n/, ''));
        assert.equal(got.answer, met === null ? spoken : spoken.slice(0, met.start));
        assert.deepEqual(listIds(got.parts), ids.slice(0, got.used));
      }),
    );
  });

  test('an answer without thinking may begin with one: white space, or the beginning of a tag', () => {
    for (const from of [spelled, tagged])
      for (const [text, stop, expected] of [
        ['\nab', '\n', ''],
        [' \nab', '\n', ' '],
        ['\n', '\n', ''],
        ['<thing', '<th', ''],
        ['<thin', '<th', ''],
        ['ab\n', '\n', 'ab'],
      ]) {
        const { answer, assembler } = assemble(from, encodeBytes(text), { stop: [stop] });
        assert.deepEqual([answer, assembler.stopText], [expected, stop], JSON.stringify(text));
      }
  });

  test('raw: all is one text, tags and the line break after them included, and stops act anywhere', () => {
    fc.assert(
      fc.property(spoken, anyStops, ({ before, thought, answer, startsThinking, places }, stop) => {
        const text = startsThinking ? `${thought}</think>${answer}` : `${before}<think>${thought}</think>${answer}`;
        const pieces = cutAt(text, places);
        const ids = pieces.map((_, i) => i);
        const met = firstStop(text, stop);
        const got = assemble(piecesTokenizer(pieces), ids, { raw: true, startsThinking, stop });
        assert.deepEqual([got.thinking, got.answer], ['', met === null ? text : text.slice(0, met.start)]);
        assert.equal(got.assembler.stopText, met?.stop ?? null);
        assert.deepEqual(listIds(got.parts), ids.slice(0, got.used));
      }),
      { numRuns: 500 },
    );
    const ids = [10, open, 10, 97, close, 98, 99, eos];
    const whole = assemble(tagged, ids, { raw: true });
    assert.deepEqual([whole.answer, whole.assembler.reasoningTokens], ['\n<think>\na</think>bc', 4]);
    assert.equal(assemble(tagged, ids, { raw: true, stop: ['a</think>b'] }).answer, '\n<think>\n');
    const spelledIds = [...encodeBytes('<think>ab</think>c'), eos];
    assert.equal(assemble(spelled, spelledIds, { raw: true }).assembler.reasoningTokens, 17);
  });

  test('act once the minimum number of tokens is there', () => {
    const at = (minTokens: number) => assemble(spelled, encodeBytes('abcabc'), { stop: ['b'], minTokens }).answer;
    assert.deepEqual([0, 1, 2, 4, 5].map(at), ['a', 'a', 'abca', 'abca', 'abcabc']);
  });

  test('stop tokens act in the answer, with raw anywhere; they have no text', () => {
    const ids = [open, 97, 98, close, 97, 98, 99];
    const chat = assemble(tagged, ids, { stopIds: [98, open] });
    assert.deepEqual([chat.thinking, chat.answer, chat.used, chat.assembler.stopText], ['ab', 'a', 6, null]);
    assert.deepEqual(listIds(chat.parts), ids.slice(0, 6));
    assert.equal(assemble(tagged, ids, { stopIds: [98], raw: true }).answer, '<think>a');
    assert.equal(assemble(tagged, ids, { stopIds: [open], raw: true }).answer, '');
  });
});

describe('reasoning budget', () => {
  /** Generates: `chosen` is what the model wants; returns what came. */
  function run(from: LoadedTokenizer, limit: number | null, startsThinking: boolean, chosen: readonly number[]) {
    const assembler = new TextAssembler(from, { ...options, startsThinking });
    const budget = new ReasoningBudget(limit, closingIds(from), startsThinking);
    const came: number[] = [];
    let at = 0;
    while (at < chosen.length) {
      const forced = budget.forcedToken();
      assert.equal(budget.tokensUntilForced === 0, forced !== null);
      const id = forced ?? chosen[at++];
      assembler.push(token(id));
      budget.onToken(assembler.thinking);
      came.push(id);
    }
    return came;
  }

  test('after the limit the closing tag comes, as a token or spelled', () => {
    assert.deepEqual(run(tagged, 2, true, [1, 2, 3, 4]), [1, 2, close, 3, 4]);
    assert.deepEqual(run(tagged, 0, true, [1]), [close, 1]);
    assert.deepEqual(run(tagged, 1, false, [1, open, 2, 3]), [1, open, 2, close, 3]);
    assert.deepEqual(run(tagged, 0, false, [open, 3]), [open, close, 3]);
    assert.deepEqual(run(spelled, 2, true, [97, 98, 99]), [97, 98, ...encodeBytes('</think>'), 99]);
    assert.deepEqual(run(tagged, 3, true, [1, 2, close, 4, 5, 6]), [1, 2, close, 4, 5, 6]);
    assert.deepEqual(run(tagged, null, true, [1, 2, 3, 4]), [1, 2, 3, 4]);
  });

  test('a template that opens the thinking on a line of its own closes it on one', () => {
    const chatTemplate = { text: "{{ '<think>\\n' }}" } as LoadedTokenizer['chatTemplate'];
    assert.deepEqual(closingIds({ ...tagged, chatTemplate }), [10, close]);
  });

  test('is refused by name where the vocabulary cannot write the closing tag', () => {
    for (const unknown of ['refuse', 'replace', 'drop'] as const)
      assert.throws(
        () => closingIds(loaded(characterTokenizer('abc', { unknown }))),
        (error) => error instanceof RefusedError && error.field === 'reasoningBudget',
      );
  });
});
