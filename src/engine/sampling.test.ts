// What the engine prepares for sampling: options, draws, edits of logits. npm test -- engine/sampling
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type GenerateOptions, RefusedError } from './generation.ts';
import { LogitsProcessor } from './logits-processor.ts';
import { resolveOptions } from './sampling-options.ts';

const limits = { vocabSize: 100, room: 50 };

describe('options', () => {
  test('defaults are those of the interface', () => {
    const { seed, ...rest } = resolveOptions({}, limits);
    assert.ok(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32);
    assert.deepEqual(rest, {
      temperature: 1,
      topK: 0,
      topP: 1,
      minP: 0,
      presencePenalty: 0,
      frequencyPenalty: 0,
      repetitionPenalty: 1,
      logitBias: new Map(),
      maxTokens: 50,
      minTokens: 0,
      endIds: [],
      stop: [],
      stopIds: [],
      raw: false,
      ignoreEos: false,
      logprobs: null,
      promptLogprobs: null,
      startsThinking: false,
      reasoningBudget: null,
      cacheScope: '',
      signal: null,
    });
  });

  test('what fits is kept; what has no further effect is cut', () => {
    const signal = new AbortController().signal;
    const bias = new Map([[3, Number.NEGATIVE_INFINITY]]);
    const given = { temperature: 1e-6, topK: 1000, maxTokens: 9, stop: ['a', 'a'], seed: 2 ** 32 - 1 };
    const resolved = resolveOptions({ ...given, signal, logitBias: bias, logprobs: 0, reasoningBudget: 0 }, limits);
    assert.equal(resolved.temperature, 0);
    assert.equal(resolved.topK, 100);
    assert.equal(resolved.maxTokens, 9);
    assert.deepEqual(resolved.stop, ['a']);
    assert.deepEqual([resolved.logprobs, resolved.reasoningBudget, resolved.signal], [0, 0, signal]);
    assert.deepEqual(resolved.logitBias, bias);
    assert.equal(resolveOptions({ maxTokens: 1000 }, limits).maxTokens, 50);
    const ending = (more: object) => resolveOptions({ stopIds: [5], ...more }, { ...limits, eosIds: [7] }).endIds;
    assert.deepEqual([ending({}), ending({ ignoreEos: true })], [[7, 5], [5]]);
  });

  const refusals: [keyof GenerateOptions, unknown, RegExp][] = [
    ['temperature', -1, /^temperature: expected a finite number from 0, received -1$/],
    ['temperature', Number.NaN, /received NaN/],
    ['temperature', Number.POSITIVE_INFINITY, /received Infinity/],
    ['temperature', '1', /received "1"/],
    ['topK', 1.5, /expected a whole number from 0, received 1.5/],
    ['topP', 0, /above 0 and up to 1, received 0/],
    ['minP', 1.01, /from 0 to 1, received 1.01/],
    ['presencePenalty', 3, /from -2 to 2, received 3/],
    ['frequencyPenalty', -2.1, /from -2 to 2/],
    ['repetitionPenalty', 0, /from 0.01 to 100, received 0/],
    ['seed', -1, /from 0 to 2\^32 - 1, received -1/],
    ['seed', 2 ** 32, /received 4294967296/],
    ['logitBias', { 3: 1 }, /expected a Map/],
    ['logitBias', new Map([[100, 1]]), /token ids from 0 to 99, received 100/],
    ['logitBias', new Map([[1, Number.POSITIVE_INFINITY]]), /received "Infinity for token 1"/],
    ['maxTokens', 0, /expected a whole number from 1, received 0/],
    ['minTokens', 51, /expected a whole number from 0 to 50, received 51/],
    ['stopIds', [100], /token ids from 0 to 99, received 100/],
    ['raw', 'yes', /true or false/],
    ['stop', 'a', /at most 16 texts, received "a"/],
    ['stop', [''], /texts that are not empty/],
    ['stop', ['\ud83d'], /half a surrogate pair/],
    ['stop', new Array(17).fill('a'), /received "17 texts"/],
    ['ignoreEos', 1, /expected true or false, received 1/],
    ['logprobs', 21, /from 0 to 20, received 21/],
    ['promptLogprobs', -1, /from 0 to 20/],
    ['startsThinking', 'no', /true or false/],
    ['reasoningBudget', 0.5, /whole number from 0/],
    ['signal', {}, /AbortSignal/],
  ];
  for (const [field, value, message] of refusals)
    test(`refuses ${field} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`, () => {
      assert.throws(
        () => resolveOptions({ [field]: value }, limits),
        (error) => {
          assert.ok(error instanceof RefusedError);
          assert.deepEqual([error.kind, error.field], ['invalid', field]);
          assert.match(error.message, message);
          return true;
        },
      );
    });
});

