// The compact record of a run: what a model's lineage says of each run that it goes back to.
//
// Contract: a record has the sha256 of its own content, and names the records it goes back to by theirs, so a record
// that is changed no longer answers to its name, in any lineage that holds it. Whoever changes a record and all that
// name it is not found out: a lineage says what was written, not that it is true.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { priceBandSchema } from '../../planner/index.ts';
import { energySchema } from './energy.ts';
import { quickList } from './run-file.ts';
import { predictionSchema, workSchema } from './work.ts';

const digest = z.string().nullable().default(null);

/** What a run began from or asked. `weights`: sha256, `record`: digest of its record; null where there is none. */
const madeFrom = { name: z.string().default(''), record: digest };

/** What parts of a lineage and of a compact record have in common. */
export const sharedFields = {
  /** The name of the run kind, or of other work on a model: `convert`, `eval`, `collection`. */
  kind: z.string(),
  status: z.enum(['running', 'completed', 'stopped', 'failed']),
  reason: z.string(),
  /** sha256 of the weights (ancestry.ts); null before the first checkpoint, and where none are made. */
  weights: z.string().nullable(),
  code: z.object({ version: z.string(), commit: z.string().nullable(), changed: z.boolean() }),
  seed: z.number(),
  parents: quickList(z.object({ role: z.string(), weights: z.string(), ...madeFrom })),
  /** The models or APIs that wrote the training data, and how many tokens of it. */
  teachers: quickList(
    z.object({ weights: z.string().nullable(), tokens: z.number(), ...madeFrom, name: z.string() }),
  ).default([]),
  /** Runs that led to nothing, or measured, for the sake of this one, and why it pays for them. */
  charged: quickList(z.object({ why: z.string(), record: z.string() })).default([]),
  steps: z.number(),
  /** Tokens learned from. */
  tokens: z.number(),
  /** FLOPs of all work. In files without `work`, those of pretraining steps alone, and 0 for other kinds. */
  flops: z.number(),
  /** null in runs that began before it was counted. */
  work: workSchema.nullable().default(null),
  /** null where the recipe does not say enough, and in runs that began before it was recorded. */
  predicted: predictionSchema.nullable().default(null),
  hours: z.number(),
  cost: z.object({
    /** At `pricePerHour`, the middle of the band. */
    amount: z.number(),
    currency: z.string(),
    pricePerHour: z.number(),
    /** An hour of this machine; null in runs that knew one price only. */
    price: priceBandSchema.nullable().default(null),
  }),
  energy: energySchema.nullable().default(null),
};

export const recordSchema = z.object({
  digest: z.string(),
  /** The folder's name. */
  name: z.string(),
  ...sharedFields,
  data: z.object({ hash: z.string(), documents: z.number(), tokens: z.number() }).nullable(),
  started: z.string(),
  machine: z.string(),
});

export type LineageRecord = z.infer<typeof recordSchema>;

/** Returns JSON with the keys of every object in order, so that equal content is equal text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
}

/** Returns the sha256 of what an object holds besides its own digest and the records of others. */
export function digestContent({ digest: _, ancestors: __, ...content }: Readonly<Record<string, unknown>>): string {
  return createHash('sha256').update(canonical(content)).digest('hex');
}

/** Returns a record with its digest. */
export function sealRecord(content: Omit<LineageRecord, 'digest'>): LineageRecord {
  return { digest: digestContent(content), ...content };
}

/** Returns what tells one run from another, whichever of its checkpoints a record is about. */
export function runKey({ kind, started, seed, machine }: LineageRecord): string {
  return [kind, started, seed, machine].join(' ');
}

/** Returns the records of several lists, each once. */
export function mergeRecords(...lists: readonly (readonly LineageRecord[])[]): LineageRecord[] {
  return [...new Map(lists.flat().map((record) => [record.digest, record])).values()];
}
