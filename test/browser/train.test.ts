// The train page in a browser, on minke watch and real training: npm test -- browser/train
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { runKinds } from '../../src/runs/index.ts';
import { ended, guessing, openRuns } from '../../src/runs/test-runs.ts';
import { listen } from '../../src/server/index.ts';
import { faults, overflow } from './axe.ts';
import { openBrowser, openPage } from './browser.ts';
import { makeRuns, type Watching, watchRuns } from './runs-fixture.ts';
import { appFolder } from './served-app.ts';

let root: string;
let empty: string;
let server: Watching;
/** The number of steps of the run that is followed. */
let liveSteps: number;
const { browser, why } = await openBrowser();

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'minke-train-page-'));
  empty = join(root, 'datasets', 'empty');
  const pace = await makeRuns(root);
  liveSteps = Math.max(60, Math.round(liveSeconds * pace));
  mkdirSync(empty);
  server = await watchRuns(root);
});
after(async () => {
  await browser?.close(); // first: where the runs could not be made, there is no server, and a browser left open hangs
  await server.close();
  rmSync(root, { recursive: true, force: true });
});

/** A small pretraining, as that of the fixture, on worked examples that are generated as they are read. */
const choices = [
  ...[
    'model.hidden_size=64',
    'model.num_hidden_layers=2',
    'model.intermediate_size=96',
    'model.moe_intermediate_size=32',
  ],
  'data.inputs=[{"workedExamples":"countdown","seed":1,"count":1500}]',
  ...['data.tokenizer=bytes', 'data.validationFraction=0.1', 'schedule.warmupSteps=5', 'evaluateTokens=4096'],
  ...['every.sample=500', 'every.evaluate=500'],
].join('\n');

/** Enough for a dozen drawings of the chart. */
const liveSeconds = 10;
/** A time limit for a machine that does other things too. */
const timeoutMs = 240_000;

async function start(page: Page, name: string, steps: number): Promise<void> {
  await page.getByRole('link', { name: 'Start a run' }).click();
  await page.getByRole('radio', { name: /countdown-base/ }).check();
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('steps', { exact: true }).fill(String(steps));
  await page.getByLabel('batchSize').fill('8');
  await page.getByLabel('sequenceLength').fill('96');
  await page.getByLabel(/Other choices/).fill(choices);
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.getByRole('heading', { name, level: 1 }).waitFor({ timeout: timeoutMs });
}

const state = (page: Page, name: string) =>
  page.locator(`.run-kind [data-state="${name}"]`).waitFor({ timeout: timeoutMs });

/** Returns the last step of the table beside the chart of the loss; 0 before there is one. */
async function lastStep(page: Page): Promise<number> {
  const [text = ''] = await page.locator('[data-chart="loss"] thead th').allTextContents();
  return Number(/to step (\d+)/.exec(text)?.[1] ?? 0);
}

/** Waits until the chart is beyond a step. Fails at once where the run did. */
async function stepAbove(page: Page, step: number): Promise<number> {
  for (const until = Date.now() + timeoutMs; Date.now() < until; ) {
    const now = await lastStep(page);
    if (now > step) return now;
    const [why] = await page.locator('article:has([data-state="failed"]) [data-part="diagnosis"]').allTextContents();
    assert.equal(why, undefined);
    await page.waitForTimeout(100);
  }
  throw new Error(`the chart never came beyond step ${step}`);
}

/** Returns the number of pixels of the chart that are drawn. */
const countDrawnPixels = (page: Page) =>
  page.evaluate<number>(`(() => {
    const canvas = document.querySelector('[data-chart="loss"] canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
  })()`);

/** Runs a test on a page of its own, which must not log errors, except for expected refusals. */
async function onPage(
  at: string,
  run: (page: Page) => Promise<void>,
  options: BrowserContextOptions = {},
  expectsRefusal = false,
): Promise<void> {
  if (browser === null) return;
  const { page, complaints, close } = await openPage(browser, at, { reducedMotion: 'reduce', ...options });
  await run(page);
  if (expectsRefusal) complaints.splice(0); // a browser logs every answer of 4xx
  await close();
}
const toUrl = (id = '') => `${server.url}/#/train${id}`;

const looks: Readonly<Record<string, BrowserContextOptions>> = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
};

