// The model equals that of Hugging Face transformers: logits, loss, every gradient's norm, the chosen experts.
// Fixtures: scripts/parity/make.py; each names its versions. npm test -- parity
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Device, openDevice } from '../src/kernels/index.ts';
import { packageRoot } from '../src/kernels/root.ts';
import { listJoinedParts } from '../src/model/checkpoint/model-names.ts';
import {
  createModel,
  listParameters,
  type MlaConfig,
  type ModelConfig,
  packDocuments,
  readConfig,
} from '../src/model/index.ts';
import { add, noGrad, scale, scope, Tape, type Tensor, useDevice } from '../src/tensor/index.ts';
import { parityWeights } from './parity-weights.ts';

interface Fixture {
  readonly versions: Record<string, string>;
  readonly config: object;
  readonly ids: number[][];
  readonly loss: number;
  /** The gradients are those of loss + mtp_weight * the sum of mtp_losses. */
  readonly mtp_weight?: number;
  readonly mtp_losses?: number[];
  readonly logits: number[];
  readonly gradient_norms: Record<string, number>;
  readonly experts: number[][];
  readonly correction_bias_shift: number;
}

const folder = join(packageRoot(), 'test/fixtures/parity');
const norm = (values: readonly number[]) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));

/** |a - b| over |b|, of whole vectors. */
function relative(a: readonly number[], b: readonly number[]): number {
  return norm(a.map((x, i) => x - b[i])) / norm(b);
}

/** Returns the name of the tensor that holds a parameter in a checkpoint. */
const storedName = (config: ModelConfig, name: string) =>
  listJoinedParts(config).find(({ parameter }) => parameter.name === name)?.whole ?? name;

/** The best `k` of values that are not masked out, ascending; of equals the lowest index. */
function best(values: readonly number[], k: number): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a] || a - b);
  return order.slice(0, k).sort((a, b) => a - b);
}

/** Choice of experts with groups masked by `mask`: minus infinity in DeepSeek's code, 0 in transformers before 5. */
function chooseMasked(biased: readonly number[], groups: number, top: number, k: number, mask: number): number[] {
  const size = biased.length / groups;
  const group = (g: number) => biased.slice(g * size, (g + 1) * size).sort((a, b) => b - a);
  const rank = Array.from({ length: groups }, (_, g) => group(g)[0] + group(g)[1]);
  const kept = best(rank, top);
  return best(
    biased.map((x, e) => (kept.includes(Math.floor(e / size)) ? x : mask)),
    k,
  );
}

describe('parity with transformers', () => {
  let device: Device;
  before(() => {
    device = openDevice();
    useDevice(device);
  });
  after(() => device.close());

  for (const file of readdirSync(folder)) {
    const fixture: Fixture = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    const config = readConfig(fixture.config, file);

    test(`${file}: the same tensors`, () => {
      const learnt = listParameters(config).filter(({ kind }) => kind !== 'correction');
      const names = new Set(learnt.map(({ name }) => storedName(config, name)));
      assert.deepEqual([...names].sort(), Object.keys(fixture.gradient_norms).sort());
    });

    test(`${file}: logits, experts, loss and gradients`, async () => {
      const weights = parityWeights(config, fixture.correction_bias_shift);
      const longest = Math.max(...fixture.ids.map((ids) => ids.length));
      const model = createModel(config, weights, longest + 1); // transformers chooses LongRoPE's factors by the longest
      const { mtp_losses: expected = [], mtp_weight: mtpWeight = 0 } = fixture;
      const batch = packDocuments(fixture.ids, expected.length);
      const learnt = listParameters(config).filter(({ kind }) => kind !== 'correction');
      const names = learnt.map(({ name }) => name);
      const logits = await noGrad(() => model.logits(model.forward(batch).out)).toArray();
      assert.ok(relative(logits, fixture.logits) < 1e-4, `logits differ by ${relative(logits, fixture.logits)}`);

      const tape = new Tape(names.map((name) => weights.get(name) as Tensor));
      const { losses, total } = tape.run(() => {
        const losses = model.loss(batch);
        return { losses, total: losses.mtp.reduce((sum, term) => add(sum, scale(term, mtpWeight)), losses.main) };
      });
      const chosen: number[][] = [];
      for (const { indices } of losses.routings) {
        const [tokens, k] = indices.shape as [number, number];
        const values = await indices.toArray();
        for (let t = 0; t < tokens; t++) chosen.push(values.slice(t * k, (t + 1) * k).sort((a, b) => a - b));
      }
      assert.deepEqual(chosen, fixture.experts);

      const gradients = scope(() => tape.backward(total));
      const ours = await Promise.all([losses.main, ...losses.mtp].map((loss) => loss.item()));
      for (const [i, theirs] of [fixture.loss, ...expected].entries())
        assert.ok(Math.abs(ours[i] / theirs - 1) < 1e-3, `losses ${ours}, expected ${theirs}`);
      const own = new Map<string, number[]>();
      for (const [i, name] of names.entries()) {
        const stored = storedName(config, name);
        own.set(stored, [...(own.get(stored) ?? []), norm(await gradients[i].toArray())]);
      }
      for (const [name, parts] of own) {
        const size = norm(parts);
        const theirs = fixture.gradient_norms[name];
        assert.ok(Math.abs(size - theirs) <= 1e-3 * theirs, `${name}: ${size}, expected ${theirs}`);
      }
      for (const resource of [...gradients, ...weights.values(), model]) resource.dispose();
    });
  }

  test('masked groups: minus infinity, not 0', async () => {
    const fixture: Fixture = JSON.parse(readFileSync(join(folder, 'v3-negative-bias.json'), 'utf8'));
    const config = readConfig(fixture.config) as MlaConfig;
    const weights = parityWeights(config, fixture.correction_bias_shift);
    const { routings } = createModel(config, weights).forward(packDocuments(fixture.ids));
    const bias = await (weights.get('model.layers.1.mlp.gate.e_score_correction_bias') as Tensor).toArray();
    const scores = await routings[0].scores.toArray();
    const E = config.nRoutedExperts;
    const by = (mask: number) =>
      Array.from({ length: scores.length / E }, (_, t) => {
        const biased = bias.map((b, e) => b + scores[t * E + e]);
        return chooseMasked(biased, config.nGroup as number, config.topkGroup as number, config.numExpertsPerTok, mask);
      });
    const ours = fixture.experts.slice(0, scores.length / E);
    assert.deepEqual(by(Number.NEGATIVE_INFINITY), ours);
    assert.notDeepEqual(by(0), ours);
  });
});
