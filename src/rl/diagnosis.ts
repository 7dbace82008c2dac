// What goes wrong in reinforcement learning, in words: a pure watcher of step events.
//
// Each sentence says what is seen and what to do. It is said once, and again only after its cause had gone. Means are
// over the last ten steps, so that one odd batch raises nothing. What goes wrong elsewhere: issues of TRL, verl and
// TinyZero about groups without signal, length bias, entropy collapse and format hacking.
import type { RlStepEvent } from './events.ts';

export interface Finding {
  readonly kind:
    | 'mismatch'
    | 'resamplings-used-up'
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

  #trends(): Finding[] {
    const mean = (steps: readonly Seen[], of: (s: Seen) => number | null) => {
      const values = steps.map(of).filter((value) => value !== null);
      return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    const before = (of: (s: Seen) => number | null) => mean(this.#first, of);
    const now = (of: (s: Seen) => number | null) => mean(this.#last, of);
    const silent = now((s) => s.silentGroups);
    const accuracy = now((s) => s.accuracy);
    const found: Finding[] = [];
    const add = (isSo: boolean, kind: Finding['kind'], message: string) => isSo && found.push({ kind, message });
    add(
      silent > 0.7 && accuracy > 0.5,
      'no-signal-easy',
      `${percent(silent)} of groups carry no signal, for nearly all answers are right: raise the difficulty, or ask others in their place (resamplings)`,
    );
    add(
      silent > 0.7 && accuracy <= 0.5,
      'no-signal-hard',
      `${percent(silent)} of groups carry no signal, for nearly all answers earn the same low reward: lower the difficulty, raise groupSize, or train the base further`,
    );
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
