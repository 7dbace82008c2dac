// The plan page in a browser, without a model and without any request: npm test -- browser/plan
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { writeConfig } from '../../src/model/config.ts';
import { preset } from '../../src/model/presets.ts';
import { listen } from '../../src/server/index.ts';
import { faults, misfits } from './axe.ts';
import { openBrowser, openPage } from './browser.ts';
import { appFolder } from './served-app.ts';

const { browser, why } = await openBrowser();
const service = await listen([], { port: 0, appFolder, routes: [] });
after(async () => {
  await browser?.close();
  await service.close(0);
});

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } as const;
const looks: Readonly<Record<string, BrowserContextOptions>> = {
  'wide and light': { viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  'a phone in the dark': { ...phone, colorScheme: 'dark' },
};

const cell = (page: Page, name: string) =>
  page
    .locator('tr')
    .filter({ has: page.getByRole('rowheader', { name, exact: true }) })
    .locator('td');

/** The text of a file that a button saves. */
async function saved(page: Page, chart: string, button: string): Promise<string> {
  const waiting = page.waitForEvent('download');
  await page.locator(`[data-chart="${chart}"]`).getByRole('button', { name: button }).click();
  return readFileSync(await (await waiting).path(), 'utf8');
}

describe('the plan page', { skip: why ?? false }, () => {
  const open = (path = '', options: BrowserContextOptions = {}) => {
    assert.ok(browser);
    return openPage(browser, `${service.url}/#/plan${path}`, options);
  };

  for (const [name, options] of Object.entries(looks))
    test(`${name}: nothing leaves its place, and axe finds no fault`, async () => {
      const { page, close } = await open('', options);
      await cell(page, 'the whole, in published figures').waitFor();
      assert.deepEqual(await misfits(page), []);
      assert.deepEqual(await faults(page), []);
      await close();
    });

  test('a number opens its formula, then its inputs and their source; the keyboard closes it', async () => {
    const { page, close } = await open();
    await cell(page, 'the whole, in published figures').getByRole('button').press('Enter');
    const dialog = page.getByRole('dialog');
    assert.match(await dialog.innerText(), /= whole \/ published/);
    await dialog.getByRole('button', { name: '$5.576M' }).click();
    await dialog.getByRole('button', { name: '$2', exact: false }).first().click();
    assert.match(await dialog.innerText(), /Source: .*table 1/);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await close();
  });

  test('a slider changes the sum, and the address opens the same plan elsewhere', async () => {
    const { page, close } = await open();
    const whole = cell(page, 'the whole, in published figures');
    const before = await whole.innerText();
    await page.getByText('Assumptions: what no one publishes').click();
    await page.getByLabel('person-years').press('End');
    await page.getByLabel('Prices').selectOption('today');
    const after = await whole.innerText();
    assert.notEqual(after, before);
    const { hash } = new URL(page.url());
    assert.match(decodeURIComponent(hash), /prices=today.*people=450/);
    const other = await open(hash.slice('#/plan'.length));
    assert.equal(await cell(other.page, 'the whole, in published figures').innerText(), after);
    await other.close();
    await close();
  });

  test('what an address says wrongly is said, and the usual is shown', async () => {
    const { page, close } = await open('/claim%3Dgpt-9%26people%3Dmany%26speed%3D3%26prices%3Dtoday');
    for (const text of [
      'In this address, claim=gpt-9 is none of deepseek-v3, ',
      'In this address, people=many is no number from 0; shown is the usual band.',
      'In this address, speed is no choice of this page.',
    ])
      await page.getByText(text).waitFor();
    assert.equal(await page.getByLabel('Prices').inputValue(), 'today');
    await page.getByLabel('Prices').selectOption('launch');
    assert.equal(await page.getByText('In this address').count(), 0);
    await close();
  });

  test('your own config.json is planned; what does not fit is said in words', async () => {
    const { page, close } = await open('/tokens%3D2T');
    const config = JSON.stringify(writeConfig(preset('deepseek-v2-lite')));
    await page.getByLabel('or a config.json').setInputFiles({
      name: 'config.json',
      mimeType: 'application/json',
      buffer: Buffer.from(config),
    });
    await cell(page, 'parameters').getByText('15.71B').waitFor();
    await page.getByLabel('Devices', { exact: true }).fill('-1');
    await page.getByText('[devices] -1 is no number above 0').first().waitFor();
    await page.getByLabel('Devices', { exact: true }).fill('1');
    await page.getByText(/no division over 1 h100 fits/).waitFor();
    await close();
  });

  test('charts are saved as SVG with their colors, and as CSV with bands and sources', async () => {
    const { page, close } = await open();
    const svg = await saved(page, 'claim', 'SVG');
    assert.match(svg, /^<svg[^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    assert.match(svg, /fill="rgb\(/);
    assert.doesNotMatch(svg, /class="plan/);
    const csv = await saved(page, 'claim', 'CSV');
    assert.match(csv, /^"name","low","middle","high","unit"/);
    assert.match(csv, /"pretraining","5328000","5328000","5328000","USD","\$5\.328M","hours x price"/);
    assert.match(await saved(page, 'serving', 'CSV'), /"tokens a second and user"/);
    await close();
  });
});
