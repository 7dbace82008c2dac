// Models by name: names, settings, choices, the cache. hostile-hub.test.ts has what goes wrong. npm test -- src/hub
import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { type DownloadPlan, listModels, parseModelName, readHubSettings, removeModel } from './index.ts';
import { commitOne, commitTwo, sha256 } from './test-hub.ts';
import { addGguf, addModel, HubBench, json, randomBytes, shardNames, toName } from './test-models.ts';

const bench = new HubBench();
const { hub } = bench;

describe('names', () => {
  test('are ORG/NAME, with a revision or a format, also as a browser shows them', () => {
    assert.deepEqual(parseModelName('org/na.me-1'), { id: 'org/na.me-1', revision: 'main', format: null });
    assert.deepEqual(parseModelName('org/n@refs/pr/1:Q4_K_M'), {
      id: 'org/n',
      revision: 'refs/pr/1',
      format: 'Q4_K_M',
    });
    assert.deepEqual(parseModelName('https://huggingface.co/org/n')?.id, 'org/n');
    assert.deepEqual(parseModelName('hf.co/org/n:q8_0')?.format, 'q8_0');
  });

  const others = [
    'nano',
    'my-model',
    '/a/b',
    './a/b',
    '../a/b',
    'a/b/c',
    'a/b.gguf',
    'runs/x.json',
    'a/..',
    'a/b@../c',
  ];
  for (const text of [...others, 'a/b:../../c', 'a--b/c', 'a/b-', 'https://example.org/a/b', 'a\\b/c', 'a/b:c//d', ''])
    test(`${JSON.stringify(text)} is none`, () => assert.equal(parseModelName(text), null));
});

describe('settings', () => {
  test('are those of the Python library', () => {
    assert.equal(bench.settings({ HF_HUB_CACHE: '/x' }).cache, '/x');
    assert.equal(readHubSettings({ HF_HOME: '/h' }).cache, '/h/hub');
    assert.equal(readHubSettings({ XDG_CACHE_HOME: '/c' }).cache, '/c/huggingface/hub');
    assert.equal(readHubSettings({ HF_HOME: bench.folder }).endpoint, 'https://huggingface.co');
    writeFileSync(join(bench.folder, 'token'), 'hf_file\n');
    assert.equal(bench.settings({}).token, 'hf_file');
    assert.equal(bench.settings({ HF_TOKEN: 'hf_own' }).token, 'hf_own');
    assert.equal(bench.settings({ HF_HUB_OFFLINE: '1' }).isOffline, true);
    assert.throws(() => bench.settings({ HF_TOKEN: 'two words' }), /^HubError: \[HF_TOKEN\] is not a token/);
    assert.throws(
      () => bench.settings({ HF_ENDPOINT: 'mirror' }),
      /^HubError: \[HF_ENDPOINT\] mirror is not an address; /,
    );
  });

  test('name a proxy as curl does', () => {
    const { proxy } = bench.settings({ HTTPS_PROXY: 'http://p:1', no_proxy: 'localhost, .corp.org' });
    assert.equal(proxy(new URL('https://huggingface.co/x')), 'http://p:1');
    assert.equal(proxy(new URL('http://huggingface.co/x')), null);
    assert.equal(proxy(new URL('https://a.corp.org')), null);
    assert.equal(proxy(new URL('https://localhost')), null);
  });
});

