// The corpus module: what files give, how they are split, packed and ordered. npm test -- corpus
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { parquetWriteFile } from 'hyparquet-writer';
import {
  BatchStream,
  CorpusError,
  chooseVocabulary,
  type Dataset,
  fillInTheMiddle,
  openDataset,
  prepareDataset,
  readDocuments,
  type Synthetic,
  type TokenizerChoice,
  validationBatches,
} from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-data-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function all(documents: AsyncIterable<string>): Promise<string[]> {
  const read: string[] = [];
  for await (const document of documents) read.push(document);
  return read;
}

const counting: Synthetic = {
  name: 'counting',
  seed: 3,
  count: 200,
  documents: (from, to) =>
    Array.from({ length: to - from }, (_, k) => {
      const i = from + k;
      return Array.from({ length: 5 + ((i * 7) % 20) }, (_, n) => `${(3 + i * 7919 + n * 104729) % 1e6}`).join(' ');
    }),
};

let roots = 0;

async function makeDataset(inputs: readonly (string | Synthetic)[], validationFraction = 0.1): Promise<Dataset> {
  const vocabulary = await chooseVocabulary('bytes', () => readDocuments(inputs));
  return prepareDataset({ inputs, vocabulary, validationFraction, root: join(folder, `datasets-${roots++}`) });
}

describe('documents', () => {
  test('the same documents from text with a separator, JSONL and Parquet', async () => {
    const documents = ['first\nline', 'second ✓', 'third'];
    const text = file('a.txt', documents.join('\n---\n'));
    const jsonl = file('a.jsonl', documents.map((text) => `${JSON.stringify({ text })}\n`).join('\n'));
    const parquet = join(folder, 'a.parquet');
    parquetWriteFile({ filename: parquet, columnData: [{ name: 'text', data: documents }], rowGroupSize: 2 });
    assert.deepEqual(await all(readDocuments([text], { separator: '\n---\n' })), documents);
    assert.deepEqual(await all(readDocuments([jsonl])), documents);
    assert.deepEqual(await all(readDocuments([parquet])), documents);
    assert.deepEqual(await all(readDocuments([text])), [documents.join('\n---\n')]);
  });

  test('rows without text are skipped and counted; a file of nothing else is refused', async () => {
    const rows = ['{"text":"a"}', '{"text":null}', '{}', '{"text":5}', '[]', '7', 'null', '{"text":"b"}'];
    const path = file('holes.jsonl', `${rows.join('\r\n')}\n\n`);
    const notices: string[] = [];
    const notice = (message: string) => notices.push(message);
    assert.deepEqual(await all(readDocuments([path], { notice })), ['a', 'b']);
    assert.deepEqual(notices, [`${path}: 6 rows of 8 without text in text skipped, first ${path}:2`]);
    const nothing = file('nothing.jsonl', '{"text":null}\n{"text":null}\n');
    await assert.rejects(
      all(readDocuments([nothing])),
      /nothing\.jsonl:1\] expected text in field text.* \(null there\)/,
    );
    const long = file('long.jsonl', `{"text":"${'a'.repeat(3 * 2 ** 20)}"}\n`);
    await assert.rejects(
      all(readDocuments([long], { maxDocumentBytes: 2 ** 20 })),
      /line 1 is longer than 1048576 bytes/,
    );
  });

  test('fields are joined; pieces of a long text are the text', async () => {
    const jsonl = file('qa.jsonl', '{"q":"1+1?","a":"2"}\n');
    assert.deepEqual(await all(readDocuments([jsonl], { fields: ['q', 'a'] })), ['1+1?\n2']);
    const long = Array.from({ length: 300_000 }, (_, i) => `línea ${i}\n`).join('');
    const notices: string[] = [];
    const options = { maxDocumentBytes: 2 ** 21, notice: (message: string) => notices.push(message) };
    const pieces = await all(readDocuments([file('long.txt', long)], options));
    assert.ok(pieces.length > 1);
    assert.equal(pieces.join(''), long);
    assert.match(notices[0], /cut at line ends into pieces of 2097152/);
  });

  const refusals: [string, () => string, RegExp][] = [
    ['a missing file', () => join(folder, 'none.txt'), /no such file; check the path/],
    ['an empty file', () => file('empty.txt', ''), /is empty/],
    ['a folder', () => folder, /is not a file/],
    ['zeros', () => file('zero.txt', Uint8Array.of(65, 66, 0, 67)), /byte 2 is 0: this is not text/],
    ['broken UTF-8', () => file('latin.txt', Uint8Array.of(65, 0xe9, 66)), /byte 1 is not valid UTF-8/],
    ['a line that is no JSON', () => file('bad.jsonl', '{"text":"a"}\n{oops\n'), /bad\.jsonl:2\] is not JSON/],
    ['a missing field', () => file('field.jsonl', '{"body":"a"}\n'), /in field text; its fields are body/],
    ['no Parquet', () => file('no.parquet', 'PAR'), /is not a Parquet file/],
  ];
  for (const [what, path, message] of refusals)
    test(`refuses ${what}`, async () => {
      await assert.rejects(
        all(readDocuments([path()])),
        (error) => error instanceof CorpusError && message.test(error.message),
      );
    });

  test('names the columns that a Parquet file has', async () => {
    const filename = join(folder, 'columns.parquet');
    parquetWriteFile({ filename, columnData: [{ name: 'body', data: ['x'] }] });
    await assert.rejects(all(readDocuments([filename])), /has no column text; columns are body/);
  });
});

