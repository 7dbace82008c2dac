// A network that fails and a hub that lies: dropped connections, limits, redirects, damaged bytes, hostile lists.
// npm test -- hostile-hub
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { DownloadPlan } from './index.ts';
import { commitOne, sendBytes, sha256 } from './test-hub.ts';
import { addModel, HubBench, json, patience, shardNames } from './test-models.ts';

const bench = new HubBench();
const { hub } = bench;

describe('a network that fails', () => {
  /** Serves this many bytes a request, then drops the connection. */
  const dropAfter = (limit: number) => {
    hub.storageFault = (request, response, bytes) => {
      sendBytes(request, response, bytes, limit);
      return true;
    };
  };

  test('drops connections: the download continues where it stopped', async () => {
    const files = addModel(hub);
    dropAfter(60_000);
    const pulled = await bench.pull('org/small');
    for (const shard of shardNames) assert.ok(readFileSync(join(pulled?.path ?? '', shard)).equals(files[shard]));
    const ranges = hub.transfers.filter(({ url }) => url.includes(shardNames[0])).map(({ range }) => range);
    assert.equal(ranges[0], undefined);
    assert.ok(ranges.length >= 3 && ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? '')));
  });

  test('drops each at once: it ends in words, and another process continues', async () => {
    const files = addModel(hub);
    let left = 100_000;
    hub.storageFault = (request, response, bytes) => {
      if (!request.url?.includes('safetensors')) return false;
      sendBytes(request, response, bytes, left);
      left = 0;
      return true;
    };
    await assert.rejects(
      bench.pull('org/small'),
      /^HubError: \[org\/small: model-0000.*\] .*; check the network; the same command continues where it stopped$/,
    );
    hub.storageFault = () => false;
    hub.seen.length = 0;
    const plans: DownloadPlan[] = [];
    const pulled = await bench.pull('org/small', { confirm: (plan) => plans.push(plan) > 0 });
    assert.ok((plans[0]?.doneBytes ?? 0) > 0);
    assert.ok(hub.transfers.some(({ range }) => range !== undefined));
    for (const shard of shardNames) assert.ok(readFileSync(join(pulled?.path ?? '', shard)).equals(files[shard]));
  });

  test('is stopped by a signal: what arrived stays', async () => {
    addModel(hub);
    const stopping = new AbortController();
    hub.storageFault = (request, response, bytes) => {
      if (!request.url?.includes('safetensors')) return false;
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 70_000));
      return true;
    };
    const progress = (done: number) => done >= 70_000 && stopping.abort();
    const waiting = { ...patience, idleMs: 5000 };
    await assert.rejects(bench.pull('org/small', { signal: stopping.signal, progress, patience: waiting }), {
      name: 'AbortError',
    });
    hub.storageFault = () => false;
    const plans: DownloadPlan[] = [];
    await bench.pull('org/small', { confirm: (plan) => plans.push(plan) > 0 });
    assert.ok((plans[0]?.doneBytes ?? 0) >= 70_000, `${plans[0]?.doneBytes}`);
  });

  test('gives nothing for too long: it is asked again', async () => {
    addModel(hub);
    let silent = 1;
    hub.storageFault = () => silent-- > 0;
    assert.equal((await bench.pull('org/small', { patience: { ...patience, idleMs: 100 } }))?.commit, commitOne);
  });

  test('limits the rate: it waits as long as it is told to, unless that is too long', async () => {
    addModel(hub);
    let limited = 2;
    hub.hubFault = (_, response) => {
      if (limited-- <= 0) return false;
      response.writeHead(429, { 'retry-after': '0.05' }).end();
      return true;
    };
    assert.equal((await bench.pull('org/small'))?.commit, commitOne);
    hub.hubFault = (_, response) => response.writeHead(429, { 'retry-after': '3600' }).end() !== undefined;
    await assert.rejects(
      bench.pull('org/small', { update: true }),
      /refuses further requests for now, and asks to wait 60 min; /,
    );
  });

  test('is not there', async () => {
    const away = bench.settings({ HF_ENDPOINT: 'http://127.0.0.1:47' });
    await assert.rejects(
      bench.pull('org/small', { settings: away }),
      /\[127\.0\.0\.1:47\] ECONNREFUSED; check the network, HF_E/,
    );
    const offline = bench.settings({ HF_HUB_OFFLINE: 'true' });
    await assert.rejects(
      bench.pull('org/small', { settings: offline }),
      /HF_HUB_OFFLINE forbids to download it; unset/,
    );
  });

  test('redirects without end, or out of HTTP', async () => {
    addModel(hub);
    for (const location of ['/again', 'file:///etc/passwd', 'ftp://x/y', 'http://']) {
      hub.hubFault = (_, response) => response.writeHead(302, { location }).end() !== undefined;
      await assert.rejects(
        bench.pull('org/small'),
        /redirects without end, or out of TLS; check HF_ENDPOINT/,
        location,
      );
    }
  });
});

