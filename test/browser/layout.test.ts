// Long texts on every page, in windows of three sizes: nothing leaves its place. npm test -- browser/layout
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { ended, openRuns, step } from '../../src/runs/test-runs.ts';
import { listen } from '../../src/server/index.ts';
import { misfits } from './axe.ts';
import { openBrowser, openPage } from './browser.ts';
import { answered, appFolder, say, serveApp } from './served-app.ts';

const { browser, why } = await openBrowser();
const long = 'W'.repeat(120);
const cells = (text: string) => `|${text.repeat(14)}\n`;
const app = await serveApp({
  script: (prompt) =>
    /What is/.test(prompt)
      ? { thinking: 'Hm.', answer: `<answer>${'1'.repeat(300)}</answer>` }
      : {
          thinking: `Let me see ${long}.`,
          answer:
            `# ${long}\n\n${long} and https://example.org/${'path/'.repeat(40)}\n\n- \`${long}\`\n\n` +
            `${cells('column|')}${cells('-|')}${cells('1000000000|')}\n\`\`\`js\n${long.repeat(2)}\n\`\`\`\n\n` +
            `$$${'x_1+'.repeat(80)}x$$\n`,
        },
});
const name = `a-run-${'x'.repeat(80)}`;
const runs = openRuns();
const alarm = { event: 'alarm', time: 5, step: 3, kind: 'spike', message: `the loss rose ${long}` };
const sample = { event: 'sampled', time: 6, step: 4, prompt: 'Once', text: `${long} upon a time `.repeat(20) };
runs.run(name, [alarm, ...Array.from({ length: 60 }, (_, i) => step(i + 1)), sample, ended(60, 'failed', long)]);
runs.run('first-step', [step(1)]);
const service = await listen([], { port: 0, appFolder, routes: [runs.service.routes] });

after(async () => {
  await browser?.close();
  await Promise.all([app.server.close(0), service.close(0)]);
  await runs.close();
});

const windows: Readonly<Record<string, BrowserContextOptions>> = {
  'wide and light': { viewport: { width: 1440, height: 900 }, colorScheme: 'light' },
  'medium and dark': { viewport: { width: 1024, height: 768 }, colorScheme: 'dark' },
  'a phone': { viewport: { width: 390, height: 844 }, colorScheme: 'light', hasTouch: true, isMobile: true },
  'a phone on its side': { viewport: { width: 844, height: 390 }, colorScheme: 'dark', hasTouch: true, isMobile: true },
};

async function chat(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^What is / }).waitFor();
  assert.deepEqual(await misfits(page), []);
  await say(page, `Write a short story about a whale that learns to count ${long}`);
  await answered(page, 1);
  await page.locator('.thinking-head').click();
  await page.locator('.prose .katex').waitFor();
  assert.deepEqual(await misfits(page), []);
  assert.match(await page.title(), /^Write a short story about a whale .* · Chat · minke$/);

  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Your message').fill('line\n'.repeat(30));
  const { y = 0, height = 0 } = (await page.getByRole('button', { name: 'Send' }).boundingBox()) ?? {};
  const { height: window } = page.viewportSize() ?? { height: 0 };
  assert.ok(y > 0 && y + height <= window, `Send at ${y} to ${y + height} of ${window}`);
  assert.deepEqual(await misfits(page), []);
  await page.getByRole('button', { name: 'Settings' }).click();

  const drawer = page.getByRole('button', { name: 'Conversations' });
  if (await drawer.isVisible()) await drawer.click();
  await page.locator('.side-item:visible').hover();
  assert.deepEqual(await misfits(page), []);
  for (const button of [/^Rename "/, /^Delete "/]) {
    await page.locator('.side-item:visible').getByRole('button', { name: button }).click();
    assert.deepEqual(await misfits(page), []);
    await page.locator('.side-edit:visible').getByRole('button').last().click();
  }
}

async function train(page: Page): Promise<void> {
  for (const id of ['', `/${name}`, '/first-step', '/%2B']) {
    await page.goto(`${service.url}/#/train${id}`);
    await page.locator('.run-numbers, .start, .run-items').first().waitFor({ state: 'attached' });
    if (/run|step/.test(id)) await page.locator('.chart canvas').first().waitFor();
    for (const fold of await page.locator('.run summary').all()) await fold.click();
    assert.deepEqual(await misfits(page), [], id);
    const title = { '': 'Train', '/%2B': 'Start a run · Train' }[id] ?? `${id.slice(1)} · Train`;
    assert.equal(await page.title(), `${title} · minke`);
  }
}

describe('long texts stay in their places', { skip: why ?? false }, () => {
  for (const [window, options] of Object.entries(windows))
    test(window, async () => {
      if (browser === null) return;
      const { page, close } = await openPage(browser, app.url, { reducedMotion: 'reduce', ...options });
      await chat(page);
      await page.goto(`${app.url}/#/chat`);
      await page.getByRole('button', { name: /^What is / }).click();
      await page.getByText(/^Incorrect: /).waitFor();
      assert.deepEqual(await misfits(page), []);
      if (window !== 'a phone on its side') await train(page);
      await close();
    });

  test('a chart with one step shows it', async () => {
    if (browser === null) return;
    const { page, close } = await openPage(browser, `${service.url}/#/train/first-step`, { colorScheme: 'light' });
    await page.locator('[data-chart="loss"] canvas').waitFor();
    await page.waitForFunction(`(() => {
      const canvas = document.querySelector('[data-chart="loss"] canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const isAccent = (i) => data[i] === 0x0b && data[i + 1] === 0x64 && data[i + 2] === 0x72 && data[i + 3] === 255;
      let count = 0;
      for (let i = 0; i < data.length; i += 4) if (isAccent(i)) count++;
      return count > 5 && count < 100;
    })()`);
    await close();
  });
});
