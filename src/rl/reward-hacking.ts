// Whether a reward model is being gamed: its score rises while what rules can check falls.
//
// R1 gives preference rewards only in its last 400 steps, because longer training on them leads to reward hacking
// (report, 3.1). Here the run watches for it: over the last two spans of steps, the reward model's score has risen and
// the reward by rules has fallen, each by more than two standard errors of the difference. Contract: the state is part
// of a checkpoint, so that a resumed run stops where it would have stopped.
import { mean, sampleVariance } from '../math/index.ts';

/** Steps of each of the two spans that are compared. */
const span = 8;
/** Standard errors that a change must exceed. */
const errors = 2;

/** What each of the last steps gave: the reward model's mean score and the mean reward by rules. */
export type RewardHistory = readonly { readonly score: number; readonly rules: number }[];

/** Returns the change from the first half to the second, 0 where it is within noise. */
function change(values: readonly number[]): number {
  const [before, after] = [values.slice(0, span), values.slice(span)];
  const difference = mean(after) - mean(before);
  const noise = Math.sqrt((sampleVariance(before) + sampleVariance(after)) / span);
  return Math.abs(difference) > errors * noise ? difference : 0;
}

export class RewardHackingWatch {
  #history: RewardHistory;

  /** `history`: that of a checkpoint. */
  constructor(history: RewardHistory = []) {
    this.#history = history;
  }

  /** The last steps, as JSON. */
  get history(): RewardHistory {
    return this.#history;
  }

  /** Whether the steps that the watch has seen show it; said again after a resume. */
  get isGamed(): boolean {
    if (this.#history.length < 2 * span) return false;
    const [score, rules] = [this.#history.map((each) => each.score), this.#history.map((each) => each.rules)];
    return change(score) > 0 && change(rules) < 0;
  }

  /** Takes a step. Returns a sentence where the reward model is gamed. */
  see(score: number, rules: number): string | null {
    this.#history = [...this.#history, { score, rules }].slice(-2 * span);
    if (!this.isGamed) return null;
    const halves = (values: readonly number[]) =>
      `${mean(values.slice(0, span)).toFixed(3)} to ${mean(values.slice(span)).toFixed(3)}`;
    return (
      `the reward model's score rose from ${halves(this.#history.map((each) => each.score))} within ${2 * span} ` +
      `steps while the reward by rules fell from ${halves(this.#history.map((each) => each.rules))}: the run ends ` +
      'here, before the reward model is gamed further'
    );
  }
}
