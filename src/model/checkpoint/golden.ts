// Golden logits: what a model computes behind a few fixed tokens, recorded where it is written and checked later.
//
// Contract: the same weights give the same bits where the computation and the version are those of the record, whatever
// the threads (isSameComputation: every native instruction set of the same arithmetic and lanes). Elsewhere sums have
// another order: then the first choices that lead clearly must be the same, and their logits nearly.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type Computation, isSameComputation, packageVersion } from '../../kernels/index.ts';
import { asyncScope, currentDevice, fromArray } from '../../tensor/index.ts';
import { packSequences } from '../batch.ts';
import type { Model } from '../model.ts';
import { servingPrecision } from '../precision.ts';

const maxTokens = 64;

export const goldenSchema = z.strictObject({
  version: z.literal(1),
  /** The program that computed them. */
  minke: z.string(),
  computation: z.strictObject({ device: z.string(), isa: z.string(), arithmetic: z.string(), lanes: z.number() }),
  ids: z.array(z.int().nonnegative()).min(1).max(maxTokens),
  /** The hash of all logits, f32, row after row. */
  sha256: z.string(),
  /** Behind each token: the first choice, its logit, and how far it leads. */
  rows: z.array(z.strictObject({ first: z.int(), logit: z.number(), lead: z.number() })),
});

export type GoldenLogits = z.infer<typeof goldenSchema>;

/** Tokens all over a vocabulary. */
const chooseIds = (vocabSize: number) => Array.from({ length: 16 }, (_, i) => (7919 * i + 1) % vocabSize);

/** A lead that no order of sums turns around, and how far logits of one model may be apart on two machines. */
const clearLead = 0.2;
const tolerance = 0.1;

function describeRow(logits: Float32Array): GoldenLogits['rows'][number] {
  let [first, second] = [0, Number.NEGATIVE_INFINITY];
  for (let i = 1; i < logits.length; i++) {
    if (logits[i] > logits[first]) [first, second] = [i, logits[first]];
    else if (logits[i] > second) second = logits[i];
  }
  return { first, logit: logits[first], lead: Math.min(logits[first] - second, Number.MAX_VALUE) };
}

/** Computes the logits of a model that serves. Null where they are not finite. @default ids: fixed ones */
export async function computeGolden(model: Model, given?: readonly number[]): Promise<GoldenLogits | null> {
  const V = model.config.vocabSize;
  const ids = given ?? chooseIds(V);
  const logits = (await asyncScope((inside) =>
    inside(() => {
      const { out } = model.forward(packSequences([ids]), { policy: servingPrecision });
      return model.logits(out, fromArray(Int32Array.from(ids.keys()), [ids.length]), servingPrecision);
    }).read(),
  )) as Float32Array;
  if (!logits.every(Number.isFinite)) return null;
  return {
    version: 1,
    minke: packageVersion(),
    computation: currentDevice().computation,
    ids: [...ids],
    sha256: createHash('sha256')
      .update(new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength))
      .digest('hex'),
    rows: ids.map((_, i) => describeRow(logits.subarray(i * V, (i + 1) * V))),
  };
}

const describeComputation = ({ device, isa, arithmetic, lanes }: GoldenLogits['computation']) =>
  `${device} ${isa} (${arithmetic}, ${lanes} lanes)`;

/** Returns the first place that two orders of sums do not explain, in words; null where there is none. */
function findDifference(recorded: GoldenLogits, own: GoldenLogits): string | null {
  for (const [i, { first, logit, lead }] of recorded.rows.entries()) {
    const other = own.rows[i];
    if (other === undefined) return `position ${i}: nothing, recorded token ${first}`;
    const isOther = lead > clearLead && other.first !== first;
    if (!isOther && Math.abs(other.logit - logit) <= tolerance * Math.max(1, Math.abs(logit))) continue;
    const [now, then] = [other, { first, logit }].map((row) => `token ${row.first} with logit ${row.logit.toFixed(3)}`);
    return `position ${i}: first choice ${now}, recorded ${then}`;
  }
  return null;
}

export interface GoldenComparison {
  /** What agrees, in words; or what does not. */
  readonly text: string;
  readonly agrees: boolean;
}

/** Compares what a model computes here with what was recorded. */
export function compareGolden(recorded: GoldenLogits, own: GoldenLogits): GoldenComparison {
  const here = describeComputation(own.computation);
  if (recorded.sha256 === own.sha256) return { text: `those that were recorded, to the bit, on ${here}`, agrees: true };
  const difference = findDifference(recorded, own);
  if (difference !== null) return { text: difference, agrees: false };
  const there = `${describeComputation(recorded.computation)} of minke ${recorded.minke}`;
  const isPromised =
    recorded.minke === own.minke &&
    isSameComputation(recorded.computation as Computation, own.computation as Computation);
  if (isPromised) return { text: `the first choices agree, but not every bit, as it must on ${here}`, agrees: false };
  return { text: `the recorded first choices; their bits are those of ${there}, this is ${here}`, agrees: true };
}
