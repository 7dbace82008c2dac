// What the pictures of the README have in common: looks of a page, and how one is kept.
import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const appFolder = join(root, 'dist', 'web');
export const usualFolder = join(root, 'docs', 'pictures');

const largestBytes = 200_000;

export const looks = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: {
    colorScheme: 'light',
    viewport: { width: 360, height: 740 },
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
  },
};

/** Writes what is seen as <name>.png. */
export async function keep(page, folder, name) {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.png`);
  await page.mouse.move(0, 0);
  await page.waitForTimeout(200);
  await page.screenshot({ path: file });
  const { size } = statSync(file);
  console.log(`${file}: ${(size / 1000).toFixed(0)} kB`);
  if (size > largestBytes) throw new Error(`${file} has ${size} bytes, at most ${largestBytes} are kept: show less`);
}
