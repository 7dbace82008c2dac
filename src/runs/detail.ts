// All that a run's folder says: its recipe, its lineage, what it came to, the last lines it printed.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { type DistilEvent, distilEventSchema } from '../distill/index.ts';
import { readJson } from '../model/checkpoint/index.ts';
import { type RlEvent, rlEventSchema } from '../rl/index.ts';
import { ApiError } from '../server/index.ts';
import { type Lineage, readEvents, readLineage, TrainError } from '../train/index.ts';
import { lastLines } from './event-lines.ts';
import { distilFacts, type Fact, pretrainingFacts, rlFacts } from './facts.ts';
import { kindOf, type RunKind, runKinds } from './kind.ts';
import type { RunDetail, RunSummary } from './protocol.ts';
import { runFiles } from './run-folder.ts';

const consoleBytes = 4096;

function factsOf(folder: string, kind: RunKind, lineage: Lineage): Fact[] {
  const path = join(folder, runFiles.events);
  switch (kind) {
    case 'pretraining':
      return pretrainingFacts(readEvents(path), lineage);
    case 'reinforcement':
      return rlFacts(readEvents<RlEvent>(path, rlEventSchema), lineage);
    case 'distillation':
      return distilFacts(readEvents<DistilEvent>(path, distilEventSchema), lineage);
  }
}

/** Files that are damaged are told as such. Throws ApiError 422. */
function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof TrainError) throw new ApiError(422, error.message, { code: 'damaged_run' });
    const problem = error instanceof Error ? error.message : String(error);
    throw new ApiError(422, `a file of this run cannot be read: ${problem.slice(0, 300)}`, { code: 'damaged_run' });
  }
}

/** Schema of the events of a run; none is known before its recipe is. */
export function eventSchemaOf(folder: string): z.ZodType {
  return runKinds[kindOf(folder) ?? 'pretraining'].events;
}

export async function detailOf(folder: string, run: RunSummary): Promise<RunDetail> {
  const kind = kindOf(folder);
  const lineage = readable(() => readLineage(folder));
  const path = join(folder, runFiles.console);
  return {
    run,
    facts: kind && lineage ? readable(() => factsOf(folder, kind, lineage)) : [],
    config: kind && readable(() => readJson(join(folder, runKinds[kind].config))),
    lineage,
    console: existsSync(path) ? [...(await lastLines(path, consoleBytes))] : [],
  };
}