describe('a model is pulled', () => {
  test('with what it needs, into the layout of the Python library', async () => {
    const files = addModel(hub);
    const plans: DownloadPlan[] = [];
    const marks: number[] = [];
    const pulled = await bench.pull('org/small', {
      confirm: (plan) => plans.push(plan) > 0,
      progress: (done) => marks.push(done),
    });
    const needed = ['config.json', 'tokenizer.json', 'model.safetensors.index.json', ...shardNames];
    const bytes = needed.reduce((sum, path) => sum + files[path].length, 0);
    const index = files['model.safetensors.index.json'].length;
    assert.equal(pulled?.path, join(bench.repository('org/small'), 'snapshots', commitOne));
    assert.deepEqual(readdirSync(pulled.path).sort(), [...needed].sort());
    for (const path of needed) assert.ok(readFileSync(join(pulled.path, path)).equals(files[path]), path);
    assert.equal(readlinkSync(join(pulled.path, shardNames[0])), `../../blobs/${sha256(files[shardNames[0]])}`);
    assert.equal(readFileSync(join(bench.repository('org/small'), 'refs/main'), 'utf8'), commitOne);
    assert.deepEqual(
      plans.map(({ name, format, bytes, doneBytes, files }) => ({ name, format, bytes, doneBytes, files })),
      [{ name: 'org/small', format: 'safetensors', bytes: bytes - index, doneBytes: 0, files: 4 }],
    );
    assert.equal(marks.at(-1), bytes - index);
    assert.equal(pulled.downloadedBytes, bytes - index);
    assert.ok(readdirSync(join(bench.repository('org/small'), 'blobs')).every((blob) => !blob.includes('incomplete')));
  });

  test('once: then it opens without the network, and an update asks', async () => {
    addModel(hub);
    await bench.pull('org/small');
    const requests = hub.seen.length;
    assert.equal((await bench.pull('org/small'))?.downloadedBytes, 0);
    assert.equal(
      (await bench.pull('org/small', { settings: bench.settings({ HF_HUB_OFFLINE: '1' }) }))?.commit,
      commitOne,
    );
    assert.equal(hub.seen.length, requests);
    addModel(hub, 'org/small', commitTwo, 1); // the same files at another commit: nothing to download
    assert.equal((await bench.pull('org/small'))?.commit, commitOne);
    assert.deepEqual(
      await bench.pull('org/small', { update: true, confirm: () => assert.fail('nothing is downloaded') }),
      {
        path: join(bench.repository('org/small'), 'snapshots', commitTwo),
        commit: commitTwo,
        downloadedBytes: 0,
      },
    );
  });

  test('not if it is not confirmed', async () => {
    addModel(hub);
    assert.equal(await bench.pull('org/small', { confirm: () => false }), null);
    assert.deepEqual(hub.transfers, []);
    assert.equal(existsSync(join(bench.repository('org/small'), 'refs')), false);
  });

  test('without weights where only its configuration is needed', async () => {
    const files = addModel(hub);
    const pulled = await bench.pull('org/small', { weights: false });
    assert.deepEqual(readdirSync(pulled?.path ?? '').sort(), ['config.json', 'tokenizer.json']);
    assert.equal((await bench.pull('org/small', { weights: false }))?.downloadedBytes, 0);
    assert.equal(
      (await bench.pull('org/small'))?.downloadedBytes,
      files[shardNames[0]].length + files[shardNames[1]].length,
    );
  });

  for (const [text, entry] of [
    ['org/small-GGUF', 'small-q4_k_m.gguf'],
    ['org/small-GGUF:q8_0', 'small-Q8_0.gguf'],
    ['org/small-GGUF:Q4_K_XL', 'small-UD-Q4_K_XL.gguf'],
    ['org/small-GGUF:BF16', 'BF16/small-BF16-00001-of-00002.gguf'],
    ['org/small-GGUF:BF16/small-BF16-00001-of-00002.gguf', 'BF16/small-BF16-00001-of-00002.gguf'],
  ] as const)
    test(`${text}: one GGUF file of several, with its shards`, async () => {
      const files = addGguf(hub);
      const pulled = await bench.pull(text);
      const root = join(bench.repository('org/small-GGUF'), 'snapshots', commitOne);
      assert.equal(pulled?.path, join(root, entry));
      const found = readdirSync(dirname(pulled.path)).filter((file) => file.endsWith('.gguf'));
      assert.equal(found.length, entry.startsWith('BF16') ? 2 : 1);
      assert.ok(readFileSync(pulled.path).equals(files[entry]));
      assert.equal((await bench.pull(text))?.downloadedBytes, 0);
    });

  test('by two at once: one waits, nothing comes twice', async () => {
    const files = addModel(hub);
    const notices: string[] = [];
    const both = await Promise.all([1, 2].map(() => bench.pull('org/small', { notice: (text) => notices.push(text) })));
    assert.equal(new Set(both.map((each) => each?.path)).size, 1);
    assert.deepEqual(notices, ['another process downloads org/small; waiting for it']);
    const large = Object.values(files).filter((bytes) => bytes.length === 200_000 || bytes.length === 150_000);
    assert.equal(hub.transfers.filter(({ url }) => url.includes('model-0')).length, large.length);
  });

  test('through a proxy', async () => {
    addModel(hub);
    const asked: (string | undefined)[] = [];
    const proxy = createServer().on('connect', ({ url = '', headers }, socket) => {
      asked.push(headers['proxy-authorization']);
      const [host, port] = url.split(':');
      const target = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        target.pipe(socket).pipe(target);
      });
      for (const each of [target, socket]) each.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as AddressInfo;
    const through = bench.settings({ HTTP_PROXY: `http://me:secret@127.0.0.1:${port}` });
    assert.equal((await bench.pull('org/small', { settings: through }))?.commit, commitOne);
    assert.equal(asked.length, hub.seen.length);
    assert.ok(asked.every((login) => login === `Basic ${Buffer.from('me:secret').toString('base64')}`));
    proxy.close();
  });
});

