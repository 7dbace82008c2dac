// A bill for people: totals, the tree with shares, and what is wrong or unknown.
import { formatDuration, formatPercent } from '../math/index.ts';
import { formatEnergy, formatMoney } from '../train/index.ts';
import type { Amount } from './amount.ts';
import { type Bill, type BillNode, type Title, titles } from './bill.ts';

export const titleTexts: Readonly<Record<Title, string>> = {
  own: 'this run',
  ancestors: 'with ancestors',
  teachers: 'with teachers',
  failed: 'with failed runs',
};

const formatFlops = ({ flops, unknown }: Amount): string => {
  const isPartial = unknown.some((text) => text.startsWith('the FLOPs') || text.startsWith('all of'));
  if (flops === 0) return isPartial ? 'unknown' : '0';
  return `${isPartial ? 'over ' : ''}${flops.toExponential(2)}`;
};

const formatPaid = ({ money }: Amount): string =>
  money.map((each) => formatMoney(each, each.currency)).join(' + ') || 'unknown';

const formatHours = ({ hours }: Amount): string => formatDuration(3600 * hours);

const formatUsed = ({ energy }: Amount): string => (energy === null ? 'unknown' : formatEnergy(energy));

/** The columns of a bill: what was computed, how long, and what it took. */
export const columns: readonly (readonly [name: string, value: (amount: Amount) => string])[] = [
  ['FLOPs', formatFlops],
  ['time', formatHours],
  ['energy', formatUsed],
  ['money', formatPaid],
];

/** Returns the part of an amount in the whole: of the money in the first currency, of the hours without money. */
export function formatShare(amount: Amount, whole: Amount): string {
  const [all] = whole.money;
  const own = amount.money.find(({ currency }) => currency === all?.currency);
  if (whole.money.length === 1 && all.middle > 0 && own) return formatPercent(own.middle / all.middle, 1);
  return whole.hours > 0 ? formatPercent(amount.hours / whole.hours, 1) : '-';
}

/** Aligns columns; the first to the left, the others to the right. */
function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd(),
  );
}

/** Names a node: what it is to the one above, its kind and folder, how far it came. */
export function nameNode({ role, record, amount }: BillNode): string {
  const { kind, name, steps, status, reason } = record;
  const isOver = status === 'completed' || reason === 'checkpoint of a run';
  const extent = [steps > 0 ? `${steps} steps` : [], isOver ? [] : status].flat().join(', ');
  const counted = amount === null ? ' (counted elsewhere)' : '';
  return `${role}: ${kind} ${name}${extent ? ` (${extent})` : ''}${counted}`;
}

function treeRows(node: BillNode, whole: Amount, lead: string, below: string): string[][] {
  const { amount } = node;
  const cells = columns.map(([, value]) => (amount ? value(amount) : ''));
  const own = [`${lead}${nameNode(node)}`, ...cells, amount ? formatShare(amount, whole) : ''];
  const children = node.below.flatMap((child, i) => {
    const isLast = i === node.below.length - 1;
    return treeRows(child, whole, `${below}${isLast ? '└─ ' : '├─ '}`, `${below}${isLast ? '   ' : '│  '}`);
  });
  return [own, ...children];
}

/** Returns the bill as lines. */
export function describeBillTree({ tree, totals, findings }: Bill): string[] {
  const heading = ['', ...columns.map(([name]) => name)];
  const sums = titles.map((title) => [titleTexts[title], ...columns.map(([, value]) => value(totals[title]))]);
  const whole = totals.failed;
  const { record } = tree;
  const price = record.cost.price;
  return [
    ...alignColumns([heading, ...sums]),
    '',
    ...alignColumns([[...heading, 'share'], ...treeRows(tree, whole, '', '')]),
    ...(price
      ? ['', `this run's price: ${formatMoney(price, `${price.currency}/h`)}, ${price.date}; ${price.source}`]
      : []),
    ...(whole.energy ? [`energy: ${whole.energy.source}`] : []),
    ...whole.unknown.map((text) => `not in the sums: ${text}`),
    ...findings.map((text) => `NOTE: ${text}`),
  ];
}