describe('dataset', () => {
  test('shards hold the documents, each with its end, in one of the splits', async () => {
    const dataset = await makeDataset([counting]);
    const vocabulary = await chooseVocabulary('bytes', () => readDocuments([counting]));
    const texts = [dataset.train, dataset.validation].flatMap((split) =>
      Array.from({ length: split.documents }, (_, i) => {
        const ids = split.document(i);
        assert.equal(ids.at(-1), vocabulary.endId);
        return vocabulary.tokenizer.decode(ids.subarray(0, -1));
      }),
    );
    assert.deepEqual(texts.sort(), (await all(readDocuments([counting]))).sort());
    assert.ok(dataset.validation.documents > 5 && dataset.validation.documents < 40);
    dataset.close();
  });

  test('the split is by document, whatever stands before it', async () => {
    const documents = await all(readDocuments([counting]));
    const jsonl = (name: string, of: string[]) => file(name, of.map((text) => JSON.stringify({ text })).join('\n'));
    const heldOut = async (path: string) => {
      const dataset = await makeDataset([path]);
      const { validation } = dataset;
      const ids = Array.from({ length: validation.documents }, (_, i) => validation.document(i).join(' '));
      dataset.close();
      return ids.sort();
    };
    assert.deepEqual(
      await heldOut(jsonl('forward.jsonl', documents)),
      await heldOut(jsonl('backward.jsonl', [...documents].reverse())),
    );
  });

  test('a vocabulary of its own cuts numbers as V3 does, or digit by digit', async () => {
    const text = file('numbers.txt', '123+456=579\n'.repeat(200));
    const pieces = async (choice: TokenizerChoice) => {
      const { tokenizer } = await chooseVocabulary(choice, () => readDocuments([text]));
      return Array.from(tokenizer.encode('123+'), (id) => tokenizer.decode([id]));
    };
    assert.deepEqual(await pieces(300), ['123', '+']);
    assert.deepEqual(await pieces({ size: 300, preTokenizer: 'qwen2' }), ['1', '2', '3', '+']);
  });

  test('one document gives its end; characters are the vocabulary', async () => {
    const text = file('one.txt', 'abcabcabca'.repeat(10));
    const vocabulary = await chooseVocabulary('characters', () => readDocuments([text]));
    const options = { inputs: [text], vocabulary, validationFraction: 0.1, root: join(folder, 'one') };
    const dataset = await prepareDataset(options);
    assert.deepEqual([dataset.vocabSize, dataset.train.tokens, dataset.validation.tokens], [3, 90, 10]);
    const { tokenizer } = vocabulary;
    assert.equal(
      tokenizer.decode(dataset.train.document(0)) + tokenizer.decode(dataset.validation.document(0)),
      'abcabcabca'.repeat(10),
    );
    dataset.close();
  });

  test('is made once; another tokenizer or file is another dataset', async () => {
    const path = file('once.jsonl', '{"text":"abc"}\n{"text":"def"}\n');
    const root = join(folder, 'once');
    let calls = 0;
    const prepare = async (choice: 'bytes' | 'characters') => {
      const vocabulary = await chooseVocabulary(choice, () => readDocuments([path]));
      const progress = () => {
        calls++;
      };
      const dataset = await prepareDataset({ inputs: [path], vocabulary, validationFraction: 0, root, progress });
      dataset.close();
      return dataset.hash;
    };
    const first = await prepare('bytes');
    assert.equal(calls, 2);
    assert.equal(await prepare('bytes'), first);
    assert.equal(calls, 2);
    assert.notEqual(await prepare('characters'), first);
    writeFileSync(path, '{"text":"abc"}\n{"text":"dex"}\n');
    assert.notEqual(await prepare('bytes'), first);
    assert.equal(readdirSync(root).length, 3);
  });

  test('a stopped preparation leaves nothing, and can be done again', async () => {
    const vocabulary = await chooseVocabulary('bytes', () => readDocuments([counting]));
    const root = join(folder, 'stopped');
    const stopping = new AbortController();
    const options = { inputs: [counting], vocabulary, validationFraction: 0.1, root };
    await assert.rejects(prepareDataset({ ...options, signal: stopping.signal, progress: () => stopping.abort() }), {
      name: 'AbortError',
    });
    assert.deepEqual(readdirSync(root), []);
    (await prepareDataset(options)).close();
  });

  test('a damaged shard or index is refused by name', async () => {
    const vocabulary = await chooseVocabulary('bytes', () => readDocuments([counting]));
    const root = join(folder, 'damaged');
    const prepare = () => prepareDataset({ inputs: [counting], vocabulary, validationFraction: 0.1, root });
    (await prepare()).close();
    const at = join(root, readdirSync(root)[0]);
    const shard = join(at, 'train-00000.bin');
    const bytes = readFileSync(shard);
    bytes[10] = bytes[10] ^ 1;
    writeFileSync(shard, bytes);
    await assert.rejects(prepare(), /train-00000\.bin\] a shard is damaged: its sha256 differs; remove the folder/);
    writeFileSync(shard, bytes.subarray(2));
    await assert.rejects(openDataset(at), /bytes, expected/);
    writeFileSync(join(at, 'dataset.json'), '{}');
    await assert.rejects(openDataset(at), /dataset\.json\] cannot be read/);
  });

  test('a corpus without a token', async () => {
    const nothing: Synthetic = { name: 'nothing', seed: 0, count: 0, documents: () => [] };
    await assert.rejects(makeDataset([nothing]), /has no token; give files that contain text/);
    await assert.rejects(makeDataset([]), /no input; name at least one file/);
  });
});

