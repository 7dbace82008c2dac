// The three kinds of runs: the file that says how one was begun, the events it writes, the verb that goes on with it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { distilEventSchema, distilFiles } from '../distill/index.ts';
import { rlEventSchema, rlFiles } from '../rl/index.ts';
import { eventSchema, type Lineage } from '../train/index.ts';

export type RunKind = Lineage['kind'];

interface KindFacts {
  /** The resolved recipe. */
  readonly config: string;
  readonly events: z.ZodType;
  /** Of the command line. */
  readonly verb: string;
}

export const runKinds: Readonly<Record<RunKind, KindFacts>> = {
  pretraining: { config: 'config.json', events: eventSchema, verb: 'pretrain' },
  reinforcement: { config: rlFiles.config, events: rlEventSchema, verb: 'rl' },
  distillation: { config: distilFiles.config, events: distilEventSchema, verb: 'distil' },
};

/** config.json last: a checkpoint of any kind has one too. */
const order: readonly RunKind[] = ['reinforcement', 'distillation', 'pretraining'];

/** Null while a run is prepared, and for what was refused before its first step. */
export function kindOf(folder: string): RunKind | null {
  return order.find((kind) => existsSync(join(folder, runKinds[kind].config))) ?? null;
}
