// What goes wrong in reinforcement learning, in words: a watcher of step events.
//
// Each finding says what is seen and what to do. It is raised once, and again only after its cause has gone. Means are
// over the last ten steps, so that one odd batch raises nothing. The causes are those that issues of TRL, verl and
// TinyZero describe: groups without signal, length bias, entropy collapse and format hacking.
import { formatPercent } from '../math/index.ts';
import type { RlStepEvent } from './events.ts';
import { explainNoSignal, type NoSignalCause } from './no-signal.ts';

export interface Finding {
  readonly kind:
    | 'mismatch'
    | 'far-tokens'
    | 'grader-faults'
    | 'resamplings-used-up'
    | NoSignalCause['kind']
    | 'length-in-wrong'
    | 'entropy-collapse'
    | 'format-hacking'
    | 'kl-runaway'
    | 'truncation'
    | 'router-drift';
  readonly message: string;
}

type StepFields = Omit<RlStepEvent, 'event' | 'time'>;

const span = 10;

function mean(steps: readonly StepFields[], value: (s: StepFields) => number | null): number {
  const values = steps.map(value).filter((x) => x !== null);
  return values.length === 0 ? 0 : values.reduce((sum, x) => sum + x, 0) / values.length;
}

export class Diagnosis {
  readonly #first: StepFields[] = [];
  #last: StepFields[] = [];
  readonly #raised = new Set<string>();

  /** Looks at one step and returns what is newly wrong. */
  see(step: StepFields): Finding[] {
    if (this.#first.length < span) this.#first.push(step);
    this.#last = [...this.#last, step].slice(-span);
    const found = this.#last.length < span ? this.#always(step) : [...this.#always(step), ...this.#trends()];
    const kinds = new Set<string>(found.map(({ kind }) => kind));
    const fresh = found.filter(({ kind }) => !this.#raised.has(kind));
    for (const kind of this.#raised) if (!kinds.has(kind)) this.#raised.delete(kind);
    for (const kind of kinds) this.#raised.add(kind);
    return fresh;
  }

  #always({ mismatch, bounded, faults, graded, fault, rounds, filled }: StepFields): Finding[] {
    const found: Finding[] = [];
    if (mismatch !== 0) {
      const message =
        `${mismatch} tokens have another log-probability in training than in the rollout: ` +
        'this is a bug in minke, please report it';
      found.push({ kind: 'mismatch', message });
    }
    if (bounded > 0) {
      const message =
        `${bounded} tokens are more than 20 nats from their reference or their rollout, where the KL estimate would ` +
        'overflow: their terms are bounded and pull no more; lower the learning rate, raise klBeta, or lower updates';
      found.push({ kind: 'far-tokens', message });
    }
    if (faults > 0) {
      const message = `${faults} of ${graded} answers got no verdict and count as incorrect: ${fault}; correct grade()`;
      found.push({ kind: 'grader-faults', message });
    }
    if (rounds > 1 && filled > 0) {
      const message =
        `${rounds} rounds of questions did not give enough informative groups, ${filled} zero-variance groups are in ` +
        'the batch: raise resamplings, or choose a difficulty at which some answers are correct and some are not';
      found.push({ kind: 'resamplings-used-up', message });
    }
    return found;
  }

  /** Finds why rewards do not differ. */
  #zeroVariance(): Finding[] {
    if (mean(this.#last, (s) => s.silentGroups) <= 0.7) return [];
    const { kind, problem, remedy } = explainNoSignal(this.#last);
    return [{ kind, message: `${problem}: ${remedy}` }];
  }

  #trends(): Finding[] {
    const before = (value: (s: StepFields) => number | null) => mean(this.#first, value);
    const now = (value: (s: StepFields) => number | null) => mean(this.#last, value);
    const accuracy = now((s) => s.accuracy);
    const found: Finding[] = this.#zeroVariance();
    const add = (isSo: boolean, kind: Finding['kind'], message: string) => isSo && found.push({ kind, message });
    const [correct, incorrect] = [(s: StepFields) => s.tokensRight, (s: StepFields) => s.tokensWrong];
    add(
      now(incorrect) > 1.3 * before(incorrect) &&
        now(correct) < 1.1 * before(correct) &&
        accuracy < before((s) => s.accuracy) + 0.05,
      'length-in-wrong',
      `length grows only in incorrect answers (${before(incorrect).toFixed(0)} to ${now(incorrect).toFixed(0)} ` +
        "tokens): divide by a constant instead of each response's length (tokenWeight constant, advantage none)",
    );
    const entropy = (s: StepFields) => s.entropy;
    add(
      now(entropy) < 0.1 * before(entropy),
      'entropy-collapse',
      `the entropy fell from ${before(entropy).toFixed(3)} to ${now(entropy).toFixed(3)} nats per token, the answers ` +
        'of a group are nearly alike: raise clipHigh to 0.28, lower the learning rate, or stop here',
    );
    const format = now((s) => s.format);
    add(
      format > 0.9 && accuracy < 0.05 && now((s) => s.tokens) < 0.5 * before((s) => s.tokens),
      'format-hacking',
      `${formatPercent(format)} are well-formed and ${formatPercent(accuracy)} correct, while answers became short: ` +
        'the format alone pays; lower rewards.format',
    );
    add(
      now((s) => s.kl) > 1,
      'kl-runaway',
      `the model is ${now((s) => s.kl).toFixed(2)} nats per token away from its reference: ` +
        'lower the learning rate or raise klBeta',
    );
    const truncated = now((s) => s.truncated);
    add(truncated > 0.3, 'truncation', `${formatPercent(truncated)} of responses are cut off by maxTokens: raise it`);
    const vio = (s: StepFields) => s.maxVio;
    add(
      now(vio) > 2 * before(vio) + 0.5,
      'router-drift',
      `the busiest expert moved from ${(1 + before(vio)).toFixed(1)} to ${(1 + now(vio)).toFixed(1)} times the mean ` +
        'load: the routers drift; lower the learning rate',
    );
    return found;
  }
}
