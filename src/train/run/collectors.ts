// Who wrote the files that a run learns from, where a collection wrote them and its lineage is beside them.
import { dirname, resolve } from 'node:path';
import { hashFile } from '../../corpus/index.ts';
import { readModelOrigin } from './ancestry.ts';
import { readLineage } from './lineage.ts';
import { mergeRecords } from './lineage-record.ts';
import type { Origin } from './lineage-session.ts';

/** Returns the teachers, and the collections that a run pays for, of those inputs that are files as collected. */
export async function readCollectors(inputs: readonly unknown[]): Promise<NonNullable<Origin['written']>> {
  const files = inputs.filter((input) => typeof input === 'string').map((file) => resolve(file));
  let written: NonNullable<Origin['written']> = { teachers: [], charged: [], ancestors: [] };
  for (const file of files) {
    const lineage = readLineage(dirname(file));
    if (lineage?.kind !== 'collection' || lineage.data?.hash !== (await hashFile(file))) continue;
    const { record, ancestors } = await readModelOrigin(dirname(file));
    if (record === null) continue;
    written = {
      teachers: [...written.teachers, ...lineage.teachers],
      charged: [...written.charged, { why: 'collection', record: record.digest }],
      ancestors: mergeRecords(written.ancestors, [record], ancestors),
    };
  }
  return written;
}
