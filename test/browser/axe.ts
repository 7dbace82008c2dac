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

/**
 * Lists what is out of place: a document that is larger than its window, and elements that reach beyond the element
 * that scrolls or clips them. Code, tables and formulas may, because they scroll sideways.
 */
export const misfits = (page: Page) =>
  page.evaluate(`(() => {
    const { scrollWidth, scrollHeight } = document.documentElement;
    const found = [];
    if (scrollWidth > innerWidth || scrollHeight > innerHeight)
      found.push('document ' + scrollWidth + ' x ' + scrollHeight);
    const describe = (e) => e.tagName.toLowerCase() + (typeof e.className === 'string' ? '.' + e.className : '');
    for (const element of document.querySelectorAll('body *')) {
      const { width, height, right } = element.getBoundingClientRect();
      if (width === 0 || height === 0 || !element.checkVisibility({ opacityProperty: true })) continue;
      if (element.closest('pre, .prose-wide, .math-block, .scroll, .visually-hidden') !== null) continue;
      let around = element.parentElement;
      while (around !== null && getComputedStyle(around).overflowX === 'visible') around = around.parentElement;
      const edge = around === null ? innerWidth : around.getBoundingClientRect().right;
      if (right <= edge + 1) continue;
      const border = around === null ? 'window' : describe(around);
      found.push(describe(element) + ' ends at ' + right + ', ' + border + ' at ' + edge);
    }
    return found.slice(0, 10);
  })()`) as Promise<string[]>;

/** Returns by how much the page is wider than its window, in pixels. */
export const overflow = (page: Page) =>
  page.evaluate('document.documentElement.scrollWidth - innerWidth') as Promise<number>;