describe('the train page', { skip: why ?? false }, () => {
  test('follows a run that was started on it to its end, without a reload', () =>
    onPage(toUrl(), async (page) => {
      await start(page, 'live', liveSteps);
      const seen = [await stepAbove(page, 0)];
      await state(page, 'running');
      await page.getByText(/of \d+ · \d+ (s|min) left, done at/).waitFor({ timeout: timeoutMs });
      assert.ok((await countDrawnPixels(page)) > 100);
      for (const share of [0.2, 0.5, 0.8]) seen.push(await stepAbove(page, share * liveSteps));
      await state(page, 'completed');
      await page.waitForFunction(
        `document.querySelector('[data-chart="loss"] thead th').textContent.endsWith(' ${liveSteps}')`,
      );
      assert.deepEqual([...new Set(seen)], seen, 'the chart grew');
      const rows = await page.locator('[data-chart="loss"] tbody tr').allTextContents();
      assert.match(rows.join(), /training.*validation/);
      await page.getByRole('img', { name: /Load by expert and step, MoE layer 0/ }).waitFor();
      await page.getByRole('row', { name: /cost .* at / }).waitFor();
    }));

  test('stops a run, which saves, and resumes it', () =>
    onPage(toUrl(), async (page) => {
      await start(page, 'paused', 90_000);
      await stepAbove(page, 2);
      await page.getByRole('button', { name: 'Stop and save' }).click();
      await state(page, 'stopped');
      const stopped = await lastStep(page);
      await page.getByRole('button', { name: 'Resume' }).click({ timeout: timeoutMs });
      await state(page, 'running');
      assert.ok((await stepAbove(page, stopped)) > stopped);
      await page.getByRole('button', { name: 'Stop and save' }).click();
      await state(page, 'stopped');
    }));

  test('starts a distillation, for which it asks for a student and a teacher', () =>
    onPage(toUrl('/%2B'), async (page) => {
      await page.getByRole('radio', { name: /countdown-distilled/ }).check();
      await page.locator('[name="--student"]').selectOption('base');
      await page.locator('[name="--teacher"]').selectOption('zero');
      await page.locator('[name="--traces"]').fill('500');
      await page.getByLabel('Name').fill('student');
      await page.getByRole('button', { name: 'Start', exact: true }).click();
      await page.getByRole('heading', { name: 'student', level: 1 }).waitFor({ timeout: timeoutMs });
      await page.locator('.run-kind').getByText('Distillation').waitFor();
      await state(page, 'running');
      await page.getByText('Recipe', { exact: true }).click();
      await page.getByRole('row', { name: 'traces.wanted 500' }).waitFor();
      await page.getByRole('button', { name: 'Stop and save' }).click();
      await state(page, 'stopped');
    }));

  test('starts a fine-tuning on a file of conversations, and follows it to its end', () =>
    onPage(toUrl('/%2B'), async (page) => {
      await page.getByRole('radio', { name: /^chat-sft/ }).check();
      await page.locator('[name="--model"]').selectOption('base');
      await page.locator('[name="--data"]').fill('conversations.jsonl');
      await page.getByLabel('Name').fill('assistant');
      await page.getByLabel('epochs', { exact: true }).fill('2');
      await page.getByLabel('batchSize').fill('8');
      await page.getByLabel(/Other choices/).fill('validationFraction=0.2');
      await page.getByRole('button', { name: 'Start', exact: true }).click();
      await page.getByRole('heading', { name: 'assistant', level: 1 }).waitFor({ timeout: timeoutMs });
      await state(page, 'completed');
      await page.locator('[data-chart="loss"] canvas').first().waitFor();
      assert.match((await page.locator('[data-chart="loss"] tbody').textContent()) ?? '', /training.*validation/);
      assert.match((await page.locator('.run-numbers').textContent()) ?? '', /Loss\d.*Validation loss\d/);
    }));

  test('draws a kind of run that is only known to the server', async () => {
    const runs = openRuns({ kinds: [...runKinds, guessing] });
    const steps = [4, 2, 1].map((distance, i) => ({ event: 'step', time: Date.now(), step: i + 1, distance }));
    runs.run('guesses', [...steps, ended(3, 'completed')], guessing.recipeFile);
    const service = await listen([], { port: 0, appFolder, routes: [runs.service.routes] });
    await onPage(`${service.url}/#/train/guesses`, async (page) => {
      await page.locator('.run-kind').getByText('Guessing').waitFor();
      const chart = page.locator('[data-chart="distance"]');
      await chart.locator('canvas').first().waitFor();
      assert.deepEqual(await chart.locator('tbody td').allTextContents(), ['', '1', '1', '4']);
      assert.match((await page.locator('.run-numbers').textContent()) ?? '', /Distance1/);
      assert.match((await page.locator('.run-item').textContent()) ?? '', /Guessing.*Distance 1/);
      await page.getByRole('link', { name: 'Start a run' }).click();
      await page.getByRole('radio', { name: /guess/ }).check();
      await page.getByLabel('Target: the number to guess').waitFor();
      await page.getByLabel('steps', { exact: true }).waitFor();
    });
    await service.close(0);
    await runs.close();
  });

  test('refuses a choice in the words of the command line', () =>
    onPage(
      toUrl('/%2B'),
      async (page) => {
        await page.getByLabel('steps', { exact: true }).fill('many');
        await page.getByRole('button', { name: 'Start', exact: true }).click();
        const message = await page.getByRole('alert').textContent({ timeout: timeoutMs });
        assert.match(message ?? '', /^\[recipe\] steps: .*expected number/);
        await page.getByRole('radio', { name: /countdown-student/ }).check();
        assert.equal(await page.getByRole('alert').count(), 0);
      },
      {},
      true,
    ));

  test('shows reinforcement learning: accuracy, the diagnosis, samples, by the keyboard', () =>
    onPage(toUrl(), async (page) => {
      await page.getByRole('link', { name: /^zero/ }).focus();
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'zero', level: 1 }).waitFor();
      const accuracy = page.locator('[data-chart="accuracy"]');
      assert.match(
        (await accuracy.locator('tbody').textContent()) ?? '',
        /accuracy.*well-formed.*held-out accuracy, countdown 2/,
      );
      for (const id of ['length', 'entropy', 'throughput']) await page.locator(`[data-chart="${id}"]`).waitFor();
      const diagnosis = await page.locator('[data-part="diagnosis"]').textContent();
      assert.match(diagnosis ?? '', /groups carry no signal.*lower the difficulty|are cut off by maxTokens: raise it/);
      const samples = await page.locator('[data-part="samples"]').textContent();
      assert.match(samples ?? '', /Before.*step 4.*After.*User: Make/s);
      await page.getByText('Lineage').click();
      await page.getByRole('row', { name: /parents\.0\.role initial weights/ }).waitFor();
    }));

  test('draws charts where the browser names no language', () =>
    onPage(toUrl(), async (page) => {
      await page.addInitScript(
        "Object.defineProperty(navigator, 'language', { value: 'en@posix', configurable: true })",
      );
      await page.goto(toUrl('/zero'));
      await page.reload();
      await page.locator('.chart canvas').first().waitFor();
    }));

  test('explains how to begin in an empty folder', async () => {
    const none = await watchRuns(empty);
    await onPage(`${none.url}/#/train`, async (page) => {
      await page.getByRole('heading', { name: 'Nothing has been trained here yet' }).waitFor();
      assert.deepEqual(await faults(page), []);
      await page.getByRole('link', { name: 'Start a run' }).click();
      await page.getByRole('radio', { name: /countdown-zero/ }).check();
      await page.getByText(/there is none yet: run .* first/).waitFor();
    });
    await none.close();
  });

  for (const [name, options] of Object.entries(looks))
    test(`axe finds nothing serious: ${name}`, () =>
      onPage(
        toUrl(),
        async (page) => {
          for (const id of ['', '/zero', '/live', '/%2B']) {
            await page.goto(toUrl(id));
            await page.locator('.run-numbers, .start, .run-items').first().waitFor({ state: 'attached' });
            if (/zero|live/.test(id)) await page.locator('.chart canvas').first().waitFor();
            for (const fold of await page.locator('summary').all()) if (await fold.isVisible()) await fold.click();
            assert.deepEqual(await faults(page), []);
            assert.ok((await overflow(page)) <= 0);
          }
        },
        options,
      ));
});