describe('edits of logits', () => {
  const noEnd = { minTokens: 0, endIds: [1] };
  const none = {
    presencePenalty: 0,
    frequencyPenalty: 0,
    repetitionPenalty: 1,
    logitBias: new Map<number, number>(),
    ...noEnd,
  };

  function written(edits: LogitsProcessor): [number, number, number][] {
    const n = edits.length;
    const out = { ids: new Int32Array(n), scales: new Float32Array(n), adds: new Float32Array(n) };
    assert.equal(edits.write(out, 0), n);
    return Array.from(out.ids, (id, i) => [id, out.scales[i], out.adds[i]]);
  }

  test('none without penalties and biases', () => {
    const edits = new LogitsProcessor(none, [1, 2, 3]);
    edits.push(7);
    assert.deepEqual(written(edits), []);
  });

  test('worked by hand: the repetition penalty counts the prompt, the others do not', () => {
    const logitBias = new Map([[9, 5]]);
    const edits = new LogitsProcessor(
      { presencePenalty: 1, frequencyPenalty: 0.5, repetitionPenalty: 2, logitBias, ...noEnd },
      [3, 4, 3],
    );
    edits.push(4);
    edits.push(9);
    edits.push(4);
    assert.deepEqual(written(edits), [
      [3, 2, 0],
      [4, 2, -2],
      [9, 2, 3.5],
    ]);
    edits.pop(4);
    edits.pop(9);
    assert.deepEqual(written(edits), [
      [3, 2, 0],
      [4, 2, -1.5],
      [9, 1, 5],
    ]);
  });

  test('tokens that end the output are forbidden before its minimum length, also behind drafts', () => {
    const logitBias = new Map([[2, 3]]);
    const edits = new LogitsProcessor({ ...none, logitBias, minTokens: 2, endIds: [2, 6] }, [2]);
    const forbidden = [2, 6].map((id) => [id, 1, Number.NEGATIVE_INFINITY]);
    const free = [
      [2, 1, 3],
      [6, 1, 0],
    ];
    assert.deepEqual(written(edits), forbidden);
    edits.push(4);
    assert.deepEqual(written(edits), forbidden);
    edits.push(4);
    assert.deepEqual(written(edits), free);
    edits.pop(4);
    assert.deepEqual(written(edits), forbidden);
  });

  test('pushed and taken back in any order: as if counted anew', () => {
    const penalties = fc.record({
      presencePenalty: fc.constantFrom(0, 0.5),
      frequencyPenalty: fc.constantFrom(0, 0.25),
      repetitionPenalty: fc.constantFrom(1, 1.5),
      logitBias: fc.array(fc.tuple(fc.nat(150), fc.constantFrom(1, -2))).map((entries) => new Map(entries)),
    });
    const ids = fc.array(fc.nat(150), { maxLength: 200 });
    fc.assert(
      fc.property(penalties, ids, ids, fc.nat(200), (given, prompt, output, taken) => {
        const edits = new LogitsProcessor({ ...given, ...noEnd }, prompt);
        for (const id of output) edits.push(id);
        const kept = output.slice(0, Math.max(0, output.length - taken));
        for (const id of output.slice(kept.length).reverse()) edits.pop(id);
        const expected = [...Array(151).keys()].flatMap((id): [number, number, number][] => {
          const times = kept.filter((other) => other === id).length;
          const seen = times > 0 || prompt.includes(id);
          const scale = seen ? given.repetitionPenalty : 1;
          const add =
            (given.logitBias.get(id) ?? 0) - (times > 0 ? given.presencePenalty + given.frequencyPenalty * times : 0);
          const penalised = given.repetitionPenalty !== 1 || given.presencePenalty + given.frequencyPenalty !== 0;
          const has = given.logitBias.has(id) || scale !== 1 || (times > 0 && penalised);
          return has ? [[id, scale, add]] : [];
        });
        assert.deepEqual(written(edits), expected);
      }),
    );
  });
});
