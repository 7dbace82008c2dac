// What a run computed, by the counting rules of model/cost.ts, from the tokens that each pass really read.
//
// Counted: forward and backward passes that teach, passes that generate or read without teaching (rollouts, references,
// reward models), evaluations and samples, and what a teacher on this machine computes. Padding, recomputation and
// graders are left out. Steps that a killed session lost are superseded: they were paid for and taught nothing.
import { z } from 'zod';

const amount = z.number().nonnegative();

export const workSchema = z.object({
  /** FLOPs, as what follows. */
  training: amount,
  inference: amount,
  evaluation: amount,
  teacher: amount,
  superseded: amount,
  /** Tokens that the trained model generated, in rollouts, evaluations and samples. */
  generated: amount,
});

export type Work = z.infer<typeof workSchema>;

export const noWork: Work = { training: 0, inference: 0, evaluation: 0, teacher: 0, superseded: 0, generated: 0 };

/** Returns the FLOPs of all of a run's work. */
export function totalFlops({ training, inference, evaluation, teacher, superseded }: Work): number {
  return training + inference + evaluation + teacher + superseded;
}

export function addWork(work: Work, added: Partial<Work>): Work {
  const names = Object.keys(noWork) as (keyof Work)[];
  return Object.fromEntries(names.map((name) => [name, work[name] + (added[name] ?? 0)])) as Work;
}

/** Returns the FLOPs of the work that is predicted: without evaluations, and without steps that were lost. */
export function predictedFlops({ work, flops }: { readonly work: Work | null; readonly flops: number }): number {
  return work ? flops - work.evaluation - work.superseded : flops;
}

/** What a run is expected to compute, from its recipe alone. */
export const predictionSchema = z.object({
  /** FLOPs of training, rollouts and teachers; evaluations are not predicted. */
  flops: amount,
  /** null: unknown without a measurement of this machine. */
  hours: amount.nullable(),
  /** What the recipe does not say, in words. */
  assumes: z.array(z.string()),
});

export type Prediction = z.infer<typeof predictionSchema>;

/** What a model in training computes beside its steps, so far. */
interface Computing {
  readonly work: { readonly flops: number; readonly generated: number };
}

/** Awaits an action and counts what `source` computes meanwhile, also where it is stopped. */
export async function counting<T>(
  run: { count(added: Partial<Work>): void },
  purpose: 'inference' | 'evaluation',
  source: Computing,
  action: () => Promise<T>,
): Promise<T> {
  const before = source.work;
  try {
    return await action();
  } finally {
    const { flops, generated } = source.work;
    run.count({ [purpose]: flops - before.flops, generated: generated - before.generated });
  }
}
