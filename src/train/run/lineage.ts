// Where a model comes from: lineage.json in the folder of a run and of each of its checkpoints.
//
// Contract: the file is valid at every moment (written aside and renamed), from the first second of a run on, also if
// the run fails or is stopped. Hashes are of contents, so that a model can be found again whatever its folder is
// called. It holds the compact records of all that the run goes back to, so that a folder that was copied knows its
// whole bill (src/ledger). A session that was killed counts until its last event. The cost includes everything the run
// did, evaluation and compilation too.
import { join } from 'node:path';
import { z } from 'zod';
import { writeJson } from '../../model/checkpoint/index.ts';
import { TrainError } from '../errors.ts';
import { toEnergy } from './energy.ts';
import { digestContent, type LineageRecord, recordSchema, sealRecord, sharedFields } from './lineage-record.ts';
import { describeIssue, quickList, readRunJson } from './run-file.ts';

const session = z.object({
  started: z.string(),
  seconds: z.number(),
  fromStep: z.number(),
  machine: z.string(),
  device: z.string(),
  /** Measured; null where the machine does not say, and in sessions that were killed. */
  joules: z.number().nullable().default(null),
});

export const lineageSchema = z.object({
  format: z.literal(1),
  /** sha256 of the rest without `ancestors`; null in older files. */
  digest: z.string().nullable().default(null),
  ...sharedFields,
  /** The corpus; null where a run makes its own data, as reinforcement learning does. */
  data: z
    .object({
      hash: z.string(),
      tokenizer: z.string(),
      documents: z.number(),
      tokens: z.number(),
      sources: quickList(z.object({ name: z.string(), sha256: z.string() })),
    })
    .nullable(),
  /** The random generator; null in runs that began before there was only one. */
  generator: z.string().nullable().default(null),
  /** What decides the bits of the run's device; null in runs that began before it was recorded. */
  computation: z
    .object({ device: z.string(), isa: z.string(), arithmetic: z.string(), lanes: z.number() })
    .nullable()
    .default(null),
  /** The resolved recipe: with it, the data and the code the run can be made again. */
  config: z.unknown(),
  sessions: quickList(session),
  /** What happened to the file that its reader should know. */
  notes: z.array(z.string()).default([]),
  /** Records of all that the run goes back to. */
  ancestors: quickList(recordSchema).default([]),
});

export type Lineage = z.infer<typeof lineageSchema>;

/** Returns where the lineage of a folder, or of a .gguf file, is. */
export function lineagePath(path: string): string {
  return path.endsWith('.gguf') ? `${path}.lineage.json` : join(path, 'lineage.json');
}

/** Reads the lineage of a run or checkpoint; null where there is none. Throws TrainError. */
export function readLineage(folder: string): Lineage | null {
  const path = lineagePath(folder);
  const value = readRunJson(path);
  if (value === undefined) return null;
  const checked = lineageSchema.safeParse(value);
  if (checked.success) return checked.data;
  throw new TrainError(path, `is no lineage (${describeIssue(checked.error)})`, 'remove it, or restore it');
}

/** Returns what is not as it was written in the lineage of a folder, in words; nothing in older files. */
export function findEdits(folder: string): string[] {
  const value = readRunJson(lineagePath(folder));
  if (typeof value !== 'object' || value === null) return [];
  const { digest, ancestors } = value as { digest?: unknown; ancestors?: unknown };
  const own = digest != null && digest !== digestContent(value as Readonly<Record<string, unknown>>);
  const records = Array.isArray(ancestors) ? (ancestors as LineageRecord[]) : [];
  const edited = records.filter((record) => record.digest !== digestContent({ ...record }));
  return [
    ...(own ? ['the lineage was changed by hand after it was written'] : []),
    ...edited.map(({ kind, name }) => `the record of ${kind} ${name} was changed by hand after it was written`),
  ];
}

export function writeLineage(folder: string, lineage: Lineage): Promise<void> {
  return writeJson(lineagePath(folder), { ...lineage, digest: digestContent(lineage) });
}

/** Returns the threads of a session's device; null where it does not say. */
function countThreads({ device }: Lineage['sessions'][number]): number | null {
  const [, threads] = /(\d+) threads?$/.exec(device) ?? [];
  return threads === undefined ? null : Number(threads);
}

/** Returns the lineage with the hours, cost and energy that follow from what its last session took until now. */
export function withSeconds(lineage: Lineage, seconds: number, joules: number | null): Lineage {
  const sessions = lineage.sessions.map((s, i) => (i === lineage.sessions.length - 1 ? { ...s, seconds, joules } : s));
  const hours = sessions.reduce((sum, s) => sum + s.seconds, 0) / 3600;
  const energy = toEnergy(sessions.map((each) => ({ ...each, threads: countThreads(each) })));
  return { ...lineage, sessions, hours, energy, cost: { ...lineage.cost, amount: hours * lineage.cost.pricePerHour } };
}

/** Returns the compact record of a run. `weights`: those that it is named by, where they are not its last ones. */
export function toRecord(lineage: Lineage, name: string, weights = lineage.weights): LineageRecord {
  const { format: _, digest: __, generator: ___, computation: ____, config: _____, ...rest } = lineage;
  const { data, sessions, notes: ______, ancestors: _______, ...shared } = rest;
  return sealRecord({
    ...shared,
    name,
    weights,
    energy: shared.energy ?? toEnergy(sessions.map((each) => ({ ...each, threads: countThreads(each) }))),
    data: data && { hash: data.hash, documents: data.documents, tokens: data.tokens },
    started: sessions[0]?.started ?? '',
    machine: sessions.at(-1)?.machine ?? '',
  });
}

/** Returns the kind of run that trained a model: its own, or that of the run whose weights were converted. */
export function trainedKind(lineage: Lineage): string {
  const find = (kind: string, record: string | null): string => {
    const parent = kind === 'convert' ? lineage.ancestors.find((each) => each.digest === record) : undefined;
    return parent ? find(parent.kind, parent.parents[0]?.record ?? null) : kind;
  };
  return find(lineage.kind, lineage.parents[0]?.record ?? null);
}
