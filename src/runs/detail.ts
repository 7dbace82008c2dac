// All that a run's folder holds for people: its recipe, its lineage, its results, the last lines it printed.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from '../model/checkpoint/index.ts';
import { ApiError } from '../server/index.ts';
import { type RunKind, readEvents, readLineage, TrainError } from '../train/index.ts';
import { readLastLines } from './event-lines.ts';
import type { RunDetail, RunSummary } from './protocol.ts';
import { runFiles } from './run-folder.ts';

const consoleBytes = 4096;

/** Reports files that are damaged. Throws ApiError 422. */
function expectReadable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof TrainError) throw new ApiError(422, error.message, { code: 'damaged_run' });
    const problem = error instanceof Error ? error.message : String(error);
    throw new ApiError(422, `a file of this run cannot be read: ${problem.slice(0, 300)}`, { code: 'damaged_run' });
  }
}

export async function readRunDetail(folder: string, run: RunSummary, kind: RunKind | null): Promise<RunDetail> {
  const lineage = expectReadable(() => readLineage(folder));
  const path = join(folder, runFiles.console);
  return {
    run,
    facts: expectReadable(() =>
      kind && lineage ? kind.facts(readEvents(join(folder, runFiles.events), kind.events), lineage) : [],
    ),
    config: kind && expectReadable(() => readJson(join(folder, kind.recipeFile))),
    lineage,
    console: existsSync(path) ? [...(await readLastLines(path, consoleBytes))] : [],
  };
}
