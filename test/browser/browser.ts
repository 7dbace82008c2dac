// A browser for tests, installed from npm: Chromium of @sparticuz/chromium, driven by playwright-core.
//
// Its default arguments are meant for another environment and are not used. The variable makes it unpack the libraries
// that a plain system lacks. MINKE_BROWSER names another Chromium, for systems on which this one does not run.
import assert from 'node:assert/strict';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const quiet = ['--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export type Opened =
  | { readonly browser: Browser; readonly why: null }
  | { readonly browser: null; readonly why: string };

async function executable(): Promise<string> {
  const own = process.env.MINKE_BROWSER;
  if (own !== undefined) return own;
  process.env.AWS_EXECUTION_ENV ??= 'AWS_Lambda_nodejs22.x';
  return (await import('@sparticuz/chromium')).default.executablePath();
}

/** Returns a browser, or why there is none. */
export async function openBrowser(): Promise<Opened> {
  try {
    const args = ['--no-sandbox', '--headless=shell', '--no-first-run', ...quiet];
    return { browser: await chromium.launch({ executablePath: await executable(), args }), why: null };
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    return { browser: null, why: `no browser starts here (${why}); MINKE_BROWSER may name a Chromium` };
  }
}

export interface OpenPage {
  readonly page: Page;
  /** Warnings and errors in the page's console, and uncaught errors. */
  readonly complaints: string[];
  /** Closes the page. Fails if there are complaints. */
  close(): Promise<void>;
}

/** Opens a page with its own storage at an address. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1180, height: 760 }, ...options });
  context.setDefaultTimeout(30_000); // a busy machine is no fault
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`${error}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  await page.goto(url);
  return {
    page,
    complaints,
    close: async () => {
      await context.close();
      assert.deepEqual(complaints, []);
    },
  };
}
