// Gates: what a stage must prove before the next one starts, and the sentence that says what was found instead.
//
// Contract: a gate is a function of the evaluations of the stages, and of the events of the stage's run where it asks
// for them. A stage that fails its gate is not run again by itself: more of the same gives the same bits.
import { join } from 'node:path';
import type { Evaluation } from '../eval/index.ts';
import { formatPercent, mean } from '../math/index.ts';
import { findKind, runKinds } from '../runs/index.ts';
import { smallTalkTask } from '../tasks/index.ts';
import { readEvents, runFiles, TrainError } from '../train/index.ts';

/** What is measured: by the evaluations of the stage's model, or by the last such event of its run. */
export type Measure =
  | { readonly of: 'accuracy' | 'format' | 'language'; readonly task?: string }
  | { readonly event: string; readonly field: string };

/** One requirement. */
export interface Requirement {
  readonly measure: Measure;
  /** The measure in words, as in "pairwise accuracy". */
  readonly name: string;
  /** A share, or that of an earlier stage less some points. */
  readonly atLeast: number | { readonly stage: string; readonly minus: number };
  /** What to do where it is less. */
  readonly remedy: string;
}

interface Gated {
  readonly name: string;
  readonly gate?: readonly Requirement[];
}

type Evaluations = Readonly<Record<string, readonly Evaluation[]>>;

/** Returns the mean of a measure over tasks; small talk counts only where it is asked for. */
export function measureStage(
  evaluations: readonly Evaluation[],
  { of, task }: Extract<Measure, { readonly of: string }>,
): number {
  const own = evaluations.filter((each) => (task === undefined ? each.task !== smallTalkTask : each.task === task));
  return mean(own.map((each) => (of === 'accuracy' ? each.passAt1.mean : each[of])));
}

/** Returns a field of the last event of a name; null where there is none. */
function readEventNumber(run: string, event: string, field: string): number | null {
  const kind = findKind(run, runKinds);
  const last = kind && readEvents(join(run, runFiles.events), kind.events).findLast((each) => each.event === event);
  const value = (last as Readonly<Record<string, unknown>> | undefined)?.[field];
  return typeof value === 'number' ? value : null;
}

export interface Finding {
  readonly sentence: string;
  readonly isPassed: boolean;
  readonly remedy: string;
}

/** Checks each requirement of a stage's gate. `root`: the folder of the stages. */
export function checkGate({ name, gate = [] }: Gated, root: string, evaluations: Evaluations): Finding[] {
  return gate.map(({ measure, name: measured, atLeast, remedy }) => {
    const find = (stage: string) =>
      'of' in measure
        ? measureStage(evaluations[stage] ?? [], measure)
        : (readEventNumber(join(root, stage), measure.event, measure.field) ?? Number.NaN);
    const found = find(name);
    const expected = typeof atLeast === 'number' ? atLeast : find(atLeast.stage) - atLeast.minus;
    const reason = typeof atLeast === 'number' ? '' : `, that of ${atLeast.stage} less ${formatPercent(atLeast.minus)}`;
    const sentence =
      `${measured} ${formatPercent(found, 1)} after ${name}, ` +
      `at least ${formatPercent(expected, 1)} expected${reason}`;
    return { sentence, isPassed: found >= expected, remedy };
  });
}

/** Throws TrainError where a stage's gate is not passed and the stage is not accepted as it is. */
export function expectPassed(stage: string, findings: readonly Finding[], accepted: readonly string[]): void {
  const failed = findings.filter(({ isPassed }) => !isPassed);
  if (failed.length === 0 || accepted.includes(stage)) return;
  throw new TrainError(
    `gate of ${stage}`,
    failed.map(({ sentence }) => sentence).join('; '),
    `${failed.map(({ remedy }) => remedy).join('; ')}; remove its folder to run it again, or go on with ` +
      `--accept ${stage}`,
  );
}
