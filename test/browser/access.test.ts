// Accessibility of the chat page: axe finds nothing serious in light, dark and on a phone; all works by keyboard.
// npm test -- browser/access
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { faults, overflow } from './axe.ts';
import { openBrowser, openPage } from './browser.ts';
import { answered, say, serveApp } from './served-app.ts';

const { browser, why } = await openBrowser();
const app = await serveApp({
  script: (prompt) => ({
    thinking: `Let me see.${'\nAnd again.'.repeat(40)}`,
    answer: /What is/.test(prompt)
      ? '<answer>12</answer>'
      : '# A list\n\n- one `x`\n- [two](https://example.org)\n\n|a|b|\n|-|-|\n|1|2|\n\n' +
        '```js\nconst x = "1"; // one\n```\n\n$$x^2$$\n',
  }),
});

after(async () => {
  await browser?.close();
  await app.server.close(0);
});

async function tour(page: Page, isNarrow: boolean): Promise<void> {
  await page.getByRole('button', { name: /^What is / }).waitFor();
  assert.deepEqual(await faults(page), []);
  await say(page, 'Show me all you can.');
  await answered(page, 1);
  await page.locator('.thinking-head').click();
  await page.locator('.prose .katex').waitFor();
  await page.locator('.prose .hljs-string').waitFor();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.locator('.prompt').hover();
  assert.deepEqual(await faults(page), []);
  await page.getByRole('button', { name: 'Edit prompt' }).click();
  if (isNarrow) await page.getByRole('button', { name: 'Conversations' }).click();
  assert.deepEqual(await faults(page), []);
  if (isNarrow) await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'New conversation' }).first().click();
  await page.getByRole('button', { name: /^What is / }).click();
  await page.getByText(/^Incorrect: /).waitFor();
  assert.deepEqual(await faults(page), []);
  assert.ok((await overflow(page)) <= 0);
}

const kinds: Readonly<Record<string, BrowserContextOptions>> = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
};

describe('accessibility of the chat page', { skip: why ?? false }, () => {
  for (const [name, options] of Object.entries(kinds))
    test(`axe finds nothing serious: ${name}`, async () => {
      if (browser === null) return;
      const { page, close } = await openPage(browser, app.url, { reducedMotion: 'reduce', ...options });
      await tour(page, name === 'phone');
      await close();
    });

  test('the switch chooses a theme, which survives a reload', async () => {
    if (browser === null) return;
    const { page, close } = await openPage(browser, app.url, { colorScheme: 'light' });
    const paper = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
    const light = await paper();
    await page.getByRole('button', { name: 'Use dark theme' }).click();
    const dark = await paper();
    assert.notEqual(dark, light);
    await page.reload();
    await page.getByRole('button', { name: 'Use light theme' }).waitFor();
    assert.equal(await paper(), dark);
    await close();
  });

  test('by keyboard alone: to a task, to its answer, into the thinking', async () => {
    if (browser === null) return;
    const { page, close } = await openPage(browser, app.url);
    const problem = page.getByRole('button', { name: /^What is / });
    await problem.waitFor();
    const focused = () => page.evaluate('document.activeElement.textContent') as Promise<string>;
    await page.locator('body').focus();
    for (let i = 0; i < 30 && !/^What is /.test(await focused()); i++) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await answered(page, 1);
    for (let i = 0; i < 30 && !/^Thought for/.test(await focused()); i++) await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await page.getByText('Let me see.', { exact: false }).waitFor();
    await close();
  });

  test('the train page loads when it is opened', async () => {
    if (browser === null) return;
    const { page, close } = await openPage(browser, app.url);
    await page.getByRole('link', { name: 'Train' }).click();
    await page.getByRole('heading', { level: 1, name: 'No runs are shown here' }).waitFor();
    await page.goBack();
    await page.getByRole('heading', { level: 1, name: 'What should it think about?' }).waitFor();
    await close();
  });
});
