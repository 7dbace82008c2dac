// What goes wrong in training, in words: a watcher of step reports, and a search for the first bad number.
//
// Each alarm is raised once, and again only after its cause has gone. Numbers that are not finite stay out of the
// averages: findBadOp says where they come from.
import { fromBf16 } from '../kernels/index.ts';
import { keep, scope, type Tensor, watchOps } from '../tensor/index.ts';
import type { AlarmKind } from './events.ts';
import type { StepReport } from './train-step.ts';

export interface Alarm {
  readonly kind: AlarmKind;
  readonly message: string;
}

/** Steps in a row without a token after which an expert counts as dead. */
const deadAfter = 50;
/** Deviations above the running mean from which a loss is a spike, after the first steps. */
const spikeDeviations = 6;
const firstSteps = 50;
const smoothing = 0.98;

export class Watch {
  /** Steps without a token, by layer and expert. */
  #idle: number[][] = [];
  #mean = 0;
  #variance = 0;
  #seen = 0;
  #raised = new Set<string>();

  /** Looks at one step and returns what is newly wrong. */
  see({ metrics, load, routerGradientNorms }: StepReport): Alarm[] {
    const alarms = [...this.#dead(load), ...this.#withoutGradient(routerGradientNorms)];
    const { loss } = metrics;
    return loss !== undefined && Number.isFinite(loss) ? [...alarms, ...this.#spike(loss)] : alarms;
  }

  /** Returns the alarm if something has just become wrong. */
  #once<T>(key: string, wrong: boolean, alarm: () => T): T[] {
    if (!wrong) this.#raised.delete(key);
    if (!wrong || this.#raised.has(key)) return [];
    this.#raised.add(key);
    return [alarm()];
  }

  #dead(load: StepReport['load']): Alarm[] {
    this.#idle = load.map((layer, l) => layer.map((tokens, e) => (tokens > 0 ? 0 : (this.#idle[l]?.[e] ?? 0) + 1)));
    return this.#idle.flatMap((layer, l) => {
      const newlyDead = layer.flatMap((steps, e) => this.#once(`dead ${l} ${e}`, steps >= deadAfter, () => e));
      if (newlyDead.length === 0) return [];
      return {
        kind: 'dead-experts',
        message:
          `MoE layer ${l}: expert ${newlyDead.join(', ')} got no token for ${deadAfter} steps; ` +
          'raise biasUpdateSpeed, or train with fewer experts',
      };
    });
  }

  #withoutGradient(norms: readonly number[]): Alarm[] {
    return norms.flatMap((norm, l) =>
      this.#once(
        `router ${l}`,
        norm === 0,
        (): Alarm => ({
          kind: 'router-without-gradient',
          message:
            `MoE layer ${l}: the router's gate has a gradient of exactly 0 and cannot learn; with one expert per ` +
            'token and normTopkProb its weight is always 1: choose more experts or set norm_topk_prob to false',
        }),
      ),
    );
  }

  #spike(loss: number): Alarm[] {
    const limit = this.#mean + spikeDeviations * Math.sqrt(this.#variance);
    const isSpike = this.#seen >= firstSteps && loss > limit;
    const found = this.#once(
      'spike',
      isSpike,
      (): Alarm => ({
        kind: 'loss-spike',
        message:
          `the loss jumped to ${loss.toFixed(3)}, ${spikeDeviations} deviations above its running mean ` +
          `${this.#mean.toFixed(3)}; if it does not come back, lower the learning rate or lengthen the warm-up and ` +
          'resume from the last checkpoint',
      }),
    );
    const weight = Math.max(1 - smoothing, 1 / (this.#seen + 1));
    const distance = loss - this.#mean;
    this.#mean += weight * distance;
    this.#variance = (1 - weight) * (this.#variance + weight * distance ** 2);
    this.#seen++;
    return found;
  }
}

async function hasBadNumber(tensor: Tensor): Promise<boolean> {
  // The first read may reject with the report of a kernel that met the bad number.
  const data = await tensor.read().catch(() => tensor.read());
  return tensor.dtype === 'bf16'
    ? (data as Uint16Array).some((code) => !Number.isFinite(fromBf16(code)))
    : (data as Float32Array).some((x) => !Number.isFinite(x));
}

/**
 * Runs `body` once, eagerly, and returns where the first NaN or infinity comes from, in words: a weight, or the n-th
 * op. Null when everything is finite.
 */
export async function findBadOp(weights: ReadonlyMap<string, Tensor>, body: () => void): Promise<string | null> {
  for (const [name, weight] of weights) if (await hasBadNumber(weight)) return `the weight ${name} is not finite`;
  const seen: { readonly op: string; readonly output: Tensor }[] = [];
  try {
    scope(() =>
      watchOps((op, outputs) => {
        for (const output of outputs)
          if (output && (output.dtype === 'f32' || output.dtype === 'bf16'))
            seen.push({ op, output: keep(output.alias()) });
      }, body),
    );
    for (const [n, { op, output }] of seen.entries())
      if (await hasBadNumber(output))
        return `${op} (output ${n + 1} of ${seen.length}, ${output}) is the first that is not finite`;
    return null;
  } finally {
    for (const { output } of seen) output.dispose();
  }
}
