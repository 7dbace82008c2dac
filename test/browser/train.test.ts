// The train page in a browser, on minke watch and real training: npm test -- browser/train
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { expectAccessible, launch, openPage } from './browser.ts';
import { makeRuns, type Watching, watchRuns } from './runs-fixture.ts';

let root: string;
let empty: string;
let browser: Browser;
let server: Watching;

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'minke-train-page-'));
  empty = join(root, 'datasets', 'empty');
  await makeRuns(root);
  mkdirSync(empty);
  browser = await launch();
  server = await watchRuns(root);
});
after(async () => {
  await server.close();
  await browser.close();
  rmSync(root, { recursive: true, force: true });
});

/** A small pretraining on pages that are made as they are read. */
const choices = [
  'data.inputs=[{"pages":"countdown","seed":1,"count":3000}]',
  ...[
    'data.tokenizer=bytes',
    'data.validationFraction=0.1',
    'schedule.warmupSteps=5',
    'evaluateTokens=4096',
    'every.sample=60',
    'every.evaluate=50',
  ],
].join('\n');

/** Some 30 seconds on two idle cores. */
const liveSteps = 200;
/** Of a machine that does other things too. */
const patienceMs = 240_000;

async function start(page: Page, name: string, steps: number): Promise<void> {
  await page.goto(`${server.url}/#/train`);
  await page.getByRole('link', { name: 'Start a run' }).click();
  await page.getByRole('radio', { name: /countdown-base/ }).check();
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('steps', { exact: true }).fill(String(steps));
  await page.getByLabel(/Other choices/).fill(choices);
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.getByRole('heading', { name, level: 1 }).waitFor();
}

const state = (page: Page, name: string) =>
  page.locator(`.run-kind [data-state="${name}"]`).waitFor({ timeout: patienceMs });

/** The step that the table beside the curve of the loss ends at. */
async function lastStep(page: Page): Promise<number> {
  const text = await page.locator('[data-chart="loss"] thead th').first().textContent({ timeout: patienceMs });
  return Number(/to step (\d+)/.exec(text ?? '')?.[1]);
}

async function stepAbove(page: Page, step: number): Promise<number> {
  for (const until = Date.now() + patienceMs; Date.now() < until; ) {
    const now = await lastStep(page);
    if (now > step) return now;
    await page.waitForTimeout(100);
  }
  throw new Error(`the curve never came beyond step ${step}`);
}

/** Pixels of the drawn chart that are not empty. */
const inked = (page: Page) =>
  page.evaluate<number>(`(() => {
    const canvas = document.querySelector('[data-chart="loss"] canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
  })()`);

describe('the train page', () => {
  test('follows a run that was started on it to its end, without a reload', async () => {
    const { page, problems } = await openPage(browser);
    await start(page, 'live', liveSteps);
    const seen = [await stepAbove(page, 0)];
    await state(page, 'running');
    await page.getByText(/of \d+ · \d+ (s|min) left, done at/).waitFor({ timeout: patienceMs });
    const ink = await inked(page);
    assert.ok(ink > 100);
    for (const share of [0.2, 0.5, 0.8]) seen.push(await stepAbove(page, share * liveSteps));
    await state(page, 'completed');
    await page.waitForFunction(
      `document.querySelector('[data-chart="loss"] thead th').textContent.endsWith(' ${liveSteps}')`,
    );
    assert.deepEqual([...new Set(seen)], seen, 'the curve grew');
    const rows = await page.locator('[data-chart="loss"] tbody tr').allTextContents();
    assert.match(rows.join(), /training.*validation/);
    await page.getByRole('img', { name: /Load by expert and step, MoE layer 0/ }).waitFor();
    await page.getByRole('row', { name: /cost .* USD/ }).waitFor();
    assert.deepEqual(problems, []);
    await page.close();
  });

  test('stops a run, which saves, and goes on with it', async () => {
    const { page, problems } = await openPage(browser);
    await start(page, 'paused', 90_000);
    await stepAbove(page, 2);
    await page.getByRole('button', { name: 'Stop and save' }).click();
    await state(page, 'stopped');
    const stopped = await lastStep(page);
    await page.getByRole('button', { name: 'Resume' }).click();
    await state(page, 'running');
    assert.ok((await stepAbove(page, stopped)) > stopped);
    await page.getByRole('button', { name: 'Stop and save' }).click();
    await state(page, 'stopped');
    assert.deepEqual(problems, []);
    await page.close();
  });

  test('refuses a choice in the words of the command line', async () => {
    const { page } = await openPage(browser);
    await page.goto(`${server.url}/#/train/%2B`);
    await page.getByLabel('steps', { exact: true }).fill('many');
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    const said = await page.getByRole('alert').textContent();
    assert.match(said ?? '', /^\[recipe\] steps: .*expected number/);
    await page.close();
  });

  test('shows reinforcement learning: accuracy, the diagnosis, samples, by the keyboard', async () => {
    const { page, problems } = await openPage(browser);
    await page.goto(`${server.url}/#/train`);
    await page.getByRole('link', { name: /^zero/ }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'zero', level: 1 }).waitFor();
    const accuracy = page.locator('[data-chart="accuracy"]');
    assert.match((await accuracy.locator('tbody').textContent()) ?? '', /right.*form kept.*held out, countdown 2/);
    for (const id of ['length', 'entropy', 'throughput']) await page.locator(`[data-chart="${id}"]`).waitFor();
    const said = await page.locator('[data-part="diagnosis"]').textContent();
    assert.match(
      said ?? '',
      /groups carry no signal.*lower the difficulty|responses are cut off by maxTokens: raise it/,
    );
    assert.match(
      (await page.locator('[data-part="samples"]').textContent()) ?? '',
      /Before.*step 4.*After.*User: Make/s,
    );
    await page.getByText('Lineage').click();
    await page.getByRole('row', { name: /parents\.0\.role initial weights/ }).waitFor();
    assert.deepEqual(problems, []);
    await page.close();
  });

  test('says how to begin where there is nothing', async () => {
    const none = await watchRuns(empty);
    const { page, problems } = await openPage(browser);
    await page.goto(`${none.url}/#/train`);
    await page.getByRole('heading', { name: 'Nothing has been trained here yet' }).waitFor();
    await expectAccessible(page);
    await page.getByRole('link', { name: 'Start a run' }).click();
    await page.getByRole('radio', { name: /countdown-zero/ }).check();
    await page.getByText('run countdown-base first').waitFor();
    assert.deepEqual(problems, []);
    await page.close();
    await none.close();
  });

  for (const options of [{}, { theme: 'dark' }, { width: 360 }] as const)
    test(`has no serious fault: ${JSON.stringify(options)}`, async () => {
      const { page, problems } = await openPage(browser, options);
      for (const at of ['train', 'train/zero', 'train/live', 'train/%2B']) {
        await page.goto(`${server.url}/#/${at}`);
        await page.locator('.run-numbers, .start, .run-items').first().waitFor({ state: 'attached' });
        if (/zero|live/.test(at)) await page.locator('.chart canvas').first().waitFor();
        for (const fold of await page.locator('summary').all()) if (await fold.isVisible()) await fold.click();
        await expectAccessible(page);
      }
      assert.deepEqual(problems, []);
      await page.close();
    });
});
