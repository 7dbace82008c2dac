// A folder of readable examples: traces of a teacher, and the conversations that are made of them.
//
// Contract: collected in any number of calls, the files have the same bytes (traces.ts); collection.json is written
// last and says that all are there. It names the teacher's weights and the hash of the conversations, which stands in
// the lineage of every model that learns from them.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { hashFile } from '../corpus/index.ts';
import { isAddress } from '../eval/index.ts';
import type { Device } from '../kernels/index.ts';
import { sum } from '../math/index.ts';
import { Job, readTeacher, TrainError, writeLineage } from '../train/index.ts';
import type { CollectionConfig } from './distill-recipe.ts';
import { type ReadableOptions, toReadableExamples } from './readable.ts';
import { openTeacher } from './teacher.ts';
import { countAnswers } from './teacher-flops.ts';
import { type CollectOptions, collectTraces, readAnswered, readTraces } from './traces.ts';

/** The files of a collection besides its traces. */
export const collectionFiles = { conversations: 'conversations.jsonl', record: 'collection.json' } as const;

const recordSchema = z.object({
  teacher: z.string(),
  /** sha256 of the teacher's weights; null behind an API. */
  weights: z.string().nullable(),
  traces: z.number(),
  conversations: z.number(),
  /** sha256 of conversations.jsonl. */
  sha256: z.string(),
  seconds: z.number(),
});

export type CollectionRecord = z.infer<typeof recordSchema>;

/** Reads the record of a collection; null where it is not complete. */
export function readCollection(folder: string): CollectionRecord | null {
  const file = join(folder, collectionFiles.record);
  return existsSync(file) ? recordSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) : null;
}

/**
 * Collects traces and writes the examples of them. Rejects with the signal's reason where that aborts; a second call
 * continues. Throws TrainError where no trace is readable.
 */
export async function collectExamples(
  folder: string,
  config: CollectionConfig,
  { device, ...options }: CollectOptions & ReadableOptions & { readonly device: Device },
): Promise<CollectionRecord> {
  const began = performance.now();
  const { seed, ...asked } = config;
  const job = new Job({ kind: 'collection', device, seed, config: asked, origin: { initial: null }, runs: null });
  mkdirSync(folder, { recursive: true });
  const teacher = await openTeacher(config, device);
  try {
    await collectTraces(folder, config, teacher, options);
  } finally {
    await teacher.close();
  }
  options.signal?.throwIfAborted();
  const traces = readTraces(folder);
  const examples = toReadableExamples(traces, options);
  if (examples.length === 0)
    throw new TrainError(
      folder,
      `none of ${traces.length} correct answers of ${teacher.name} is readable`,
      'look at traces.jsonl; train the teacher further, or choose easier tasks',
    );
  const file = join(folder, collectionFiles.conversations);
  writeFileSync(file, examples.map((example) => `${JSON.stringify(example)}\n`).join(''));
  const record: CollectionRecord = {
    teacher: teacher.name,
    weights: teacher.weights,
    traces: traces.length,
    conversations: examples.length,
    sha256: await hashFile(file),
    seconds: (performance.now() - began) / 1000,
  };
  const data = { hash: record.sha256, tokenizer: '', documents: examples.length, tokens: 0, sources: [] };
  const tokens = sum(readAnswered(folder).map((each) => each.tokens));
  const path = isAddress(config.teacher) ? null : config.teacher;
  const changes = { data, ...(await readTeacher(teacher.name, path, tokens)) };
  const work = { teacher: await countAnswers(folder, config.teacher) };
  await writeLineage(folder, await job.end({ status: 'completed', reason: 'collected', work, changes }));
  writeFileSync(join(folder, collectionFiles.record), JSON.stringify(record));
  return record;
}
