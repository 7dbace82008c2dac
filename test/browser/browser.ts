// A headless browser from npm, and what every page is held to: no error in the console, no serious fault that axe finds.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export async function launch(): Promise<Browser> {
  process.env.AWS_EXECUTION_ENV ??= 'AWS_Lambda_nodejs22.x'; // its own system libraries, before it is loaded
  const { default: chromium } = await import('@sparticuz/chromium');
  const { chromium: playwright } = await import('playwright-core');
  const args = ['--no-sandbox', '--headless=shell', '--disable-gpu'];
  return playwright.launch({ executablePath: await chromium.executablePath(), args });
}

export interface PageOptions {
  readonly width?: number;
  readonly theme?: 'light' | 'dark';
}

/** A page whose errors are collected in `problems`. */
export async function openPage(
  browser: Browser,
  { width = 1280, theme = 'light' }: PageOptions = {},
): Promise<{ page: Page; problems: string[] }> {
  const page = await browser.newPage({ locale: 'en-US', viewport: { width, height: 800 }, colorScheme: theme });
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  return { page, problems };
}

interface Fault {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** Throws where axe finds something serious or critical, or where the page is wider than its window. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe);
  const faults = (await page.evaluate('axe.run().then(({ violations }) => violations)')) as Fault[];
  const serious = faults.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(
    serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' ')}`),
    [],
  );
  const widths = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]');
  const [content, window] = widths as [number, number];
  assert.ok(content <= window, `the page is ${content} wide in a window of ${window}`);
}
