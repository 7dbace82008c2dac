// The app on a real socket over a model that speaks by a script, and what tests do on its page again and again.
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { packageRoot } from '../../src/kernels/root.ts';
import { listen, type RunningServer, type ServerOptions } from '../../src/server/index.ts';
import { type ScriptedAnswer, TestModel, type TestModelOptions } from '../../src/server/test-model.ts';

export const appFolder = join(packageRoot(), 'dist', 'web');

export interface ServedApp {
  readonly model: TestModel;
  readonly server: RunningServer;
  readonly url: string;
}

export async function serveApp(options: TestModelOptions, more: ServerOptions = {}): Promise<ServedApp> {
  const model = new TestModel(options);
  const server = await listen(model, { port: 0, appFolder, ...more });
  return { model, server, url: server.url };
}

/** What the last user said, in the prompt of the test model's template. */
export const lastSaid = (prompt: string): string =>
  prompt.slice(prompt.lastIndexOf('<｜User｜>') + 8).split('<｜')[0] ?? '';

/** Answers what it was asked. */
export const echo = (prompt: string): ScriptedAnswer => ({
  thinking: 'Hm, what was that?',
  answer: `You said **${lastSaid(prompt)}**.`,
});

export async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Your message').fill(text);
  await page.getByLabel('Your message').press('Enter');
}

/** Waits until `count` answers are whole. */
export async function answered(page: Page, count: number): Promise<void> {
  await page
    .getByRole('list', { name: 'What the answer cost' })
    .nth(count - 1)
    .waitFor();
  await page.getByRole('button', { name: 'Stop' }).waitFor({ state: 'detached' });
}

export const texts = (page: Page, selector: string): Promise<string[]> => page.locator(selector).allInnerTexts();
