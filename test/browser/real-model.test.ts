// A real model from disk in the page: tokens, drafts and cache as the engine counts them.
// npm test -- browser/real-model
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { openModel } from '../../src/engine/index.ts';
import { listen } from '../../src/server/index.ts';
import { writeSmallModel } from '../small-model.ts';
import { openBrowser, openPage } from './browser.ts';
import { answered, appFolder, texts } from './served-app.ts';

const { browser, why } = await openBrowser();
const folder = mkdtempSync(join(tmpdir(), 'minke-browser-'));
await writeSmallModel(folder);
const model = await openModel(folder, { name: 'whale' });
const server = await listen(model, { port: 0, appFolder });

after(async () => {
  await browser?.close();
  await server.close(0);
  await model.close();
  rmSync(folder, { recursive: true });
});

describe('a real model in the page', { skip: why ?? false }, () => {
  test('thinks within its budget, answers, gets a verdict, and shows statistics', async () => {
    if (browser === null) return;
    const { page, close } = await openPage(browser, server.url);
    await page.getByText('whale runs on this machine with a context of 512 tokens.').waitFor();
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByLabel('Max tokens').fill('60');
    await page.getByLabel('Max thinking tokens').fill('24');
    await page.getByLabel('Seed').fill('3');
    await page.getByRole('button', { name: /^Make \d+ from/ }).click();
    await page.getByText(/^Incorrect: /).waitFor();
    assert.match((await texts(page, '.thinking-head'))[0], /^Thought for .* · \d\d tokens/);
    const [first] = await texts(page, '.answer-facts');
    assert.match(first, /tokens\/s[\s\S]*\d+ tokens[\s\S]*% of drafts accepted[\s\S]*0 of \d+ prompt tokens cached/);
    const said = await texts(page, '.prose'); // none, where random weights end the answer at once
    await page.getByRole('button', { name: 'Regenerate' }).click();
    await page.getByText('2 of 2').waitFor();
    await answered(page, 1);
    assert.deepEqual(await texts(page, '.prose'), said); // same seed, same answer
    await page.reload();
    await page.getByText('2 of 2').waitFor();
    assert.deepEqual(await texts(page, '.prose'), said);
    await close();
  });
});
