// Writes tables and plots: a part for each result, and one page of all parts beside their folder.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Fact } from '../train/index.ts';

export interface ResultPart {
  readonly name: string;
  /** Markdown paragraphs; the first is a heading of level two. */
  readonly paragraphs: readonly string[];
  readonly svg: string;
}

/** Returns rows of name and value as a Markdown table. */
export function factTable(facts: readonly Fact[]): string {
  return [
    '| | |',
    '| --- | --- |',
    ...facts.map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`),
  ].join('\n');
}

const introduction = [
  '# Results',
  '',
  'Measured by the command under each table, which also wrote this page; nothing is typed by hand. Published results',
  'are from far larger models and data: compare their direction.',
].join('\n');

/** Writes <folder>/<name>.md and .svg, and <folder>.md with all parts of the folder, sorted by name. */
export function writeResult(folder: string, { name, paragraphs, svg }: ResultPart): void {
  mkdirSync(folder, { recursive: true });
  const image = `![${name}](${basename(folder)}/${name}.svg)`;
  writeFileSync(join(folder, `${name}.svg`), svg);
  writeFileSync(join(folder, `${name}.md`), `${[...paragraphs, image].join('\n\n')}\n`);
  const parts = readdirSync(folder).filter((file) => file.endsWith('.md'));
  const texts = parts.sort().map((file) => readFileSync(join(folder, file), 'utf8'));
  writeFileSync(join(dirname(folder), `${basename(folder)}.md`), `${[introduction, ...texts].join('\n\n')}`);
}