describe('batches', () => {
  const options = { batch: 3, sequenceLength: 16, windowLength: 18, seed: 5 } as const;

  test('an epoch of packed windows shows every target once, in documents of one order', async () => {
    const dataset = await makeDataset([counting], 0);
    const stream = new BatchStream(dataset.train, { ...options, batch: 1 });
    const readEpoch = () => {
      const windows: string[] = [];
      const epoch = stream.epoch;
      while (stream.epoch === epoch) windows.push(stream.next()[0].join(' '));
      return windows;
    };
    const first = readEpoch();
    assert.ok(first.length * 16 > dataset.train.tokens - 2 * 18);
    assert.equal(new Set(first).size, first.length);
    // Each window's last two tokens begin the window that follows it in the packed epoch.
    const begins = new Set(first.map((window) => window.split(' ').slice(0, 2).join(' ')));
    const joined = first.filter((window) => begins.has(window.split(' ').slice(-2).join(' ')));
    assert.ok(joined.length >= first.length - 1);
    assert.notDeepEqual(readEpoch(), first);
    dataset.close();
  });

  test('restored = never stopped, at any place, in both modes and with FIM', async () => {
    const dataset = await makeDataset([counting], 0);
    const ids = { begin: 300, hole: 301, end: 302 };
    for (const more of [{}, { mode: 'windows' as const }, { fim: { rate: 0.5, ids, endId: 0 } }])
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 400 }), fc.integer(), (place, seed) => {
          const [through, restored] = [0, 1].map(
            () => new BatchStream(dataset.train, { ...options, ...more, seed }),
          ) as [BatchStream, BatchStream];
          for (let i = 0; i < place; i++) through.next();
          restored.restore(JSON.parse(JSON.stringify(through.state)));
          assert.deepEqual(restored.next(), through.next());
        }),
        { numRuns: 10 },
      );
    dataset.close();
  });

  test('other seeds and epochs, other orders', async () => {
    const dataset = await makeDataset([counting], 0);
    const of = (seed: number) => new BatchStream(dataset.train, { ...options, seed }).next();
    assert.deepEqual(of(1), of(1));
    assert.notDeepEqual(of(1), of(2));
    dataset.close();
  });

  test('FIM keeps every token, in PSM, at its rate', () => {
    const ids = { begin: 300, hole: 301, end: 302 };
    fc.assert(
      fc.property(
        fc.array(fc.nat(255)),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (tokens, a, b) => {
          const document = Int32Array.of(...tokens, 299);
          const made = Array.from(fillInTheMiddle(document, [a, b], ids, 299));
          const [hole, end] = [made.indexOf(301), made.indexOf(302)];
          assert.equal(made[0], 300);
          assert.equal(made.at(-1), 299);
          assert.deepEqual([...made.slice(1, hole), ...made.slice(end + 1, -1), ...made.slice(hole + 1, end)], tokens);
        },
      ),
    );
  });

  test('FIM rotates about as many documents as it should', async () => {
    const dataset = await makeDataset([counting], 0);
    const ids = { begin: 300, hole: 301, end: 302 };
    const stream = new BatchStream(dataset.train, { ...options, batch: 1, fim: { rate: 0.3, ids, endId: 256 } });
    const begins: number[] = [];
    while (stream.epoch === 0)
      begins.push(
        ...stream
          .next()[0]
          .subarray(0, 16)
          .filter((id) => id === 300),
      );
    assert.ok(begins.length > 0.2 * 200 && begins.length < 0.4 * 200, `${begins.length}`);
    dataset.close();
  });

  test('validation windows are in order and do not share targets', async () => {
    const dataset = await makeDataset([counting], 0.5);
    const batches = [...validationBatches(dataset.validation, options)].flat();
    assert.ok(batches.length * 16 > dataset.validation.tokens - 5 * 18);
    batches.forEach((window, i) => {
      assert.ok(
        [0, 1, 2].some(
          (skipped) => window.join() === dataset.validation.read((i + skipped) * 16, (i + skipped) * 16 + 18).join(),
        ),
      );
    });
    const all = Math.floor((dataset.validation.tokens - 18) / 16) + 1;
    const last = (i: number) => Math.floor((i * all) / 6) * 16;
    const few = [...validationBatches(dataset.validation, options, 96)].flat();
    assert.equal(few.length, 6);
    assert.deepEqual(few[3], dataset.validation.read(last(3), last(3) + 18));
    dataset.close();
  });

  test('refuses a corpus shorter than a window', async () => {
    const dataset = await makeDataset([file('short.txt', 'abc')], 0);
    assert.throws(() => new BatchStream(dataset.train, options), /4 tokens, a window takes 18; give more text/);
    dataset.close();
  });
});
