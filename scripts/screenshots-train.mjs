// Pictures of the train page for the README, with real runs: light, dark, and as a phone shows it.
//
//   node scripts/screenshots-train.mjs RUNS ZERO BASE [FOLDER]
//
// RUNS: a folder of runs; ZERO and BASE: names of a reinforcement learning and of a pretraining run in it. FOLDER:
// docs/pictures by default.
import { serveRuns } from '../dist/src/runs/index.js';
import { listen } from '../dist/src/server/index.js';
import { openBrowser, openPage } from '../dist/test/browser/browser.js';
import { appFolder, keep, looks, usualFolder } from './pictures.mjs';

const [runsFolder, zero, base, folder = usualFolder] = process.argv.slice(2);
if (base === undefined) {
  console.error('usage: node scripts/screenshots-train.mjs RUNS ZERO BASE [FOLDER]');
  process.exit(1);
}

const { browser, why } = await openBrowser();
if (browser === null) throw new Error(why);
const runs = serveRuns({ folder: runsFolder, program: [process.execPath, '--version'] });
const server = await listen([], { port: 0, appFolder, routes: [runs.routes] });
for (const [name, options] of Object.entries(looks)) {
  const tall = { viewport: { width: 1180, height: 1064 } };
  const run = name === 'dark' ? base : zero;
  const address = `${server.url}/#/train/${encodeURIComponent(run)}`;
  const { page, close } = await openPage(browser, address, { ...tall, ...options, reducedMotion: 'reduce' });
  await page.locator('.chart canvas').nth(2).waitFor({ state: 'attached', timeout: 60_000 });
  await page.waitForTimeout(500);
  await keep(page, folder, `train-${name}`);
  await close();
}
await browser.close();
await server.close(0);
await runs.close();
