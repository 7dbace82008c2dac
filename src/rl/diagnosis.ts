// What goes wrong in reinforcement learning, in words: a pure watcher of step events.
//
// Each sentence says what is seen and what to do. It is said once, and again only after its cause had gone. Means are
// over the last ten steps, so that one odd batch raises nothing. What goes wrong elsewhere: issues of TRL, verl and
// TinyZero about groups without signal, length bias, entropy collapse and format hacking.
import { cutOff } from './collect.ts';
import type { RlStepEvent } from './events.ts';

export interface Finding {
  readonly kind:
    | 'mismatch'
    | 'resamplings-used-up'
    | 'no-signal-form'
    | 'no-signal-easy'
    | 'no-signal-hard'
    | 'length-in-wrong'
    | 'entropy-collapse'
    | 'format-hacking'
    | 'kl-runaway'
    | 'truncation'
    | 'router-drift';
  readonly message: string;
}

type Seen = Omit<RlStepEvent, 'event' | 'time'>;

const span = 10;
const percent = (share: number) => `${Math.round(100 * share)} %`;

function mean(steps: readonly Seen[], of: (s: Seen) => number | null): number {
  const values = steps.map(of).filter((value) => value !== null);
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The commonest problem of the form over some steps, and its share of the responses. */
function commonestProblem(steps: readonly Seen[]): readonly [problem: string, share: number] {
  const sums = new Map<string, number>();
  for (const { formProblems } of steps)
    for (const [problem, share] of Object.entries(formProblems))
      sums.set(problem, (sums.get(problem) ?? 0) + share / steps.length);
  return [...sums].reduce((most, each) => (most[1] >= each[1] ? most : each), ['', 0]);
}

export class Diagnosis {
  readonly #first: Seen[] = [];
  #last: Seen[] = [];
  readonly #raised = new Set<string>();

  /** Looks at one step; returns what is newly wrong. */
  see(step: Seen): Finding[] {
    if (this.#first.length < span) this.#first.push(step);
    this.#last = [...this.#last, step].slice(-span);
    const found = this.#last.length < span ? this.#always(step) : [...this.#always(step), ...this.#trends()];
    const kinds = new Set<string>(found.map(({ kind }) => kind));
    const fresh = found.filter(({ kind }) => !this.#raised.has(kind));
    for (const kind of this.#raised) if (!kinds.has(kind)) this.#raised.delete(kind);
    for (const kind of kinds) this.#raised.add(kind);
    return fresh;
  }

  #always({ mismatch, rounds, filled }: Seen): Finding[] {
    const found: Finding[] = [];
    if (mismatch !== 0) {
      const message = `${mismatch} tokens have another log-probability in training than in the rollout: this is a bug in minke, please report it`;
      found.push({ kind: 'mismatch', message });
    }
    if (rounds > 1 && filled > 0) {
      const message = `${rounds} rounds of questions did not give enough groups with signal, ${filled} without stand in the batch: raise resamplings, or choose a difficulty at which some answers are right and some wrong`;
      found.push({ kind: 'resamplings-used-up', message });
    }
    return found;
  }

  /** Why groups are silent: the form, or problems that are too easy or too hard. */
  #silence(): Finding[] {
    const now = (of: (s: Seen) => number) => mean(this.#last, of);
    const silent = now((s) => s.silentGroups);
    const formless = now((s) => s.formlessGroups);
    if (silent <= 0.7) return [];
    const told = `${percent(silent)} of groups carry no signal`;
    if (formless > silent / 2) {
      const [problem, share] = commonestProblem(this.#last);
      const remedy =
        problem === cutOff
          ? 'raise maxTokens'
          : 'raise groupSize, keep rewards.format above 0, or let the base read more pages with tags';
      const message = `${told}, ${percent(formless)} because no response keeps the form (${percent(share)} of responses: ${problem}): ${remedy}; the difficulty is not the cause`;
      return [{ kind: 'no-signal-form', message }];
    }
    if (now((s) => s.accuracy) > 0.5) {
      const message = `${told}, for nearly all answers are right: raise the difficulty, or ask others in their place (resamplings)`;
      return [{ kind: 'no-signal-easy', message }];
    }
    const message = `${told}, for nearly all answers earn the same low reward: lower the difficulty, raise groupSize, or train the base further`;
    return [{ kind: 'no-signal-hard', message }];
  }

  #trends(): Finding[] {
    const before = (of: (s: Seen) => number | null) => mean(this.#first, of);
    const now = (of: (s: Seen) => number | null) => mean(this.#last, of);
    const accuracy = now((s) => s.accuracy);
    const found: Finding[] = this.#silence();
    const add = (isSo: boolean, kind: Finding['kind'], message: string) => isSo && found.push({ kind, message });
    const [right, wrong] = [(s: Seen) => s.tokensRight, (s: Seen) => s.tokensWrong];
    add(
      now(wrong) > 1.3 * before(wrong) &&
        now(right) < 1.1 * before(right) &&
        accuracy < before((s) => s.accuracy) + 0.05,
      'length-in-wrong',
      `length grows only in wrong answers (${before(wrong).toFixed(0)} to ${now(wrong).toFixed(0)} tokens): divide by a constant instead of each response's length (tokenWeight constant, advantage none)`,
    );
    const entropy = (s: Seen) => s.entropy;
    add(
      now(entropy) < 0.1 * before(entropy),
      'entropy-collapse',
      `the entropy fell from ${before(entropy).toFixed(3)} to ${now(entropy).toFixed(3)} nats a token, answers of a group are nearly alike: raise clipHigh to 0.28, lower the learning rate, or stop here`,
    );
    const format = now((s) => s.format);
    add(
      format > 0.9 && accuracy < 0.05 && now((s) => s.tokens) < 0.5 * before((s) => s.tokens),
      'format-hacking',
      `${percent(format)} keep the form and ${percent(accuracy)} are right, while answers became short: the form alone pays; lower rewards.format`,
    );
    add(
      now((s) => s.kl) > 1,
      'kl-runaway',
      `the model is ${now((s) => s.kl).toFixed(2)} nats a token away from its reference: lower the learning rate or raise klBeta`,
    );
    const truncated = now((s) => s.truncated);
    add(truncated > 0.3, 'truncation', `${percent(truncated)} of responses are cut off by maxTokens: raise it`);
    const vio = (s: Seen) => s.maxVio;
    add(
      now(vio) > 2 * before(vio) + 0.5,
      'router-drift',
      `the busiest expert moved from ${(1 + before(vio)).toFixed(1)} to ${(1 + now(vio)).toFixed(1)} times the mean load: the routers drift; lower the learning rate`,
    );
    return found;
  }
}
