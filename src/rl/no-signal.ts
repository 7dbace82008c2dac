// The end of a run whose groups carry no signal: after some steps in a row in which nearly all are zero-variance.
//
// Contract: the count is part of the trainer's state, so a resumed run ends at the same step.
import { formatPercent, mean } from '../math/index.ts';
import { cutOff } from './collect.ts';
import type { RlStepEvent } from './events.ts';
import type { RlConfig } from './rl-recipe.ts';

type StepFields = Omit<RlStepEvent, 'event' | 'time'>;

/** Why groups carry no signal, and what helps. */
export interface NoSignalCause {
  readonly kind: 'no-signal-form' | 'no-signal-easy' | 'no-signal-hard';
  readonly problem: string;
  readonly remedy: string;
}

/** Returns the most frequent format problem over some steps, and its share of the responses. */
function commonProblem(steps: readonly StepFields[]): readonly [problem: string, share: number] {
  const sums = new Map<string, number>();
  for (const { formProblems } of steps)
    for (const [problem, share] of Object.entries(formProblems))
      sums.set(problem, (sums.get(problem) ?? 0) + share / steps.length);
  return [...sums].reduce((most, each) => (most[1] >= each[1] ? most : each), ['', 0]);
}

/** Explains why rewards do not differ over some steps: the format, or problems that are too easy or too hard. */
export function explainNoSignal(steps: readonly StepFields[]): NoSignalCause {
  const zeroVariance = mean(steps.map((step) => step.silentGroups));
  const malformed = mean(steps.map((step) => step.formlessGroups));
  const seen = `${formatPercent(zeroVariance)} of groups carry no signal`;
  if (malformed > zeroVariance / 2) {
    const [problem, share] = commonProblem(steps);
    const remedy =
      problem === cutOff
        ? 'raise maxTokens'
        : 'raise groupSize, keep rewards.format above 0, or let the base read more worked examples with tags';
    return {
      kind: 'no-signal-form',
      problem:
        `${seen}, ${formatPercent(malformed)} because no response is well-formed (${formatPercent(share)} of ` +
        `responses: ${problem})`,
      remedy: `${remedy}; the difficulty is not the cause`,
    };
  }
  if (mean(steps.map((step) => step.accuracy)) > 0.5)
    return {
      kind: 'no-signal-easy',
      problem: `${seen}, because nearly all answers are correct`,
      remedy: 'raise the difficulty, or replace such groups (resamplings)',
    };
  return {
    kind: 'no-signal-hard',
    problem: `${seen}, because nearly all answers earn the same low reward`,
    remedy: 'lower the difficulty, raise groupSize, or train the base further',
  };
}

/** Counts steps without signal. */
export class NoSignal {
  readonly #limit: RlConfig['noSignal'];
  #recent: StepFields[] = [];
  #count: number;

  /** `count`: the steps without signal before the first one that it sees. */
  constructor(limit: RlConfig['noSignal'], count = 0) {
    this.#limit = limit;
    this.#count = count;
  }

  /** Steps in a row without signal. */
  get count(): number {
    return this.#count;
  }

  /** Looks at one step. Returns why the run ends, or null where it goes on. */
  see(step: StepFields): NoSignalCause | null {
    const { above, steps } = this.#limit;
    const isSilent = step.silentGroups > above;
    this.#count = isSilent ? this.#count + 1 : 0;
    this.#recent = isSilent ? [...this.#recent, step] : [];
    if (steps === 0 || this.#count < steps) return null;
    const cause = explainNoSignal(this.#recent);
    return { ...cause, problem: `${this.#count} steps in a row: ${cause.problem}` };
  }
}
