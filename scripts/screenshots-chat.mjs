// Pictures of the chat page for the README, with a real model: light, dark, and as a phone shows it.
//
//   node scripts/screenshots-chat.mjs MODEL [FOLDER]     FOLDER: docs/pictures without
//
// The model is asked until it solved a problem of Countdown; the picture says how many answers that took.
import { openModel } from '../dist/src/engine/index.js';
import { listen } from '../dist/src/server/index.js';
import { openBrowser, openPage } from '../dist/test/browser/browser.js';
import { appFolder, keep, looks, usualFolder } from './pictures.mjs';

const [path, folder = usualFolder] = process.argv.slice(2);
if (path === undefined) {
  console.error('usage: node scripts/screenshots-chat.mjs MODEL [FOLDER]');
  process.exit(1);
}

const mostProblems = 4;
const mostAnswers = 8;

const verdict = (page) => page.locator('.verdict').first();

/** Asks fresh problems, each in a conversation of its own, and again, until one is solved. */
async function solveOne(page, level) {
  for (let i = 0; i < mostProblems; i++) {
    await page.getByRole('button', { name: 'New conversation' }).first().click();
    const card = page.locator('.task-card').first();
    await card.getByLabel('Level of countdown').selectOption(level);
    await page.waitForTimeout(500);
    await card.locator('.task-problem').click();
    for (let answers = 1; answers <= mostAnswers; answers++) {
      await verdict(page).waitFor({ timeout: 60_000 });
      if (/^Correct/.test(await verdict(page).innerText())) return;
      if (answers === mostAnswers) break;
      await page.getByRole('button', { name: 'Regenerate' }).click();
      await page.getByText(`${answers + 1} of ${answers + 1}`).waitFor({ timeout: 60_000 });
    }
  }
}

const { browser, why } = await openBrowser();
if (browser === null) throw new Error(why);
const model = await openModel(path, { name: 'minke-countdown' });
const server = await listen(model, { port: 0, appFolder });
for (const [name, options] of Object.entries(looks)) {
  const { page, close } = await openPage(browser, server.url, options);
  await page.locator('.task-problem:not([disabled])').nth(2).waitFor();
  if (name === 'light') await keep(page, folder, 'chat-empty');
  await solveOne(page, '3');
  await page.locator('.thinking-head').first().click();
  await keep(page, folder, `chat-${name}`);
  await close();
}
await browser.close();
await server.close(0);
await model.close();
