// evaluations.jsonl beside a lineage: the records of evaluations that others than its run made of a model, one a line.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonLines } from './event-log.ts';
import { type LineageRecord, recordSchema } from './lineage-record.ts';

const file = 'evaluations.jsonl';

/** Reads the evaluations of a run or model; none of a .gguf file. Throws TrainError where a line is no record. */
export function readEvaluations(folder: string): LineageRecord[] {
  return folder.endsWith('.gguf') ? [] : readJsonLines(join(folder, file), recordSchema, 'record of an evaluation');
}

export function addEvaluation(folder: string, record: LineageRecord): void {
  appendFileSync(join(folder, file), `${JSON.stringify(record)}\n`);
}
