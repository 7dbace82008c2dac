// How the app is served: its exact policy, who is refused, caching, the size of the first load. npm test -- front-door
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { appFolder, serveApp } from './served-app.ts';

const app = await serveApp({});
after(() => app.server.close(0));

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'; trusted-types dompurify";

const page = readFileSync(join(appFolder, 'index.html'), 'utf8');
/** Scripts and styles that the page itself names. */
const firstLoad = [...page.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map((match) => match[1]);

/** Returns the status for a request with any Host header, which fetch does not allow. */
const statusFor = (path: string, headers: Record<string, string>): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    get(new URL(path, app.url), { headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });

describe('the served app', () => {
  test('the exact policy on the page and on every file', async () => {
    for (const path of ['/', ...firstLoad.map((file) => `/${file}`)]) {
      const { headers, status } = await fetch(new URL(path, app.url));
      assert.equal(status, 200, path);
      assert.equal(headers.get('content-security-policy'), policy, path);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin');
      assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
      assert.equal(headers.get('access-control-allow-origin'), null);
    }
    assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)|<style| style=| on\w+=/);
  });

  test('files with a hash are cached forever, the page is revalidated', async () => {
    const first = await fetch(app.url);
    assert.equal(first.headers.get('cache-control'), 'no-cache');
    const again = await fetch(app.url, { headers: { 'if-none-match': first.headers.get('etag') as string } });
    assert.equal(again.status, 304);
    for (const file of firstLoad) {
      const { headers } = await fetch(new URL(file, app.url));
      assert.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable');
      if (/\.(js|css)$/.test(file)) assert.equal(headers.get('content-encoding'), 'gzip', file);
    }
    const plain = await fetch(new URL(firstLoad[1], app.url), { headers: { 'accept-encoding': 'identity' } });
    assert.equal(plain.headers.get('content-encoding'), null);
  });

  test('foreign hosts and origins are refused, for the page and the API', async () => {
    for (const path of ['/', '/v1/models', '/minke/tasks', `/${firstLoad[1]}`]) {
      assert.equal(await statusFor(path, { host: 'evil.example' }), 403, path);
      assert.equal(await statusFor(path, { origin: 'https://evil.example' }), 403, path);
      assert.equal(await statusFor(path, { origin: 'null' }), 403, path);
      assert.equal(await statusFor(path, { host: `localhost:${app.server.port}` }), 200, path);
    }
  });

  test('only built files are served, under their own names', async () => {
    const status = async (path: string) => (await fetch(new URL(path, app.url))).status;
    assert.equal(await status('/assets/../../../package.json'), 404);
    assert.equal(await status('/assets/%2e%2e/index.html.key'), 404);
    assert.equal(await status('/index.html.key'), 404);
    assert.equal((await fetch(app.url, { method: 'POST' })).status, 405);
    const head = await fetch(app.url, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
  });

  test('a key is required for the API, not for the page', async () => {
    const locked = await serveApp({}, { keys: ['secret'] });
    assert.equal((await fetch(locked.url)).status, 200);
    assert.equal((await fetch(new URL('/minke/tasks', locked.url))).status, 401);
    await locked.server.close(0);
  });

  test('a first load is under 200 kB gzipped, without mathematics', () => {
    const files = ['index.html', ...firstLoad];
    const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(join(appFolder, file))).length, 0);
    assert.ok(bytes < 200_000, `${bytes} bytes`);
    const script = files
      .filter((file) => file.endsWith('.js'))
      .map((file) => readFileSync(join(appFolder, file), 'utf8'));
    assert.equal(script.length, 1);
    assert.ok(!script.some((text) => text.includes('katex-mathml')));
  });
});
