// Advantages and weights by hand, GRPO's loss and gradient, rollouts that equal training to the bit, whole runs that
// resume. npm test -- src/rl
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { encodePrompt } from '../data/index.ts';
import { chatPrompt } from '../engine/index.ts';
import { type Device, openDevice } from '../kernels/index.ts';
import {
  createModel,
  initialWeights,
  type Model,
  type ModelConfig,
  precisions,
  preset,
  type WeightMap,
} from '../model/index.ts';
import { chatTemplateOf, promptOf } from '../tasks/index.ts';
import * as t from '../tensor/index.ts';
import { loadTokenizer } from '../tokenizer/index.ts';
import { packed, pretrain, readEvents, resolvePretrain, sequenceInputs, TrainStep } from '../train/index.ts';
import { advantagesOf, tokenWeights } from './advantage.ts';
import { type RlRecipe, resolveRl } from './config.ts';
import { Diagnosis } from './diagnosis.ts';
import { consensus, passAt1 } from './evaluation.ts';
import { rlEventSchema } from './events.ts';
import { columnNames, GrpoObjective } from './grpo-objective.ts';
import { reinforce, resumeReinforcing } from './reinforce.ts';
import { checksIn } from './reward.ts';
import { Rollouts } from './rollout.ts';

let device: Device;
let folder: string;
before(() => {
  device = openDevice();
  t.useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-rl-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

const close = (found: readonly number[], expected: readonly number[], within = 1e-6) =>
  expected.forEach((value, i) => {
    assert.ok(Math.abs((found[i] as number) - value) <= within, `${i}: ${found[i]} is not ${value}`);
  });

describe('advantages and weights', () => {
  test('GRPO: one right answer of four', () => {
    // mean 1/4, deviation sqrt(3)/4
    close(advantagesOf([1, 0, 0, 0], 'deviation'), [Math.sqrt(3), ...Array(3).fill(-1 / Math.sqrt(3))]);
    close(advantagesOf([1, 0, 0, 0], 'none'), [0.75, -0.25, -0.25, -0.25]);
  });

  test('groups whose rewards are alike say nothing, whatever rounding does to their mean', () => {
    for (const reward of [0, 0.1, 1, 1.1])
      assert.deepEqual(advantagesOf(Array(7).fill(reward), 'deviation'), Array(7).fill(0));
  });

  test('what a token weighs', () => {
    close(tokenWeights([2, 8], 'response', 16), [1 / 4, 1 / 16]);
    close(tokenWeights([2, 8], 'token', 16), [1 / 10, 1 / 10]);
    close(tokenWeights([2, 8], 'constant', 16), [1 / 32, 1 / 32]);
  });

  test('pass@1 with its interval, and the majority', () => {
    const { mean, margin } = passAt1([
      [true, true],
      [false, false],
      [true, false],
    ]);
    close([mean, margin], [0.5, (1.96 * 0.5) / Math.sqrt(3)]);
    const vote = (answer: string | null, isRight: boolean) => ({ answer, isRight });
    assert.equal(consensus([[vote('7', true), vote('8', false), vote(' 7 ', true)]]).mean, 1);
    assert.equal(consensus([[vote('7', true), vote('8', false), vote('8', false)]]).mean, 0);
    assert.equal(consensus([[vote(null, false), vote(null, false)]]).mean, 0);
  });
});

const vocabulary = 40;
const config = preset('nano', { vocabSize: vocabulary });

function made(seed: number, from: ModelConfig = config): { model: Model; weights: WeightMap } {
  const weights = initialWeights(from, seed, device);
  for (const weight of weights.values()) t.keep(weight);
  return { model: createModel(from, weights, 64), weights };
}

const shape = { tokens: 48, sequences: 4, longest: 24, columns: columnNames.length };
const clip = { clipLow: 0.2, clipHigh: 0.2 };
const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, maxGradNorm: 1e9, moments: 'f32' } as const;

/** A sequence of `length` tokens whose prompt is 3 long. */
function sequence(seed: number, length: number, numbers: { old: number; advantage: number; weight: number }) {
  const ids = Int32Array.from({ length }, (_, i) => (seed * 11 + i * i * 7 + 3) % vocabulary);
  const column = (value: number) => new Float32Array(length - 3).fill(value);
  const { old, advantage, weight } = numbers;
  return { ids, promptLength: 3, columns: [column(old), column(advantage), column(weight), column(1)] };
}

describe('packing', () => {
  test('every sequence is in one micro-batch, none too full', () => {
    const numbers = { old: 0, advantage: 1, weight: 1 };
    const all = [4, 9, 20, 24, 5, 13, 4, 4, 4, 4].map((n, i) => sequence(i, n, numbers));
    const bins = packed(all, shape);
    assert.equal(new Set(bins.flat()).size, all.length);
    for (const bin of bins) {
      assert.ok(bin.length <= shape.sequences);
      assert.ok(bin.reduce((sum, { ids }) => sum + ids.length - 1, 0) <= shape.tokens);
    }
    assert.throws(() => packed([sequence(1, 26, numbers)], shape), /26 tokens, from 2 to 25 are taken/);
  });
});

describe('the GRPO objective', () => {
  test('on policy: the loss is -A weight a token, the gradient that of the log-probability', async () => {
    const { model, weights } = made(1);
    const { model: reference } = made(2);
    const objective = new GrpoObjective(model, reference, { shape, policy: precisions.f32, ...clip, klBeta: 0 });
    const step = new TrainStep(config, weights, adamw, 'sum', objective);
    await t.asyncScope(async (inside) => {
      // The rollout's log-probabilities, from the model itself.
      const plain = sequence(5, 12, { old: 0, advantage: 0, weight: 0 });
      const own = inside(() => {
        const inputs = sequenceInputs([plain], shape, device);
        const row = (i: number) => t.reshape(t.narrow(inputs[0], i, 1), [shape.tokens]);
        const batch = {
          ids: row(0),
          positions: row(1),
          sequences: { queryStart: inputs[1], maxQueries: shape.longest },
        };
        const { out } = model.forward(batch, { policy: precisions.f32 });
        return t.logprobs(out, model.plainHead, row(2)).logprobs;
      });
      const old = (await own.read()).slice(2, 11) as Float32Array;
      const learned = {
        ...plain,
        columns: [old, 2, 0.25, 1].map((c) => (typeof c === 'number' ? new Float32Array(9).fill(c) : c)),
      };
      const gradients = inside(() => step.gradients(sequenceInputs([learned], shape, device)));
      // d/dw of -sum(weight A logprob), by a tape of its own.
      const trained = [...weights]
        .filter(([name]) => !name.endsWith('e_score_correction_bias'))
        .map(([, weight]) => weight);
      const expected = inside(() => {
        const inputs = sequenceInputs([learned], shape, device);
        const row = (i: number) => t.reshape(t.narrow(inputs[0], i, 1), [shape.tokens]);
        return t.valueAndGrad(() => {
          const batch = {
            ids: row(0),
            positions: row(1),
            sequences: { queryStart: inputs[1], maxQueries: shape.longest },
          };
          const { out } = model.forward(batch, { policy: precisions.f32 });
          return t.scale(t.sum(t.logprobs(out, model.plainHead, row(2)).logprobs), -0.5);
        }, trained);
      });
      for (const [i, gradient] of gradients.entries()) {
        const [found, wanted] = await Promise.all([gradient.read(), (expected.gradients[i] as t.Tensor).read()]);
        close(Array.from(found), Array.from(wanted), 1e-5);
      }
    });
    step.dispose();
    const fresh = new TrainStep(config, weights, adamw, 'sum', objective);
    const { metrics } = await fresh.run(
      [
        t.scope(() =>
          sequenceInputs([sequence(5, 12, { old: -1, advantage: 1, weight: 0 })], shape, device).map(t.keep),
        ),
      ],
      { step: 1, learningRate: 0, biasUpdateSpeed: 0 },
    );
    assert.deepEqual([metrics.loss, metrics.mismatch], [0, 0]); // tokens of weight 0 count as nothing
    fresh.dispose();
  });
});

for (const precision of ['bf16', 'fp8'] as const)
  test(`${precision}: training finds the rollout's log-probabilities to the bit, and sees one bit that differs`, async () => {
    const { model, weights } = made(3);
    const policy = precisions[precision];
    const rollouts = new Rollouts(model, { policy, maxSequences: 3, contextLength: 24, maxTokens: 12, endId: 1 });
    const asks = Array.from({ length: 7 }, (_, i) => ({
      prompt: Int32Array.of(4, 5 + i, 6, 7).subarray(0, 2 + (i % 3)),
      seed: i,
    }));
    const responses = await rollouts.run(asks, { temperature: 1 });
    assert.ok(new Set(responses.map(({ ids }) => ids.join())).size > 3, 'seeds make different responses');
    const objective = new GrpoObjective(model, model, { shape, policy, ...clip, klBeta: 0.01 });
    const step = new TrainStep(config, weights, adamw, 'sum', objective);
    const mismatch = async (change: (old: Float32Array) => void) => {
      const sequences = responses.map(({ prompt, ids, logprobs }) => {
        const old = logprobs.slice();
        change(old);
        const each = (value: number) => new Float32Array(ids.length).fill(value);
        return { ids: [...prompt, ...ids], promptLength: prompt.length, columns: [old, each(0.5), each(0.1), each(1)] };
      });
      const { report } = t.scope(() => ({
        report: step.run(
          packed(sequences, shape).map((bin) => sequenceInputs(bin, shape, device)),
          { step: 1, learningRate: 0, biasUpdateSpeed: 0 },
        ),
      }));
      return (await report).metrics;
    };
    const same = await mismatch(() => undefined);
    assert.equal(same.mismatch, 0);
    assert.ok(Math.abs(same.kl as number) < 1e-6, 'the model is its own reference');
    const bits = (old: Float32Array) => {
      const view = new Int32Array(old.buffer);
      view[0] = (view[0] as number) + 1;
    };
    assert.equal((await mismatch(bits)).mismatch, responses.length);
    rollouts.dispose();
    step.dispose();
  });

test('the template ends in the thinking, and is the chat template of what is trained', () => {
  assert.deepEqual(promptOf('short', 'Make $& from 1.'), ['User: ', 'Make $& from 1.', '\nAssistant: <think>\n']);
  assert.ok(chatTemplateOf('full').endsWith("User: {{ messages[-1].content }}\nAssistant: <think>{{ '\\n' }}"));
  assert.equal(checksIn('1+2=3 no\nwait, check again\nnone'), 4);
});

describe('the diagnosis', () => {
  const step = {
    ...{ step: 1, reward: 1, accuracy: 0.4, format: 1, tokens: 50, tokensRight: 40, tokensWrong: 60, truncated: 0 },
    ...{ silentGroups: 0.1, checks: 1, loss: 0, kl: 0.01, clipped: 0, entropy: 1, mismatch: 0, gradientNorm: 1 },
    ...{
      learningRate: 1,
      maxVio: 0.2,
      rolloutSeconds: 1,
      trainSeconds: 1,
      rolloutTokensPerSecond: 1,
      secondsLeft: 1,
      faults: 0,
    },
  };
  const kindsAfter = (changed: Partial<typeof step>) => {
    const diagnosis = new Diagnosis();
    const kinds: string[] = [];
    for (let i = 0; i < 10; i++) kinds.push(...diagnosis.see(step).map(({ kind }) => kind));
    for (let i = 0; i < 12; i++) kinds.push(...diagnosis.see({ ...step, ...changed }).map(({ kind }) => kind));
    return kinds;
  };

  for (const [changed, kind] of [
    [{}, null],
    [{ mismatch: 3 }, 'mismatch'],
    [{ silentGroups: 0.9, accuracy: 0.95 }, 'no-signal-easy'],
    [{ silentGroups: 0.9, accuracy: 0 }, 'no-signal-hard'],
    [{ tokensWrong: 120 }, 'length-in-wrong'],
    [{ entropy: 0.01 }, 'entropy-collapse'],
    [{ format: 1, accuracy: 0, tokens: 5 }, 'format-hacking'],
    [{ kl: 3 }, 'kl-runaway'],
    [{ truncated: 0.9 }, 'truncation'],
    [{ maxVio: 3 }, 'router-drift'],
  ] as const)
    test(`${kind ?? 'a healthy run'} is told once`, () => {
      assert.deepEqual(kindsAfter(changed), kind === null ? [] : [kind]);
    });
});

describe('a run', () => {
  /** A model that has read the form, so that some of its answers keep it and some do not. */
  let model: string;
  before(async () => {
    const corpus = join(folder, 'corpus.jsonl');
    const page = (i: number) => {
      const [a, b] = [10 + ((i * 37) % 45), 10 + ((i * 11) % 44)];
      return `User: Make ${a + b} from ${a}, ${b}.\nAssistant: <think>\n${b}*0\n</think>\n<answer>${a}+${b}</answer>`;
    };
    writeFileSync(corpus, Array.from({ length: 600 }, (_, i) => JSON.stringify({ text: page(i) })).join('\n'));
    const fields = { preset: 'nano', num_nextn_predict_layers: 0 };
    const run = join(folder, 'base');
    await pretrain(
      resolvePretrain({
        ...{ model: fields, data: { inputs: [corpus], tokenizer: 'characters', validationFraction: 0 } },
        ...{ steps: 150, batchSize: 16, sequenceLength: 96, every: { evaluate: 150, sample: 150, save: 150 } },
        schedule: { learningRate: 4e-3, minLearningRate: 1e-3, warmupSteps: 10 },
      }),
      { folder: run, device },
    );
    model = join(run, 'checkpoints', 'step-00000150');
  });

  const recipe = (model: string): RlRecipe => ({
    ...{ model, tasks: [{ task: 'countdown', difficulty: 2 }], steps: 4, questions: 4, groupSize: 8, maxTokens: 60 },
    ...{ microBatchTokens: 256, parallel: 8, evaluation: { problems: 3, samples: 2 }, learningRate: 1e-3 },
    every: { evaluate: 2, sample: 1, save: 2 },
    rewards: { accuracy: 1, format: 1 },
  });

  test('stopped and resumed ends in the weights of a run that never stopped; its events follow the schema', async () => {
    const whole = join(folder, 'whole');
    assert.equal(await reinforce(resolveRl(recipe(model)), { folder: whole, device }), 'completed');
    const stopped = join(folder, 'stopped');
    const stopping = new AbortController();
    const outcome = await reinforce(resolveRl(recipe(model)), {
      ...{ folder: stopped, device, signal: stopping.signal },
      listen: (event) => event.event === 'step' && event.step === 2 && stopping.abort(),
    });
    assert.equal(outcome, 'stopped');
    assert.equal(await resumeReinforcing({ folder: stopped, device }), 'completed');
    const weightsOf = (run: string) => readFileSync(join(run, 'checkpoints', 'step-00000004', 'model.safetensors'));
    assert.ok(weightsOf(whole).equals(weightsOf(stopped)));
    assert.ok(!weightsOf(whole).equals(readFileSync(join(model, 'model.safetensors'))), 'something was learned');
    const events = readEvents(join(whole, 'events.jsonl'), rlEventSchema);
    const steps = events.flatMap((event) => (event.event === 'step' ? [event] : []));
    assert.deepEqual(
      steps.map(({ step, mismatch }) => [step, mismatch]),
      [1, 2, 3, 4].map((step) => [step, 0]),
    );
    assert.ok(steps.some(({ silentGroups }) => silentGroups < 1));
    const lineage = JSON.parse(readFileSync(join(whole, 'lineage.json'), 'utf8'));
    assert.deepEqual([lineage.kind, lineage.status, lineage.parents.length], ['reinforcement', 'completed', 1]);
  });

  test('what was trained is asked in chat with the tokens of training', () => {
    const checkpoint = join(folder, 'whole', 'checkpoints', 'step-00000004');
    const loaded = loadTokenizer(checkpoint);
    const problem = 'Make 24 from 3, 8.';
    const { ids, startsThinking } = chatPrompt(loaded, [{ role: 'user', content: problem }]);
    assert.deepEqual([...ids], [...encodePrompt(loaded.tokenizer, promptOf('short', problem))]);
    assert.equal(startsThinking, true);
  });

  test('what cannot be run is refused before the first step', async () => {
    const run = (changed: Partial<RlRecipe>) =>
      reinforce(resolveRl({ ...recipe(model), ...changed }), { folder: join(folder, 'refused'), device });
    await assert.rejects(run({ tasks: [{ task: 'chess' }] }), /chess.*countdown/);
    await assert.rejects(run({ model: folder }), /has no config\.json/);
    await assert.rejects(run({ maxTokens: 250 }), /do not fit the model/);
    assert.throws(() => resolveRl({ ...recipe(model), groupSize: 1 }), /groupSize/);
    await assert.rejects(resumeReinforcing({ folder, device }), /holds no run/);
  });

  test('a grader that fails costs its answer, not the run', async () => {
    const file = join(folder, 'task.mjs');
    writeFileSync(
      file,
      `export const task = { name: 'broken', description: 'fails', difficulty: { from: 1, to: 1, usual: 1 },
        problem: (random) => { const n = random.whole(1, 99999); return { prompt: 'Make ' + n, key: String(n) }; },
        grade: () => { throw new Error('no'); } };`,
    );
    const outcome = await reinforce(resolveRl({ ...recipe(model), tasks: [{ task: file }], steps: 1 }), {
      folder: join(folder, 'broken'),
      device,
    });
    assert.equal(outcome, 'completed');
  });
});
