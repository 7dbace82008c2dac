// Runs that led to nothing, and for whose sake they were made: they are charged to the run that they served.
//
// Contract: a run serves another one if it failed, was stopped or was killed, and began from a model that the other
// goes back to; or from nothing, as the other or one of its ancestors did, with the same model or data. A completed run
// serves one of the same kind that began later from the same model with the same seed, and took its place. What runs
// are there is read from a folder; nothing is asked of the user.
import { lstatSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Lineage, lineagePath, readLineage, toRecord } from './lineage.ts';
import { type LineageRecord, mergeRecords, runKey } from './lineage-record.ts';

/** Folders that one search visits. */
const maxFolders = 2000;
const skipped = ['checkpoints', 'datasets', 'node_modules', 'tokenizer', 'lock'];

export interface FoundRun {
  readonly folder: string;
  readonly name: string;
  readonly lineage: Lineage;
}

export interface RunSearch {
  readonly runs: readonly FoundRun[];
  /** What could not be read, in words. */
  readonly problems: readonly string[];
}

/** Finds the runs in a folder, down to `depth` folders below it. */
export function findRuns(root: string, depth: number): RunSearch {
  const runs: FoundRun[] = [];
  const problems: string[] = [];
  let visited = 0;
  const visit = (folder: string, left: number): void => {
    if (++visited > maxFolders) return;
    if (lstatSync(lineagePath(folder), { throwIfNoEntry: false })?.isFile()) {
      try {
        const lineage = readLineage(folder);
        if (lineage) runs.push({ folder, name: relative(root, folder) || folder, lineage });
      } catch (error) {
        problems.push((error as Error).message);
      }
      return;
    }
    if (left === 0) return;
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory() && !skipped.includes(entry.name)) visit(join(folder, entry.name), left - 1);
  };
  try {
    visit(root, depth);
  } catch (error) {
    problems.push((error as Error).message); // not readable, or removed meanwhile
  }
  if (visited > maxFolders) problems.push(`${root} has more than ${maxFolders} folders: not all runs were looked for`);
  return { runs, problems };
}

/** A run of those that led to a model. */
interface Link extends Pick<LineageRecord, 'kind' | 'seed' | 'started' | 'parents'> {
  readonly data: Pick<NonNullable<Lineage['data']>, 'hash'> | null;
  /** Its recipe, where that is known. */
  readonly config?: unknown;
}

/** What attempts are looked for: a run that begins, or a model that is there. */
export interface Served extends Link {
  /** Its weights, where it has some. */
  readonly weights: string | null;
  /** All that it goes back to. */
  readonly ancestors: readonly LineageRecord[];
}

const modelOfRecipe = (config: unknown): unknown => (config as { readonly model?: unknown } | null)?.model;

const parentWeights = ({ parents }: Pick<Lineage, 'parents'>): string[] => parents.map(({ weights }) => weights).sort();

/** Whether two runs from nothing are about the same: the same data, or the same model. */
function isAlike(run: Lineage, other: Link): boolean {
  if (run.kind !== other.kind || other.parents.length > 0) return false;
  if (run.data !== null && run.data.hash === other.data?.hash) return true;
  return other.config !== undefined && isDeepStrictEqual(modelOfRecipe(run.config), modelOfRecipe(other.config));
}

/** Whether a completed run gave its place to another one, that did the same again. */
function isSuperseded(run: Lineage, other: Link): boolean {
  const began = run.sessions[0]?.started ?? '';
  if (run.kind !== other.kind || run.seed !== other.seed || began >= other.started) return false;
  const parents = parentWeights(run);
  if (parents.length > 0) return isDeepStrictEqual(parents, parentWeights(other));
  return isAlike(run, other) && isDeepStrictEqual(modelOfRecipe(run.config), modelOfRecipe(other.config));
}

/** Says why a run pays for another one that led to nothing; null where it does not. */
function findReason(run: Lineage, chain: readonly Link[], known: ReadonlySet<string>): string | null {
  if (run.status === 'running') return null; // it may still lead to something
  if (run.status === 'completed') return chain.some((link) => isSuperseded(run, link)) ? 'superseded' : null;
  const parents = parentWeights(run);
  const isOfChain =
    parents.length > 0 ? parents.every((weights) => known.has(weights)) : chain.some((link) => isAlike(run, link));
  return isOfChain ? run.status : null;
}

/** Returns the charges of a run for those found runs that served it, and their records. */
export function chargeAttempts(served: Served, runs: readonly FoundRun[]): Pick<Lineage, 'charged' | 'ancestors'> {
  const own = served.ancestors.map(runKey);
  const all = [served.weights, ...served.parents.map(({ weights }) => weights)];
  const known = new Set([...all, ...served.ancestors.map(({ weights }) => weights)].filter((each) => each !== null));
  const chain: Link[] = [served, ...served.ancestors];
  const charged: Lineage['charged'] = [];
  const records: LineageRecord[][] = [];
  for (const { name, lineage } of runs) {
    const record = toRecord(lineage, name);
    const isOwn = own.includes(runKey(record)) || (lineage.weights !== null && lineage.weights === served.weights);
    const why = isOwn ? null : findReason(lineage, chain, known as ReadonlySet<string>);
    if (why === null) continue;
    charged.push({ why, record: record.digest });
    records.push([record], lineage.ancestors);
  }
  return { charged, ancestors: mergeRecords(...records) };
}