describe('a token', () => {
  test('goes to the hub, and not to the host that it redirects to', async () => {
    addModel(hub);
    hub.token = 'hf_secret';
    const pulled = await bench.pull('org/small', { settings: bench.settings({ HF_TOKEN: 'hf_secret' }) });
    assert.equal(pulled?.commit, commitOne);
    assert.ok(hub.transfers.length > 0);
    assert.ok(hub.transfers.every(({ authorization }) => authorization === undefined));
    const asked = hub.seen.filter(({ host }) => host === 'hub');
    assert.ok(asked.every(({ authorization }) => authorization === 'Bearer hf_secret'));
  });

  test('is what a gated model needs', async () => {
    const files = addModel(hub);
    hub.models.set('org/small', { commit: commitOne, files, gated: true });
    hub.token = 'hf_good';
    const terms = `accept their terms; do so at ${hub.endpoint}/org/small, then set HF_TOKEN`;
    await assert.rejects(bench.pull('org/small'), (error: Error) => error.message.includes(terms));
    await assert.rejects(
      bench.pull('org/small', { settings: bench.settings({ HF_TOKEN: 'hf_bad' }) }),
      /\[org\/small\] is gated, and your token has no access to it; ask for it at http/,
    );
    hub.hubFault = (_, response) => response.writeHead(401).end() !== undefined;
    await assert.rejects(
      bench.pull('org/small', { settings: bench.settings({ HF_TOKEN: 'hf_bad' }) }),
      /^HubError: \[HF_TOKEN\] the hub/,
    );
  });
});

