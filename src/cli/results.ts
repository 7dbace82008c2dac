// Where tables and plots go: a part for each result, and one page of all parts beside their folder.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Fact } from '../runs/index.ts';

export interface Part {
  readonly name: string;
  /** Markdown: a heading of the second rank, paragraphs. */
  readonly paragraphs: readonly string[];
  readonly svg: string;
}

/** Rows of name and value as a Markdown table. */
export function factTable(facts: readonly Fact[]): string {
  return ['| | |', '| --- | --- |', ...facts.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

const introduction = [
  '# Results',
  '',
  'Measured by the commands that stand under each table, which wrote this page too; nothing is typed by hand. Published',
  'results are of far larger models and data: their direction is what can be compared.',
].join('\n');

/** Writes <folder>/<name>.md and .svg, and <folder>.md: all parts there are, by name. */
export function writeResult(folder: string, { name, paragraphs, svg }: Part): void {
  mkdirSync(folder, { recursive: true });
  const image = `![${name}](${basename(folder)}/${name}.svg)`;
  writeFileSync(join(folder, `${name}.svg`), svg);
  writeFileSync(join(folder, `${name}.md`), `${[...paragraphs, image].join('\n\n')}\n`);
  const parts = readdirSync(folder).filter((file) => file.endsWith('.md'));
  const texts = parts.sort().map((file) => readFileSync(join(folder, file), 'utf8'));
  writeFileSync(join(dirname(folder), `${basename(folder)}.md`), `${[introduction, ...texts].join('\n\n')}`);
}
