// How results are printed and kept: a table for people, JSON for later comparison, both under the machine's line.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Device, describeMachine } from '../src/kernels/index.ts';
import { packageRoot } from '../src/kernels/root.ts';
import type { Result } from './harness.ts';
import { machineKind } from './machine.ts';

export const resultsFolder = join(packageRoot(), 'bench', 'results');

export interface Report {
  readonly date: string;
  readonly commit: string;
  /** The kind of machine, as in bench/machine.ts. */
  readonly kind: string;
  readonly machine: string;
  readonly rounds: number;
  readonly results: readonly Result[];
}

function git(...args: string[]): string {
  return spawnSync('git', args, { cwd: packageRoot(), encoding: 'utf8' }).stdout?.trim() ?? '';
}

/** The commit measured, marked when the tree held more than it. */
function commit(): string {
  const head = git('rev-parse', '--short', 'HEAD');
  if (!head) return 'no git';
  return git('status', '--porcelain', '--untracked-files=no') ? `${head} with changes` : head;
}

export function describe(device: Device): string {
  const { cpu, cores, memoryBytes, load, node } = describeMachine();
  const memory = `${Math.round(memoryBytes / 2 ** 30)} GiB`;
  const { name, features } = machineKind();
  const machine = `${cpu} (${name}: ${features.join(', ')}), ${cores} cores, ${memory}`;
  return `${machine}, ${device.isa}, Node ${node}, load average ${load.toFixed(1)} at the start`;
}

export function newReport(machine: string, rounds: number, results: readonly Result[]): Report {
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    kind: machineKind().name,
    machine,
    rounds,
    results,
  };
}

export const digits = (x: number) => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));

function cells(r: Result): string[] {
  const limit = r.required?.atLeast ?? r.required?.atMost;
  const sign = r.required?.atLeast !== undefined ? '>=' : '<=';
  return [
    r.family,
    r.name,
    r.setup,
    `${digits(r.median)} ${r.unit}`,
    digits(r.best),
    r.yardstick ? `${digits(r.yardstick.median)} ${r.yardstick.name}` : '',
    r.ratio === undefined ? '' : r.ratio.toFixed(2),
    limit === undefined ? '' : `${sign} ${Number(limit.toPrecision(4))}`,
    r.passed === undefined ? '' : r.passed ? 'yes' : 'NO',
  ];
}

const head = ['family', 'case', 'device', 'median', 'best', 'yardstick', 'ratio', 'required', 'met'];
const widths = [10, 48, 22, 15, 8, 30, 6, 9, 4];

export function line(result: Result | undefined): string {
  return (result ? cells(result) : head).map((cell, i) => cell.padEnd(widths[i])).join(' ');
}

function markdown({ date, commit, kind, machine, rounds, results }: Report, what: string): string {
  const rows = [head, head.map(() => '---'), ...results.map(cells)].map((row) => `| ${row.join(' | ')} |`);
  return `# ${what}, ${date}, ${kind}

\`npm run bench -- ${what}\` at ${commit}
${machine}

Median and best of at most ${rounds} samples, taken in turn with the yardstick's; a ratio is the median of the
rounds' own ratios. [Other kinds of machine](overview.md).

${rows.join('\n')}
`;
}

/** Writes bench/results/<date>-<what>-<kind>.json and .md; returns the path without its ending. */
export function keep(report: Report, what: string): string {
  mkdirSync(resultsFolder, { recursive: true });
  const path = join(resultsFolder, `${report.date}-${what}-${report.kind}`);
  writeFileSync(`${path}.json`, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(`${path}.md`, markdown(report, what));
  return path;
}
