// The newest figures of each kind of machine side by side: bench/results/overview.md. npm run bench -- overview
//
// The newest page of a kind counts whole, so that figures of one column were measured in one run. A figure that a kind
// has not is open: the command above the table measures it on such a machine.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Result } from './harness.ts';
import { digits, type Report, resultsFolder } from './report.ts';

/** The kinds that every figure is wanted from, whether they have been measured or not. */
const wanted = ['icelake', 'zen4', 'sapphirerapids-amx'];

/** What else a benchmark needs beside its name. */
const given: Record<string, string> = {
  engine: ' --peer NAME=PATH',
  peers: ' --onnxruntime DIR --python PATH',
  revision: ' CHECKOUT',
  rl: ' --python PATH',
  train: ' --python PATH',
};

interface Page {
  readonly file: string;
  readonly what: string;
  readonly report: Report;
}

function readPages(folder: string): Page[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => {
      const report = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Report;
      const what = name.slice(`${report.date}-`.length, -`-${report.kind}.json`.length);
      return { file: name.replace(/json$/, 'md'), what, report };
    });
}

function cell({ median, unit, ratio, passed }: Result): string {
  const beside = ratio === undefined ? '' : `, ${ratio.toFixed(2)} x`;
  return `${digits(median)} ${unit}${beside}${passed === false ? ' (missed)' : ''}`;
}

/** The case, without what differs between machines. */
const label = ({ family, name }: Result, what: string) => (family === what ? name : `${family}: ${name}`);

function drawTable(what: string, newest: ReadonlyMap<string, Page>): string {
  const kinds = [...new Set([...wanted, ...newest.keys()])];
  const columns = kinds.map((kind) => {
    const results = newest.get(kind)?.report.results ?? [];
    return new Map(results.map((result) => [label(result, what), cell(result)]));
  });
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))];
  const heads = kinds.map((kind) => {
    const page = newest.get(kind);
    return page ? `[${kind}, ${page.report.date}](${page.file})` : kind;
  });
  const rows = [
    ['case', ...heads],
    ['---', ...kinds.map(() => '---')],
    ...names.map((name) => [name, ...columns.map((column) => column.get(name) ?? 'open')]),
  ];
  const table = rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
  return `## ${what}\n\n\`npm run bench -- ${what}${given[what] ?? ''}\`\n\n${table}\n`;
}

/** Draws the overview from the pages of a folder. */
export function drawOverview(folder = resultsFolder): string {
  const pages = readPages(folder);
  const tables = [...new Set(pages.map(({ what }) => what))].sort().map((what) => {
    const own = pages.filter((page) => page.what === what); // ascending by date, so that the newest of a kind stays
    return drawTable(what, new Map(own.map((page) => [page.report.kind, page])));
  });
  return `# Figures by kind of machine

A median and its ratio to the yardstick that its page names; missed: less than what was asked of it. Open: not yet
measured on that kind of machine.

${tables.join('\n')}`;
}

/** Writes bench/results/overview.md. */
export function writeOverview(): void {
  writeFileSync(join(resultsFolder, 'overview.md'), drawOverview());
}
