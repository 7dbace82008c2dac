// The app on a real socket with a scripted model, and the steps that tests on its page share.
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { packageRoot } from '../../src/kernels/root.ts';
import { listen, type RunningServer, type ServerOptions, type TaskResults } from '../../src/server/index.ts';
import { type ScriptedAnswer, TestModel, type TestModelOptions } from '../../src/server/test-model.ts';

export const appFolder = join(packageRoot(), 'dist', 'web');

const solved = (task: string, ...levels: readonly number[]) =>
  levels.map((difficulty) => ({ task, difficulty, passAt1: { mean: 0.5 } }));

/** Countdown with an example that the app shows first, and with a level that it may not offer, and two more tasks. */
export const taskResults: TaskResults = {
  levels: [
    { task: 'countdown', difficulty: 2, passAt1: { mean: 0 } },
    ...solved('countdown', 3, 4, 5, 6),
    ...solved('arithmetic', 1, 2),
    ...solved('sequence', 1, 2, 3, 4),
  ],
  examples: [
    {
      task: 'countdown',
      difficulty: 4,
      problem: { prompt: 'Make 24 from 3, 7, 8, 9.', key: '3 7 8 9', numbers: [3, 7, 8, 9], target: 24 },
    },
  ],
};

export interface ServedApp {
  readonly model: TestModel;
  readonly server: RunningServer;
  readonly url: string;
}

export async function serveApp(options: TestModelOptions, more: ServerOptions = {}): Promise<ServedApp> {
  const model = new TestModel(options);
  const server = await listen(model, { port: 0, appFolder, taskResults: { [model.name]: taskResults }, ...more });
  return { model, server, url: server.url };
}

/** Returns the last user message in a prompt of the test model's template. */
export const lastMessage = (prompt: string): string =>
  prompt.slice(prompt.lastIndexOf('<｜User｜>') + 8).split('<｜')[0] ?? '';

/** Repeats the last message. */
export const echo = (prompt: string): ScriptedAnswer => ({
  thinking: 'Hm, what was that?',
  answer: `You said **${lastMessage(prompt)}**.`,
});

export async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Your message').fill(text);
  await page.getByLabel('Your message').press('Enter');
}

/** Waits until `count` answers are complete. */
export async function answered(page: Page, count: number): Promise<void> {
  await page
    .getByRole('list', { name: 'Statistics' })
    .nth(count - 1)
    .waitFor();
  await page.getByRole('button', { name: 'Stop' }).waitFor({ state: 'detached' });
}

export const texts = (page: Page, selector: string): Promise<string[]> => page.locator(selector).allInnerTexts();
