// What a model cost, as a part of its card: a block of Markdown between two marks, which the command writes again.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { formatMoney, TrainError } from '../train/index.ts';
import { type Bill, type BillNode, titles } from './bill.ts';
import { columns, formatShare, nameNode, titleTexts } from './bill-text.ts';

const marks = ['<!-- minke cost: written by the command below -->', '<!-- end of minke cost -->'] as const;

const toTable = (rows: readonly (readonly string[])[]): string =>
  [rows[0], rows[0].map(() => '---'), ...rows.slice(1)].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

function nodeRows(node: BillNode, bill: Bill, depth: number): string[][] {
  const { amount, below } = node;
  const indent = '&nbsp;'.repeat(4 * depth);
  const cells = columns.map(([, value]) => (amount ? value(amount) : ''));
  const own = [`${indent}${nameNode(node)}`, ...cells, amount ? formatShare(amount, bill.totals.failed) : ''];
  return [own, ...below.flatMap((child) => nodeRows(child, bill, depth + 1))];
}

/** Returns the block of a bill. `model`: what the command is told, to write it again. */
export function writeCostBlock(bill: Bill, model: string): string {
  const { tree, totals, findings } = bill;
  const heading = ['', ...columns.map(([name]) => name)];
  const sums = titles.map((title) => [titleTexts[title], ...columns.map(([, value]) => value(totals[title]))]);
  const { price } = tree.record.cost;
  const notes = [
    ...(price
      ? [`An hour of this run: ${formatMoney(price, `${price.currency}/h`)} (${price.date}; ${price.source}).`]
      : []),
    ...(totals.failed.energy ? [`Energy: ${totals.failed.energy.source}.`] : []),
    ...totals.failed.unknown.map((text) => `Not in the sums: ${text}.`),
    ...findings.map((text) => `Note: ${text}.`),
  ];
  return [
    marks[0],
    toTable([heading, ...sums]),
    toTable([[...heading, 'share'], ...nodeRows(tree, bill, 0)]),
    notes.map((text) => `- ${text}`).join('\n'),
    `Money and energy are bands (low, middle, high). Again: \`npx minke cost ${model} --card\`.`,
    marks[1],
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** Writes the block into README.md of a model's folder, in place of the one before. Returns the file's path. */
export function writeCard(folder: string, bill: Bill): string {
  const path = join(folder, 'README.md');
  const block = writeCostBlock(bill, folder);
  const text = existsSync(path) ? readFileSync(path, 'utf8') : `# ${basename(resolve(folder))}\n`;
  const [from, to] = [text.indexOf(marks[0]), text.indexOf(marks[1])];
  if (from < 0 !== to < 0 || to < from)
    throw new TrainError(path, 'has one mark of the block of costs without the other', 'remove that line');
  const after = from < 0 ? `${text.trimEnd()}\n\n## What it cost\n\n${block}\n` : '';
  writeFileSync(path, after || `${text.slice(0, from)}${block}${text.slice(to + marks[1].length)}`);
  return path;
}
