// Accessibility faults of a page found by axe, and whether the page fits its window.
import assert from 'node:assert/strict';
import axe from 'axe-core';
import type { Page } from 'playwright-core';

interface Fault {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly target: unknown }[];
}

/** Returns serious and critical faults with their places. */
export async function faults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations, passes } = (await page.evaluate('axe.run(document)')) as Record<string, readonly Fault[]>;
  assert.ok((passes as Fault[]).length > 5); // it did look
  const grave = (violations as Fault[]).filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => JSON.stringify(target)).join(' ')}`);
}

/** Returns by how much the page is wider than its window, in pixels. */
export const overflow = (page: Page) =>
  page.evaluate('document.documentElement.scrollWidth - innerWidth') as Promise<number>;
