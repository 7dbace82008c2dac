// How a run does on held-out data, from its first evaluation on: its scores, the best of them, and what fell.
//
// Contract: all of it follows from the events alone, so that a resumed run knows what it would have known. A fall
// counts where it is larger than chance explains. Of each task the last evaluation is compared with the best one before
// it; the p-value is multiplied by the number of evaluations before (Bonferroni), and of several tasks those are named
// that Benjamini and Hochberg's rule names (1995, the false discovery rate). The two evaluations count as independent,
// although they ask the same problems: that makes false alarms rarer.
import { formatPercent, mean, normalTail } from '../../math/index.ts';
import { checkpointName, type NumberFormat, type RunEvent } from './description.ts';

/** What a kind of run is judged by: a field of its evaluations, and its 95 % interval in the field `margin`. */
export interface HeldOutMetric {
  /** For people: `held-out accuracy`. */
  readonly label: string;
  readonly field: string;
  readonly isHigherBetter: boolean;
  readonly format: NumberFormat;
  /** The fields that tell the evaluations of one step apart, such as task and difficulty. */
  readonly groupBy: readonly string[];
  /** What to do where it got worse. */
  readonly remedy: string;
}

interface Measured {
  readonly value: number;
  /** Half of its 95 % interval; null where it was not measured. */
  readonly margin: number | null;
  /** Its standard error, likewise. */
  readonly error: number | null;
}

export interface HeldOutEvaluation {
  readonly step: number;
  /** By the values of groupBy: `countdown 3`. */
  readonly values: ReadonlyMap<string, Measured>;
}

/** A value that fell, from the best evaluation of its task to the last. */
export interface Regression {
  /** `countdown 3`; empty where the metric has no groups. */
  readonly group: string;
  readonly best: Measured & { readonly step: number };
  readonly last: Measured & { readonly step: number };
  readonly first: Measured;
}

/** The normal quantile of a 95 % interval. */
const interval = 1.96;
/** A value without an interval counts as worse from this share of it on. */
const tolerance = 0.02;

/**
 * Returns the standard error of an evaluation. A share of problems counts one problem more, half of it correct, so that
 * an evaluation of which all is correct, or nothing, has an error too.
 */
function standardError(event: Readonly<Record<string, unknown>>, value: number): number | null {
  const { margin, problems } = event;
  if (typeof margin !== 'number') return null;
  const variance = (margin / interval) ** 2;
  if (typeof problems !== 'number') return Math.sqrt(variance);
  return Math.sqrt((variance * (problems - 1)) / problems + ((0.5 - value) / problems) ** 2);
}

export class HeldOutHistory {
  readonly metric: HeldOutMetric;
  readonly #evaluations: HeldOutEvaluation[] = [];

  constructor(metric: HeldOutMetric, events: readonly RunEvent[] = []) {
    this.metric = metric;
    for (const event of events) this.add(event);
  }

  /** Adds what an event measured; events of other names, and without the field, are passed over. */
  add(event: RunEvent): void {
    const { field, groupBy } = this.metric;
    const fields = event as RunEvent & Readonly<Record<string, unknown>>;
    const value = fields[field] as number;
    const { step } = event;
    if (event.event !== 'evaluated' || step === undefined || !Number.isFinite(value)) return;
    const group = groupBy.map((name) => fields[name]).join(' ');
    const margin = typeof fields.margin === 'number' ? fields.margin : null;
    const measured = { value, margin, error: standardError(fields, value) };
    const before = this.last?.step === step ? this.#evaluations.pop() : undefined;
    this.#evaluations.push({ step, values: new Map([...(before?.values ?? []), [group, measured]]) });
  }

  get first(): HeldOutEvaluation | undefined {
    return this.#evaluations[0];
  }

  get last(): HeldOutEvaluation | undefined {
    return this.#evaluations.at(-1);
  }

  /** The evaluation with the best score, of equal ones the first. */
  get best(): HeldOutEvaluation | undefined {
    const worth = (each: HeldOutEvaluation) => this.#worth(this.score(each));
    return this.#evaluations.reduce<HeldOutEvaluation | undefined>(
      (best, each) => (best === undefined || worth(each) > worth(best) ? each : best),
      undefined,
    );
  }

  /** The number of evaluations after the best one. */
  get evaluationsSinceBest(): number {
    const { best } = this;
    return best === undefined ? 0 : this.#evaluations.length - 1 - this.#evaluations.indexOf(best);
  }

  /** Returns the mean over the groups. */
  score({ values }: HeldOutEvaluation): number {
    return mean([...values.values()].map(({ value }) => value));
  }

  /** Returns a value for people, with its interval where one was measured. */
  describe({ value, margin }: Pick<Measured, 'value' | 'margin'>): string {
    const write = (x: number) => (this.metric.format === 'percent' ? formatPercent(x, 1) : x.toFixed(4));
    return margin === null ? write(value) : `${write(value)} ± ${write(margin)}`;
  }

  /** Says which evaluation was the best one, and where its checkpoint is; null where nothing was reached. */
  describeBest(): string | null {
    const { best, metric } = this;
    if (best === undefined || (metric.isHigherBetter && this.score(best) === 0)) return null;
    const score = this.describe({ value: this.score(best), margin: null });
    const place =
      best.step === 0 ? 'that of the model that the run began from' : `in checkpoints/${checkpointName(best.step)}`;
    return `the best ${metric.label} is ${score} at step ${best.step}, ${place}`;
  }

  /**
   * Returns what is worse in the last evaluation than before. `rate`: the share of evaluations without any real fall in
   * which chance may name one.
   */
  regressions(rate: number): Regression[] {
    const { first, last } = this;
    const earlier = this.#evaluations.slice(0, -1);
    if (first === undefined || last === undefined || earlier.length === 0) return [];
    const compared = [...last.values].flatMap(([group, now]) => {
      const [best] = earlier
        .flatMap(({ step, values }) => {
          const measured = values.get(group);
          return measured === undefined ? [] : [{ ...measured, step }];
        })
        .toSorted((a, b) => this.#worth(b.value) - this.#worth(a.value));
      if (best === undefined) return [];
      const chance = Math.min(1, earlier.length * this.#chance(best, now));
      return [{ group, best, last: { ...now, step: last.step }, first: first.values.get(group) ?? best, chance }];
    });
    compared.sort((a, b) => a.chance - b.chance);
    const named = compared.findLastIndex(({ chance }, i) => chance <= (rate * (i + 1)) / compared.length) + 1;
    return compared.slice(0, named);
  }

  #worth(value: number): number {
    return this.metric.isHigherBetter ? value : -value;
  }

  /** Returns the probability of such a fall, or a larger one, where nothing changed. */
  #chance(before: Measured, now: Measured): number {
    const fall = this.#worth(before.value) - this.#worth(now.value);
    if (fall <= 0) return 1;
    if (before.error === null || now.error === null) return fall > tolerance * Math.abs(before.value) ? 0 : 1;
    const error = Math.hypot(before.error, now.error);
    return error === 0 ? 0 : normalTail(fall / error);
  }
}
