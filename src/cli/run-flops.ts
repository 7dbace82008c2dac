// The FLOPs of a distillation or of reinforcement learning that an ablation compares, from its lineage.
//
// What counts: every token that the student generates, reads or learns from, the pass of the reference in reinforcement
// learning, and every token that the teacher generated, kept or not, or read for its distributions. What does not:
// evaluations, which are alike for all, steps that were lost, and what trained the teacher.
import { distill } from '../distill/index.ts';
import { rl } from '../rl/index.ts';
import { holdsRun, readLineage, TrainError } from '../train/index.ts';

export interface RunFlops {
  readonly student: number;
  readonly teacher: number;
}

/** Reads the FLOPs of a run. Throws TrainError where it is of another kind, or was not counted. */
export function readRunFlops(run: string): RunFlops {
  if (!holdsRun(run, distill) && !holdsRun(run, rl))
    throw new TrainError(run, 'is neither a distillation nor reinforcement learning', 'compare runs of these kinds');
  const work = readLineage(run)?.work ?? null;
  if (work === null) throw new TrainError(run, 'is older than the count of FLOPs', 'run it again in another folder');
  return { student: work.training + work.inference, teacher: work.teacher };
}
