// Pictures of the chat page for the README, with a real model: light, dark, and as a phone shows it.
//
//   node scripts/screenshots-chat.mjs MODEL [FOLDER]     default folder: docs/pictures
//
// The first problem of the page is asked: the example of Countdown in the model's tasks.json.
import { openModel } from '../dist/src/engine/index.js';
import { listen, readTaskResults } from '../dist/src/server/index.js';
import { openBrowser, openPage } from '../dist/test/browser/browser.js';
import { appFolder, keep, looks, usualFolder } from './pictures.mjs';

const [path, folder = usualFolder] = process.argv.slice(2);
if (path === undefined) {
  console.error('usage: node scripts/screenshots-chat.mjs MODEL [FOLDER]');
  process.exit(1);
}

const { browser, why } = await openBrowser();
if (browser === null) throw new Error(why);
const model = await openModel(path);
const results = readTaskResults(path);
if (results === null) throw new Error(`${path} has no tasks.json: write it with scripts/measure-tasks.mjs`);
const server = await listen(model, { port: 0, appFolder, taskResults: { [model.name]: results } });
for (const [name, options] of Object.entries(looks)) {
  const { page, close } = await openPage(browser, server.url, options);
  const problems = page.locator('.task-problem:not([disabled])');
  await problems.nth(2).waitFor();
  if (name === 'light') await keep(page, folder, 'chat-empty');
  await problems.first().click();
  await page.locator('.verdict').waitFor();
  await page.locator('.thinking-head').click();
  await keep(page, folder, `chat-${name}`);
  await close();
}
await browser.close();
await server.close(0);
await model.close();
