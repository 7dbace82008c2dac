// Watches the evaluations of a run: says what got worse, knows the best checkpoint, and when to stop early.
//
// While a run goes on only large falls are reported, each once and again only after it has gone; at its end every one
// that is larger than chance explains, and every task of which nothing is correct.
import { type BestCheckpoint, readBestCheckpoint, writeBestCheckpoint } from './best-checkpoint.ts';
import type { RunEvent } from './description.ts';
import { HeldOutHistory, type HeldOutMetric, type Regression } from './held-out.ts';

/**
 * The share of evaluations without any real fall in which chance may name one: while the run goes on, and at its end.
 * Both hold for problems of equal difficulty; where some are easy and some are hard, chance names far fewer.
 */
const falseAlarmRates = { running: 0.005, ended: 0.1 } as const;

export interface HeldOutAlarm {
  readonly kind: 'held-out-regression' | 'nothing-correct';
  readonly message: string;
}

export class HeldOutWatch {
  readonly #run: string;
  readonly #history: HeldOutHistory;
  /** What the last evaluation showed. */
  #seen: ReadonlySet<string>;
  /** What was reported, word for word. */
  readonly #reported: Set<string>;

  /** `earlier`: the events of the run until the step that it continues from. */
  constructor(run: string, metric: HeldOutMetric, earlier: readonly RunEvent[]) {
    this.#run = run;
    this.#history = new HeldOutHistory(metric, earlier);
    this.#reported = new Set(
      earlier.flatMap((event) => (event.event === 'alarm' && 'message' in event ? [`${event.message}`] : [])),
    );
    this.#seen = new Set(this.#findings('running').map(({ name }) => name));
  }

  add(event: RunEvent): void {
    this.#history.add(event);
  }

  /** The step whose checkpoint is to be kept; null where it is that of no checkpoint. */
  get bestStep(): number | null {
    const step = this.#history.best?.step ?? 0;
    return step === 0 ? null : step;
  }

  /** Returns what is worse now, where it was not reported before. `phase`: whether the run goes on. */
  alarms(phase: 'running' | 'ended'): HeldOutAlarm[] {
    const found = this.#findings(phase);
    const fresh = found.filter(
      ({ name, message }) => !this.#reported.has(message) && (phase === 'ended' || !this.#seen.has(name)),
    );
    this.#seen = new Set(found.map(({ name }) => name));
    for (const { message } of fresh) this.#reported.add(message);
    return fresh.map(({ kind, message }) => ({ kind, message }));
  }

  /** Writes best.json where the best evaluation is another one. */
  async writeBest(): Promise<void> {
    const { best, metric } = this.#history;
    if (best === undefined) return;
    const named: BestCheckpoint = { step: best.step, metric: metric.label, score: this.#history.score(best) };
    if (readBestCheckpoint(this.#run)?.step !== best.step) await writeBestCheckpoint(this.#run, named);
  }

  /** Returns why a run ends early: it did not exceed its best score in `patience` evaluations. Null: it goes on. */
  reasonToStop(patience: number): string | null {
    const { evaluationsSinceBest: count } = this.#history;
    if (count < patience) return null;
    return `stopped early: none of the ${count} evaluations since the best one was better`;
  }

  describeBest(): string | null {
    return this.#history.describeBest();
  }

  /** Returns what is wrong, with the name of what it is about. */
  #findings(phase: 'running' | 'ended'): (HeldOutAlarm & { readonly name: string })[] {
    const { metric, last } = this.#history;
    const falls = this.#history.regressions(falseAlarmRates[phase]).map((regression) => {
      const name = this.#name(regression.group);
      return { kind: 'held-out-regression' as const, name, message: `${name} ${this.#describeFall(regression)}` };
    });
    if (phase === 'running' || metric.format !== 'percent') return falls;
    const zeros = [...(last?.values ?? [])].flatMap(([group, { value }]) => {
      if (value !== 0) return [];
      const name = this.#name(group);
      const what = 'is 0 at the end: not one answer is correct; begin from a model that has some correct answers';
      return [{ kind: 'nothing-correct' as const, name, message: `${name} ${what}` }];
    });
    return [...falls.filter(({ name }) => !zeros.some((zero) => zero.name === name)), ...zeros];
  }

  #name(group: string): string {
    const { label } = this.#history.metric;
    return group === '' ? `the ${label}` : `the ${label} of ${group}`;
  }

  #describeFall({ best, last, first }: Regression): string {
    const { metric } = this.#history;
    const [before, now, began] = [best, last, first].map((each) => this.#history.describe(each));
    const start = best.step === this.#history.first?.step ? '' : `; it began at ${began}`;
    return (
      `${metric.isHigherBetter ? 'fell' : 'rose'} from ${before} at step ${best.step} to ${now} at step ` +
      `${last.step}, more than chance explains${start}: ${metric.remedy}`
    );
  }
}
