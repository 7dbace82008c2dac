// Dynamic sampling, several updates per batch, a renewed reference; each stopped, killed and resumed to the bit.
// npm test -- rl/loop
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Answerer, type QuestionSource, type RolloutAnswer, trainingQuestions } from '../eval/index.ts';
import { type Device, openDevice } from '../kernels/index.ts';
import { openSafetensors } from '../model/checkpoint/index.ts';
import { closeTasks, openTasks } from '../tasks/index.ts';
import { useDevice } from '../tensor/index.ts';
import { findResumePoint, readEvents, resolveRecipe, resumeRun, type StepReport, startRun } from '../train/index.ts';
import { type RolloutGroup, toUpdates } from './batch.ts';
import { collectGroups } from './collect.ts';
import type { RlEvent } from './events.ts';
import { openRewards } from './reward.ts';
import { rl } from './rl.ts';
import { openRlParts, type RlParts } from './rl-parts.ts';
import type { RlRecipe } from './rl-recipe.ts';
import { RlTrainer } from './rl-trainer.ts';
import { close, shortRun, trainFormattedModel } from './test-model.ts';

let device: Device;
let folder: string;
before(() => {
  device = openDevice();
  useDevice(device);
  folder = mkdtempSync(join(tmpdir(), 'minke-rl-loop-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});

describe('dynamic sampling', () => {
  const wanted = 3;
  const questionsBefore = 30;
  const texts = ['no form', 'x\n</think>\n<answer>1</answer>', '</work>\n<answer>1</answer>'];
  let questions: QuestionSource;
  let order: string[];
  const recipe = { model: 'none', tasks: [{ task: 'countdown' }], questions: wanted, groupSize: 2, seed: 3 };

  before(async () => {
    const { tasks, seed, template } = resolveRecipe(rl, recipe);
    questions = { tasks: await openTasks(tasks, seed), seed, template };
    order = (await trainingQuestions(questions, questionsBefore, questionsBefore + 12)).map(({ prompt }) =>
      prompt.join(''),
    );
  });
  after(() => closeTasks(questions.tasks));

  /** Collects groups where only the given questions, by their number in each round, get rewards that differ. */
  async function collect(informative: readonly (readonly number[])[], resamplings: number, isEnded = true) {
    const seeds: number[] = [];
    const answer: Answerer<RolloutAnswer> = async (_, { seed }) => {
      const [round, i] = [Math.floor(seeds.length / (2 * wanted)), seeds.length % (2 * wanted)];
      seeds.push(seed);
      const isCorrect = informative[round]?.includes(Math.floor(i / 2)) ?? false;
      const text = texts[i % 2 === 0 ? 0 : isCorrect ? 1 : 2];
      const rollout = { prompt: Int32Array.of(1), ids: Int32Array.of(2, 9), logprobs: new Float32Array(2) };
      return { ...rollout, text, tokens: 2, isEnded };
    };
    const config = resolveRecipe(rl, { ...recipe, resamplings });
    const { groups, statistics, questionsConsumed, generatedTokens } = await collectGroups(
      config,
      { answer, questions, rewards: openRewards(config) },
      { step: 7, questionsConsumed: questionsBefore, maxTokens: 8 },
    );
    const numbers = groups.map(({ question }) => order.indexOf(question.prompt.join('')));
    const { formProblems, formlessGroups, ...counts } = statistics;
    return { numbers, counts: { ...counts, questionsConsumed, generatedTokens }, formProblems, formlessGroups, seeds };
  }

  test('zero-variance groups are replaced by the next questions, until there are enough', async () => {
    const { numbers, counts, seeds } = await collect([[1], [0, 2], [0, 1, 2]], 5);
    assert.deepEqual(numbers, [1, 3, 5]);
    assert.deepEqual(counts, {
      rounds: 2,
      questionsConsumed: questionsBefore + 6,
      silentGroups: 3 / 6,
      stoppedGroups: 0,
      filled: 0,
      generatedTokens: 24,
      graded: 3,
      faults: 0,
      fault: null,
    });
    assert.equal(new Set(seeds).size, 12, 'no response repeats the chance of another');
    assert.deepEqual((await collect([[1], [0, 2]], 5)).seeds, seeds, 'a step that is asked again is asked the same');
  });

  test('there are no more rounds than resamplings; zero-variance groups fill the batch, and are counted', async () => {
    const { numbers, counts } = await collect([[1], [], [0]], 2);
    assert.deepEqual(numbers, [1, 6, 0]);
    assert.deepEqual(counts, {
      rounds: 3,
      questionsConsumed: questionsBefore + 9,
      silentGroups: 7 / 9,
      stoppedGroups: 0,
      filled: 1,
      generatedTokens: 36,
      graded: 2,
      faults: 0,
      fault: null,
    });
  });

  test('groups without a well-formed response are counted, and the format problems too', async () => {
    const { counts, formProblems, formlessGroups } = await collect([[1]], 0);
    assert.deepEqual([counts.silentGroups, formlessGroups], [2 / 3, 2 / 3]);
    assert.deepEqual(formProblems, {
      'the thinking does not end': 3 / 6,
      '</work> stands in place of </think>': 2 / 6,
    });
    assert.deepEqual((await collect([[1]], 0, false)).formProblems, { 'cut off by maxTokens': 5 / 6 });
  });

  test('more groups with signal than wanted are left out; without resamplings there is one round', async () => {
    assert.deepEqual(
      (
        await collect(
          [
            [0, 1],
            [0, 1, 2],
          ],
          1,
        )
      ).numbers,
      [0, 1, 3],
    );
    const { numbers, counts } = await collect([[2]], 0);
    assert.deepEqual(numbers, [2, 0, 1]);
    assert.deepEqual([counts.rounds, counts.filled, counts.silentGroups], [1, 2, 2 / 3]);
  });
});

describe('updates', () => {
  const config = (updates: number, changed: Partial<RlRecipe> = {}) =>
    resolveRecipe(rl, {
      model: 'none',
      tasks: [{ task: 'countdown' }],
      questions: 2,
      groupSize: 4,
      updates,
      ...changed,
    });
  const groups = [0, 1].map((q) => ({
    weight: 1,
    responses: [0, 1, 2, 3].map((g) => ({
      prompt: Int32Array.of(q),
      ids: new Int32Array(2 + g),
      logprobs: new Float32Array(2 + g).fill(g),
      reward: g === q ? 1 : 0,
    })),
  })) as unknown as RolloutGroup[];

  test('share the responses; advantages are of the whole group, weights of the update', () => {
    const parts = toUpdates(groups, config(3, { tokenWeight: 'token' }));
    assert.deepEqual(
      parts.map((part) => part.length),
      [2, 3, 3],
    );
    assert.deepEqual(
      parts.flat().map(({ ids }) => ids.length - 1),
      [2, 3, 4, 5, 2, 3, 4, 5],
    );
    for (const part of parts) {
      const weights = part.flatMap(({ columns }) => Array.from(columns.weight));
      close([weights.reduce((sum, weight) => sum + weight, 0)], [1]);
    }
    const one = toUpdates(groups, config(1)).flat();
    close(
      parts.flat().map(({ columns }) => columns.advantage[0]),
      one.map(({ columns }) => columns.advantage[0]),
    );
  });

  test('more of them than responses are refused', () => {
    assert.equal(toUpdates(groups, config(8)).length, 8);
    assert.throws(() => config(9), /updates: 9, for 8 responses/);
    assert.throws(
      () => config(1, { maxTokens: 256, microBatchTokens: 256 }),
      /maxTokens: 256, in micro-batches of 256 tokens; raise/,
    );
  });
});

describe('a run', () => {
  let model: string;
  before(async () => {
    model = await trainFormattedModel(folder, device);
  });

  /** Returns the kind with other parts in its trainer. */
  const changedRl = (change: (parts: RlParts) => RlParts): typeof rl => ({
    ...rl,
    open: async (config, run) => new RlTrainer(config, run, change(await openRlParts(config, run))),
  });

  const readSteps = (run: string) =>
    readEvents(join(run, 'events.jsonl'), rl.events).flatMap((event) => (event.event === 'step' ? [event] : []));
  const checkpoint = (run: string, step: number) => join(run, 'checkpoints', `step-0000000${step}`);
  const file = (run: string, step: number, name: string) => readFileSync(join(checkpoint(run, step), name));
  const same = (a: string, b: string, step: number) => {
    for (const name of ['model.safetensors', 'optimizer.safetensors', 'reference.safetensors'])
      assert.ok(file(a, step, name).equals(file(b, step, name)), name);
    const readState = (run: string) => JSON.parse(file(run, step, 'training.json').toString());
    assert.deepEqual([readState(a).data, readState(a).tokens], [readState(b).data, readState(b).tokens]);
  };

  /** Starts or resumes a run, and stops it as soon as the given event is there. */
  async function stopAt(run: string, recipe: RlRecipe | null, isTime: (event: RlEvent) => boolean): Promise<void> {
    const stopping = new AbortController();
    const listen = (event: RlEvent) => isTime(event) && stopping.abort();
    const options = { folder: run, device, signal: stopping.signal, listen };
    const outcome = recipe ? await startRun(rl, resolveRecipe(rl, recipe), options) : await resumeRun(rl, options);
    assert.equal(outcome, 'stopped');
  }
  const afterStep = (step: number) => (event: RlEvent) => event.event === 'step' && event.step === step;

  test('with resamplings, stopped while it asked: the same questions are asked again, none is lost', async () => {
    const recipe = { ...shortRun(model), groupSize: 2, resamplings: 2, steps: 3, every: { evaluate: 100, save: 100 } };
    const [whole, stopped] = [join(folder, 'sampled'), join(folder, 'sampled-stopped')];
    await startRun(rl, resolveRecipe(rl, recipe), { folder: whole, device });
    const stopping = new AbortController();
    let isSecond = false;
    const listen = (event: RlEvent) => {
      isSecond ||= event.event === 'step';
    };
    const stoppedWhileSampling = changedRl((parts) => ({
      ...parts,
      answer: (...request) => {
        const answered = parts.answer(...request);
        if (isSecond) stopping.abort();
        return answered;
      },
    }));
    const options = { folder: stopped, device, listen, signal: stopping.signal };
    assert.equal(await startRun(stoppedWhileSampling, resolveRecipe(rl, recipe), options), 'stopped');
    assert.equal(readSteps(stopped).length, 1);
    assert.equal(await resumeRun(rl, { folder: stopped, device }), 'completed');
    same(whole, stopped, 3);
    const rounds = readSteps(whole).map((step) => step.rounds);
    assert.ok(Math.max(...rounds) > 1, 'some groups were replaced');
    const { asked } = JSON.parse(file(whole, 3, 'training.json').toString()).data;
    assert.equal(asked, 4 * rounds.reduce((sum, n) => sum + n, 0));
    assert.deepEqual(
      readSteps(stopped).map((step) => step.rounds),
      rounds,
    );
  });

  test('stopped during an evaluation: it is made when the run resumes; checkpoints by time change no bit', async () => {
    const recipe = { ...shortRun(model), steps: 3, every: { evaluate: 2, sample: 2, save: 100 } };
    const [whole, stopped] = [join(folder, 'timed'), join(folder, 'evaluated-stopped')];
    await startRun(rl, resolveRecipe(rl, { ...recipe, saveMinutes: 1e-6 }), { folder: whole, device });
    const readNames = (run: string) =>
      readEvents(join(run, 'events.jsonl'), rl.events).map(
        (event) => `${event.event} ${'step' in event ? event.step : ''}`,
      );
    assert.deepEqual(
      readNames(whole).filter((name) => name.startsWith('saved')),
      ['saved 1', 'saved 2', 'saved 3'],
    );
    const stopping = new AbortController();
    let isSecond = false;
    const listen = (event: RlEvent) => {
      isSecond ||= event.event === 'step' && event.step === 2;
    };
    const stoppedWhileEvaluating = changedRl((parts) => ({
      ...parts,
      answer: (...request) => {
        const answered = parts.answer(...request);
        if (isSecond) stopping.abort();
        return answered;
      },
    }));
    const options = { folder: stopped, device, listen, signal: stopping.signal };
    assert.equal(await startRun(stoppedWhileEvaluating, resolveRecipe(rl, recipe), options), 'stopped');
    assert.deepEqual(readNames(stopped).slice(-2), ['saved 2', 'ended 2'], 'saved, and not evaluated');
    assert.equal(await resumeRun(rl, { folder: stopped, device }), 'completed');
    same(whole, stopped, 3);
    const observed = (run: string) => readNames(run).filter((name) => /^(evaluated|step)/.test(name));
    assert.deepEqual(observed(stopped), observed(whole));
  });

  test('three updates a step: the first finds the ratio 1 exactly, the others do not; clips are counted', async () => {
    const recipe = { ...shortRun(model), updates: 3, clipLow: 0.001, clipHigh: 0.001, steps: 2 };
    const [whole, stopped] = [join(folder, 'updates'), join(folder, 'updates-stopped')];
    const reports: StepReport[] = [];
    const reporting = changedRl((parts) => {
      const { trainStep } = parts.tuned;
      const train = trainStep.run.bind(trainStep);
      trainStep.run = async (...args) => {
        const report = await train(...args);
        reports.push(report);
        return report;
      };
      return parts;
    });
    assert.equal(await startRun(reporting, resolveRecipe(rl, recipe), { folder: whole, device }), 'completed');
    assert.equal(reports.length, 6);
    const steps = readSteps(whole);
    for (const [s, step] of steps.entries()) {
      const own = reports.slice(3 * s, 3 * s + 3).map(({ metrics }) => metrics);
      const [first, ...others] = own as [StepReport['metrics'], ...StepReport['metrics'][]];
      assert.deepEqual([first.mismatch, first.clipped, step.mismatch], [0, 0, 0]);
      for (const { mismatch } of others) assert.ok(mismatch > 0, 'the weights have moved');
      const tokens = step.tokens * 32;
      const clipped = own.reduce((sum, metrics) => sum + metrics.clipped, 0);
      close([step.clipped as number], [clipped / tokens]);
      close([step.entropy as number], [own.reduce((sum, { entropy }) => sum + entropy, 0) / tokens]);
    }
    assert.ok(reports.some(({ metrics }) => metrics.clipped > 0));
    await stopAt(stopped, recipe, afterStep(1));
    assert.equal(await resumeRun(rl, { folder: stopped, device }), 'completed');
    same(whole, stopped, 2);
  });

  test('a reference renewed every 3 steps, stopped and killed in between: as if it had never stopped', async () => {
    const every = { evaluate: 100, sample: 100, save: 2 };
    const recipe = {
      ...shortRun(model),
      groupSize: 4,
      steps: 7,
      referenceEvery: 3,
      klBeta: 0.5,
      keepCheckpoints: 9,
      every,
    };
    const [whole, stopped, first] = [join(folder, 'renewed'), join(folder, 'renewed-stopped'), join(folder, 'first')];
    await startRun(rl, resolveRecipe(rl, recipe), { folder: whole, device });
    await stopAt(stopped, recipe, afterStep(3));
    await stopAt(stopped, null, afterStep(5));
    rmSync(checkpoint(stopped, 5), { recursive: true }); // killed after step 4 had been saved
    assert.equal((await findResumePoint(stopped)).checkpoint?.state.step, 4);
    assert.equal(await resumeRun(rl, { folder: stopped, device }), 'completed');
    same(whole, stopped, 7);
    assert.ok(file(whole, 4, 'reference.safetensors').equals(file(stopped, 3, 'reference.safetensors')));
    const [weights, reference] = await Promise.all(
      ['model.safetensors', 'reference.safetensors'].map((name) => openSafetensors(join(checkpoint(whole, 6), name))),
    );
    for (const name of weights?.entries.keys() ?? [])
      assert.deepEqual(await reference?.read(name), await weights?.read(name), 'the reference of step 6 is its model');
    await Promise.all([weights?.close(), reference?.close()]);
    await startRun(rl, resolveRecipe(rl, { ...recipe, referenceEvery: 100 }), { folder: first, device });
    assert.ok(!file(first, 7, 'model.safetensors').equals(file(whole, 7, 'model.safetensors')), 'the renewal matters');
  });
});
