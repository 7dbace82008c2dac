// What a run goes back to: the models that it begins from or asks, with the records of all that made them.
//
// Contract: a model is named by the sha256 of its weights, whatever its folder is called. The record of a run's
// checkpoint is that of the whole run, also of what it did after the checkpoint. A model without lineage is named and
// has no record.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { hashFile } from '../../corpus/index.ts';
import { readEvaluations } from './evaluations.ts';
import { findEdits, type Lineage, lineagePath, readLineage, toRecord } from './lineage.ts';
import { type LineageRecord, mergeRecords, sealRecord } from './lineage-record.ts';

const weightFile = /^(model|adapter_model|ready).*\.safetensors$/;

/**
 * Returns the sha256 of a model's weights: of its one file, or of the list of its files with their sums; null where a
 * folder has none.
 */
export async function hashWeights(path: string): Promise<string | null> {
  if (/\.(gguf|safetensors)$/.test(path)) return hashFile(path);
  const names = readdirSync(path)
    .filter((name) => weightFile.test(name))
    .sort();
  const sums = await Promise.all(names.map((name) => hashFile(join(path, name))));
  if (sums.length <= 1) return sums[0] ?? null;
  const lines = names.map((name, i) => `${sums[i]}  ${name}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}

/** Returns the folder of the run that a folder is a checkpoint of; null where it is none. */
export function findRunAbove(folder: string): string | null {
  const above = dirname(resolve(folder));
  const run = dirname(above);
  return basename(above) === 'checkpoints' && existsSync(lineagePath(run)) ? run : null;
}

/** A model that a run begins from or asks. */
export interface ModelOrigin {
  readonly name: string;
  /** null where a folder has no weights. */
  readonly weights: string | null;
  /** The record of the run that made it; null where it has no lineage. */
  readonly record: LineageRecord | null;
  /** What that record goes back to. */
  readonly ancestors: readonly LineageRecord[];
}

/** Returns a record that also pays for the evaluations of its model. */
function withEvaluations(record: LineageRecord, evaluations: readonly LineageRecord[]): LineageRecord {
  if (evaluations.length === 0) return record;
  const { digest: _, ...content } = record;
  const charged = evaluations.map((each) => ({ why: 'evaluation', record: each.digest }));
  return sealRecord({ ...content, charged: [...record.charged, ...charged] });
}

/** Reads what made the model in a folder or .gguf file. Throws TrainError where its lineage is damaged. */
export async function readModelOrigin(path: string): Promise<ModelOrigin> {
  const weights = await hashWeights(path);
  const run = findRunAbove(path);
  const name = run ? `${basename(run)}/${basename(resolve(path))}` : basename(resolve(path));
  const lineage = readLineage(run ?? path);
  if (lineage === null) return { name, weights, record: null, ancestors: [] };
  const evaluations = readEvaluations(run ?? path);
  const record = withEvaluations(
    toRecord(lineage, name, run ? (readLineage(path)?.weights ?? weights) : lineage.weights),
    evaluations,
  );
  return { name, weights, record, ancestors: mergeRecords(lineage.ancestors, evaluations) };
}

/** What a lineage says of models: links to them, and the records behind the links. */
export type ModelLinks = Pick<Lineage, 'parents' | 'ancestors'>;

/** Returns the parents and ancestors of a run that begins from models, by what they are to it. */
export async function readParents(
  models: readonly { readonly role: string; readonly path: string }[],
): Promise<ModelLinks> {
  const origins = await Promise.all(models.map(async ({ role, path }) => ({ role, ...(await readModelOrigin(path)) })));
  return {
    parents: origins.map(({ role, name, weights, record }) => ({
      role,
      name,
      weights: weights ?? '',
      record: record?.digest ?? null,
    })),
    ancestors: mergeRecords(...origins.map(({ record, ancestors }) => (record ? [record, ...ancestors] : ancestors))),
  };
}

/** What a lineage says of a teacher. */
export type TeacherLinks = Pick<Lineage, 'teachers' | 'ancestors'>;

/** Returns the teacher of a run. `path`: its folder or .gguf file; null behind an API. */
export async function readTeacher(name: string, path: string | null, tokens: number): Promise<TeacherLinks> {
  if (path === null) return { teachers: [{ name, weights: null, tokens, record: null }], ancestors: [] };
  const { weights, record, ancestors } = await readModelOrigin(path);
  return {
    teachers: [{ name, weights, tokens, record: record?.digest ?? null }],
    ancestors: mergeRecords(record ? [record] : [], ancestors),
  };
}

/** Says what was found to be wrong with the lineage of a model that a run begins from. */
export function describeEdits(path: string): string[] {
  const folder = findRunAbove(path) ?? path;
  return existsSync(lineagePath(folder)) ? findEdits(folder) : [];
}