describe('a name that is wrong', () => {
  test('gets suggestions', async () => {
    addModel(hub, 'deepseek-ai/DeepSeek-R1');
    addModel(hub, 'deepseek-ai/DeepSeek-V3');
    await assert.rejects(
      bench.pull('deepseek-ai/DeepSek-R1'),
      /^HubError: \[deepseek-ai\/DeepSek-R1\] no such file .* here, .*; did you mean deepseek-ai\/DeepSeek-R1 or /,
    );
    await assert.rejects(
      bench.pull('nobody/nothing-like-it'),
      /check the name \(ORG\/NAME\); for a private one, set HF_TOKEN$/,
    );
    await assert.rejects(bench.pull('deepseek-ai/DeepSeek-R1@v2'), /has no revision v2; name a branch/);
  });

  for (const [text, message] of [
    ['org/small-GGUF:Q9', /has no GGUF file of format Q9; there are .*Q4_K_M \(5 kB\)/],
    ['org/small-GGUF:F16', /F16-00001-of-00003\.gguf is one of 3 files, of which 1 are there; choose another format/],
    ['org/small:Q4_K_M', /has no GGUF files; leave :Q4_K_M out/],
    ['org/pickle', /only as PyTorch pickles \(pytorch_model\.bin\), which can run programs when they are read; choose/],
    ['org/adapter', /holds an adapter \(adapter_model\.safetensors\), not a whole model/],
    ['org/onnx', /has no model\.safetensors and no GGUF file, only such as onnx\/model\.onnx; /],
    ['org/choice', /has several GGUF files: Q2_K \(2 kB\), Q3_K_S \(2 kB\); name one, as in org\/choice:Q2_K/],
    ['org/hole', /its index names model-00002-of-00002\.safetensors, which is not there/],
  ] as const)
    test(`${text}: ${message.source.slice(0, 40)}`, async () => {
      const files = addModel(hub);
      addGguf(hub);
      const set = (id: string, own: Record<string, Buffer>) => hub.models.set(id, { commit: commitOne, files: own });
      const large = randomBytes(2000, 3);
      set('org/pickle', { 'config.json': json({}), 'pytorch_model.bin': large });
      set('org/adapter', { 'adapter_model.safetensors': large });
      set('org/onnx', { 'onnx/model.onnx': large });
      set('org/choice', { 'a-Q2_K.gguf': large, 'a-Q3_K_S.gguf': large });
      const { [shardNames[1]]: _, ...rest } = files;
      set('org/hole', rest);
      await assert.rejects(bench.pull(text), message);
    });
});

describe('the cache', () => {
  test('a link out of it is refused, whoever made it', async () => {
    addModel(hub);
    const pulled = await bench.pull('org/small');
    const path = join(pulled?.path ?? '', 'config.json');
    rmSync(path);
    writeFileSync(join(bench.folder, 'outside.json'), '{}');
    symlinkSync(join(bench.folder, 'outside.json'), path);
    await assert.rejects(bench.pull('org/small'), /config\.json\] is a link out of the cache; remove the model/);
  });

  test('a model whose blob is gone is downloaded again, as far as needed', async () => {
    const files = addModel(hub);
    const pulled = await bench.pull('org/small');
    rmSync(join(bench.repository('org/small'), 'blobs', sha256(files[shardNames[1]])));
    assert.equal((await bench.pull('org/small'))?.downloadedBytes, files[shardNames[1]].length);
    assert.ok(lstatSync(join(pulled?.path ?? '', shardNames[1])).isSymbolicLink());
  });

  test('is listed, and its models are removed', async () => {
    addModel(hub);
    addGguf(hub);
    for (const text of ['org/small', 'org/small-GGUF:Q8_0', 'org/small-GGUF:BF16']) await bench.pull(text);
    const list = async () => (await listModels(bench.settings())).map((model) => `${model.name} ${model.format}`);
    assert.deepEqual((await list()).sort(), [
      'org/small safetensors',
      'org/small-GGUF:BF16 BF16',
      'org/small-GGUF:Q8_0 Q8_0',
    ]);
    await assert.rejects(removeModel(toName('org/smal'), bench.settings()), /is not in .*; did you mean org\/small\?/);
    await assert.rejects(removeModel(toName('org/small-GGUF:Q4_K_M'), bench.settings()), /is not in/);
    assert.equal(await removeModel(toName('org/small-GGUF:bf16'), bench.settings()), 15_000);
    assert.deepEqual((await list()).sort(), ['org/small safetensors', 'org/small-GGUF:Q8_0 Q8_0']);
    assert.ok((await removeModel(toName('org/small'), bench.settings())) > 350_000);
    assert.equal(existsSync(bench.repository('org/small')), false);
    assert.deepEqual(await list(), ['org/small-GGUF:Q8_0 Q8_0']);
  });

  test('what a snapshot shares with another stays', async () => {
    addModel(hub);
    await bench.pull('org/small');
    addModel(hub, 'org/small', commitTwo, 1);
    await bench.pull('org/small', { update: true });
    assert.equal(await removeModel(toName(`org/small@${commitOne}`), bench.settings()), 0);
    assert.equal((await bench.pull('org/small'))?.commit, commitTwo);
  });
});