describe('a hub that lies', () => {
  const shard = shardNames[0];

  test('about bytes: the checksum tells, and nothing stays under its name', async () => {
    const files = addModel(hub);
    hub.storageFault = (request, response, bytes) => {
      const wrong = Buffer.from(bytes);
      wrong[10] ^= 1;
      sendBytes(request, response, wrong);
      return true;
    };
    await assert.rejects(
      bench.pull('org/small'),
      /arrived damaged: its checksum is another; try again; it starts anew/,
    );
    const blobs = readdirSync(join(bench.repository('org/small'), 'blobs'));
    assert.ok(!blobs.some((blob) => blob.startsWith(sha256(files[shard])) && !blob.endsWith('.incomplete')));
  });

  test('about what came before: a damaged part is downloaded again', async () => {
    const files = addModel(hub);
    const blobs = join(bench.repository('org/small'), 'blobs');
    mkdirSync(blobs, { recursive: true });
    writeFileSync(join(blobs, `${sha256(files[shard])}.minke.incomplete`), Buffer.alloc(50_000));
    const pulled = await bench.pull('org/small');
    assert.ok(readFileSync(join(pulled?.path ?? '', shard)).equals(files[shard]));
  });

  for (const [what, change, message] of [
    ['more bytes than listed', 1000, /has 201000 bytes at the server, 200000 were listed/],
    ['fewer bytes than listed', -1000, /has 199000 bytes at the server, 200000 were listed/],
  ] as const)
    test(what, async () => {
      addModel(hub);
      hub.storageFault = (request, response, bytes) => {
        if (!request.url?.includes(shard)) return false;
        sendBytes(request, response, Buffer.concat([bytes, Buffer.alloc(2000)]).subarray(0, bytes.length + change));
        return true;
      };
      await assert.rejects(bench.pull('org/small'), message);
    });

  test('bytes without end', async () => {
    addModel(hub);
    hub.storageFault = (request, response, bytes) => {
      if (!request.url?.includes(shard)) return false;
      response.writeHead(200).write(bytes); // chunked: no length is announced
      const more = () => !response.destroyed && response.write(bytes, more);
      more();
      return true;
    };
    await assert.rejects(bench.pull('org/small'), /is longer than the 200000 bytes listed; do not trust it/);
  });

  test('about the range that it sends, or with none', async () => {
    const files = addModel(hub);
    const blobs = join(bench.repository('org/small'), 'blobs');
    const partial = join(blobs, `${sha256(files[shard])}.minke.incomplete`);
    const begin = () => {
      mkdirSync(blobs, { recursive: true });
      writeFileSync(partial, files[shard].subarray(0, 50_000));
    };
    begin();
    hub.storageFault = (request, response, bytes) => {
      if (request.headers.range === undefined) return false;
      const range = `bytes 0-${bytes.length - 1}/${bytes.length}`;
      response.writeHead(206, { 'content-length': bytes.length, 'content-range': range }).end(bytes);
      return true;
    };
    await assert.rejects(bench.pull('org/small'), /the server sent other bytes than those asked for; try again later/);
    begin();
    hub.storageFault = (_, response, bytes) => response.writeHead(200).end(bytes) !== undefined;
    const pulled = await bench.pull('org/small');
    assert.ok(readFileSync(join(pulled?.path ?? '', shard)).equals(files[shard]));
  });

  for (const [what, edit, message] of [
    [
      'a name that leads out',
      { rfilename: '../../x' },
      /lists a file that leads out of its folder \("\.\.\/\.\.\/x"\)/,
    ],
    ['an absolute name', { rfilename: '/etc/passwd' }, /leads out of its folder/],
    ['a name with a backslash', { rfilename: '..\\x' }, /leads out of its folder/],
    ['a checksum that is a path', { rfilename: 'a', blobId: '../x' }, /does not list org\/small as Hugging Face does/],
    ['a negative size', { rfilename: 'a', size: -1 }, /does not list org\/small as Hugging Face does/],
  ] as const)
    test(`lists ${what}`, async () => {
      addModel(hub);
      hub.editListing = (listing) => ({ ...listing, siblings: [...(listing.siblings as object[]), edit] });
      await assert.rejects(bench.pull('org/small'), message);
      assert.deepEqual(hub.transfers, []);
    });

  test('lists more than a disk holds', async () => {
    addModel(hub);
    hub.editListing = (listing) => ({
      ...listing,
      siblings: (listing.siblings as { rfilename: string; lfs?: object }[]).map((sibling) =>
        sibling.rfilename === shard ? { ...sibling, size: 2 ** 52, lfs: { ...sibling.lfs, size: 2 ** 52 } } : sibling,
      ),
    });
    await assert.rejects(
      bench.pull('org/small'),
      /\d GB are to be downloaded, the disk of .* has .*GB; free some space/,
    );
  });

  test('is no hub: no JSON, no commit, no end, too deep', async () => {
    addModel(hub);
    const answers = ['<html>', '[]', '{"sha":"main","siblings":[]}', `${'['.repeat(1e5)}`, 'x'.repeat(2 ** 24 + 1)];
    for (const answer of answers) {
      hub.hubFault = (_, response) => response.end(answer) !== undefined;
      await assert.rejects(bench.pull('org/small'), { name: 'HubError' }, answer.slice(0, 20));
    }
  });

  test('has an index that names files elsewhere', async () => {
    const files = addModel(hub);
    for (const shardName of ['../../../x', '/etc/passwd', 7]) {
      files['model.safetensors.index.json'] = json({ weight_map: { a: shardName } });
      await assert.rejects(bench.pull('org/small'), /its model\.safetensors\.index\.json is damaged/);
    }
  });
});
