// The bill of a folder: what its lineage holds, and what the runs beside it add.
//
// Contract: a folder that was copied knows its bill. A folder of runs adds what the lineage cannot know: failed runs
// that came later, evaluations, and ancestors of models from before lineages held them, which are found by their
// weights.
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { PriceBand } from '../planner/index.ts';
import {
  chargeAttempts,
  type FoundRun,
  findEdits,
  findLockHolder,
  findRunAbove,
  findRuns,
  hashWeights,
  type Lineage,
  type LineageRecord,
  lineagePath,
  mergeRecords,
  readEvaluations,
  readLineage,
  TrainError,
  toRecord,
  writeLineage,
} from '../train/index.ts';
import { type Bill, writeBill } from './bill.ts';

/** Folders below a folder of runs in which runs are looked for: those of pipelines, and their seeds. */
const searchDepth = 3;

export interface OpenBillOptions {
  /** The folder of the runs; null: none. */
  readonly runs: string | null;
  /** Runs that are charged to the model whatever they were for. */
  readonly charge: readonly string[];
  readonly price: PriceBand | null;
}

export interface OpenedBill extends Bill {
  /** Keeps in the folder's lineage what was found beside it. */
  save(): Promise<void>;
}

/** Returns the folder in which the runs of a run or checkpoint are; null where it is neither. */
export function findRunsFolder(path: string): string | null {
  const run = findRunAbove(path) ?? path;
  return existsSync(join(run, 'events.jsonl')) ? dirname(resolve(run)) : null;
}

/** Returns the weights of a run's checkpoints and its last ones. */
function listWeights({ folder, lineage }: FoundRun): string[] {
  const root = join(folder, 'checkpoints');
  const names = existsSync(root) ? readdirSync(root).filter((name) => name.startsWith('step-')) : [];
  const found = names.flatMap((name) => {
    const path = join(root, name);
    return existsSync(lineagePath(path)) ? [readLineage(path)?.weights] : [];
  });
  return [...found, lineage.weights].filter((weights) => typeof weights === 'string');
}

/** Returns found runs; those that no process works on any more are over, whatever their file says. */
async function settleRuns(runs: readonly FoundRun[]): Promise<FoundRun[]> {
  return Promise.all(
    runs.map(async (run) => {
      if (run.lineage.status !== 'running' || (await findLockHolder(run.folder)) !== null) return run;
      return { ...run, lineage: { ...run.lineage, status: 'stopped' as const, reason: 'its process was killed' } };
    }),
  );
}

/** Adds records to links that have none, from runs that made those weights. */
function withFoundParents(lineage: Lineage, runs: readonly FoundRun[]): Lineage {
  const found: LineageRecord[] = [];
  const resolve = (weights: string | null): string | null => {
    const run = weights === null ? undefined : runs.find((each) => listWeights(each).includes(weights));
    if (run === undefined) return null;
    const own = withFoundParents(
      run.lineage,
      runs.filter((each) => each !== run),
    );
    const record = toRecord(own, run.name, weights);
    found.push(record, ...own.ancestors);
    return record.digest;
  };
  const parents = lineage.parents.map((each) => ({ ...each, record: each.record ?? resolve(each.weights) }));
  const teachers = lineage.teachers.map((each) => ({ ...each, record: each.record ?? resolve(each.weights) }));
  // Links of ancestors stay as they are written: they lead to the found record of the same weights.
  for (const link of lineage.ancestors.flatMap((each) => each.parents)) if (link.record === null) resolve(link.weights);
  return { ...lineage, parents, teachers, ancestors: mergeRecords(lineage.ancestors, found) };
}

/** Adds charges to a lineage, each once. */
function withCharges(lineage: Lineage, { charged, ancestors }: Pick<Lineage, 'charged' | 'ancestors'>): Lineage {
  const known = lineage.charged.map(({ record }) => record);
  const added = charged.filter(({ record }) => !known.includes(record));
  return {
    ...lineage,
    charged: [...lineage.charged, ...added],
    ancestors: mergeRecords(lineage.ancestors, ancestors),
  };
}

function chargeByHand(folders: readonly string[]): Pick<Lineage, 'charged' | 'ancestors'> {
  const runs = folders.map((folder) => {
    const lineage = readLineage(folder);
    if (lineage === null) throw new TrainError(folder, 'has no lineage.json', 'name folders of runs');
    return { record: toRecord(lineage, basename(resolve(folder))), lineage };
  });
  return {
    charged: runs.map(({ record }) => ({ why: 'charged by hand', record: record.digest })),
    ancestors: mergeRecords(...runs.map(({ record, lineage }) => [record, ...lineage.ancestors])),
  };
}

/** Says where weights are not those that a lineage names. */
async function checkWeights(path: string, { weights }: Lineage): Promise<string[]> {
  const own = findRunsFolder(path) === null || findRunAbove(path) !== null ? await hashWeights(path) : null;
  if (own === null || weights === null || own === weights || findRunAbove(path) !== null) return [];
  return [
    `the weights in this folder (${own.slice(0, 12)}) are not those that its lineage names ` +
      `(${weights.slice(0, 12)}): converted by an older version, or changed`,
  ];
}

/** Opens the bill of a run, a checkpoint, or a model with a lineage. Throws TrainError where it has none. */
export async function openBill(path: string, options: OpenBillOptions): Promise<OpenedBill> {
  const folder = findRunAbove(path) ?? path;
  const read = readLineage(folder);
  if (read === null)
    throw new TrainError(
      path,
      'has no lineage.json: what made it, and what that cost, is not known',
      'name a run, a checkpoint of a run, or a model that minke convert wrote',
    );
  const { runs: all, problems } =
    options.runs === null ? { runs: [], problems: [] } : findRuns(options.runs, searchDepth);
  const others = await settleRuns(all.filter((run) => resolve(run.folder) !== resolve(folder)));
  const evaluations = readEvaluations(folder);
  const evaluated = {
    charged: evaluations.map(({ digest }) => ({ why: 'evaluation', record: digest })),
    ancestors: evaluations,
  };
  const linked = withFoundParents(withCharges(read, evaluated), others);
  const started = linked.sessions[0]?.started ?? '';
  const charged = withCharges(linked, chargeAttempts({ ...linked, started }, others));
  const lineage = withCharges(charged, chargeByHand(options.charge));
  const record = toRecord(lineage, basename(resolve(folder)));
  const bill = writeBill(record, [...lineage.ancestors, record], { price: options.price });
  const edits = findEdits(folder);
  const findings = [...edits, ...lineage.notes, ...(await checkWeights(path, read)), ...bill.findings, ...problems];
  return {
    ...bill,
    findings,
    save: () => {
      const notes = [...lineage.notes, ...edits.map((text) => `${text}, before ${new Date().toISOString()}`)];
      return writeLineage(folder, { ...lineage, notes });
    },
  };
}
