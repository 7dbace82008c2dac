// The rules around a step, each by its arithmetic: gate, curriculum, length budget, early stops, plateau.
// npm test -- rl/rules
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Question } from '../eval/index.ts';
import { Random } from '../math/index.ts';
import { closeTasks, openTasks } from '../tasks/index.ts';
import { resolveRecipe } from '../train/index.ts';
import { computeAdvantages, type RolloutGroup, summarize, toUpdates } from './batch.ts';
import { Curriculum, learnability } from './curriculum.ts';
import type { RlStepEvent } from './events.ts';
import { describeGate, expectGatePassed, type GateResult } from './gate.ts';
import { LengthBudget } from './length-budget.ts';
import { NoSignal } from './no-signal.ts';
import { choosePilots, joinGroups } from './pilot.ts';
import { describePlateau, fitSigmoid } from './plateau.ts';
import { rl } from './rl.ts';
import type { RlRecipe } from './rl-recipe.ts';

const resolve = (changed: Partial<RlRecipe> = {}) =>
  resolveRecipe(rl, { model: 'none', tasks: [{ task: 'countdown' }], ...changed });

/** Returns a group whose answers are correct, or not, as given; the reward is 1 for a correct one. */
function groupFor(correct: readonly number[], question: Question | null = null): RolloutGroup {
  const responses = correct.map((reward, r) => ({
    reward,
    isCorrect: reward === 1,
    isWellFormed: true,
    isEnded: true,
    text: '',
    prompt: Int32Array.of(1),
    ids: new Int32Array(2 + r),
    logprobs: new Float32Array(2 + r),
  }));
  return { question, weight: 1, responses } as unknown as RolloutGroup;
}

const close = (found: number, expected: number, within = 1e-9) =>
  assert.ok(Math.abs(found - expected) <= within, `${found} is not ${expected}`);

describe('the gate', () => {
  const { gate } = resolve();
  const tasks = [{ task: 'countdown', difficulty: 3, samples: 512, wellFormed: 0.02, correct: 0.004 }];
  const result: GateResult = {
    samples: 512,
    wellFormed: 0.02,
    correct: 0.004,
    formProblems: { 'the thinking does not end': 0.9 },
    tasks,
    isPassed: false,
  };

  test('names the shares, the commonest format problem, what is needed and what helps', () => {
    const reject = (changed: Partial<GateResult>, message: RegExp) =>
      assert.throws(() => expectGatePassed({ ...result, ...changed }, gate), message);
    reject(
      {},
      /^TrainError: \[gate\] 2\.0 % of 512 .* 0\.4 % correct; most often: the thinking .* \(90 %\); 1\.0 % and/,
    );
    reject({}, /; choose an easier level .* gate\.correct/);
    reject({ wellFormed: 0.001 }, /; take a base that has read worked examples with tags.*cold start/);
    reject({ wellFormed: 0, formProblems: { 'cut off by maxTokens': 1 } }, /; raise maxTokens/);
    const several = [...tasks, { ...tasks[0], task: 'arithmetic', difficulty: 2, correct: 0.5 }];
    assert.match(
      describeGate({ ...result, tasks: several }),
      /correct by task: countdown 3 0\.4 %, arithmetic 2 50\.0 %/,
    );
    expectGatePassed({ ...result, isPassed: true }, gate);
  });
});

describe('the curriculum', () => {
  test('learnability is an unbiased estimate of 4 p (1 - p)', () => {
    assert.equal(learnability(groupFor([1, 1, 0, 0])), (4 * 2 * 2) / (4 * 3));
    assert.equal(learnability(groupFor([1, 1, 1])), 0);
    // All groups of three at p = 1/4, by their probabilities.
    let expected = 0;
    for (let bits = 0; bits < 8; bits++) {
      const correct = [0, 1, 2].map((i) => (bits >> i) & 1);
      const chance = correct.reduce((product, is) => product * (is ? 0.25 : 0.75), 1);
      expected += chance * learnability(groupFor(correct));
    }
    close(expected, 4 * 0.25 * 0.75);
  });

  test('a task that is learned or hopeless comes a tenth as often as others; estimates are resumed', async () => {
    const choices = [1, 2, 3].map((difficulty) => ({
      task: 'arithmetic',
      difficulty,
      share: 1,
      phrasing: 'canonical' as const,
    }));
    const tasks = await openTasks(choices, 1);
    const question = (i: number) => ({ task: tasks[i].task, difficulty: tasks[i].difficulty }) as Question;
    const curriculum = new Curriculum(tasks, 'success');
    assert.deepEqual(
      curriculum.weighted().map(({ share }) => share),
      [1, 1, 1],
      'unknown tasks are tried',
    );
    const groups = [
      groupFor([1, 1, 1, 1], question(0)),
      groupFor([1, 0, 1, 0], question(1)),
      groupFor([0, 0, 0, 0], question(2)),
    ];
    const [first] = curriculum.see(groups);
    assert.deepEqual([first.task, first.difficulty, first.groups, first.accuracy], ['arithmetic', 1, 1, 1]);
    close(first.learnability, 15 / 16);
    for (let step = 0; step < 400; step++) curriculum.see(groups);
    const shares = curriculum.weighted().map(({ share }) => share);
    for (const [i, share] of [0.1, 1, 0.1].entries()) close(shares[i], share, 1e-6);
    const resumed = new Curriculum(tasks, 'success', JSON.parse(JSON.stringify(curriculum.estimates)));
    assert.deepEqual(resumed.see(groups), curriculum.see(groups));
    assert.deepEqual(new Curriculum(tasks, 'fixed', curriculum.estimates).weighted(), tasks);
    await closeTasks(tasks);
  });
});

describe('the length budget', () => {
  test('grows by half to whole blocks after five steps above the share, up to the limit', () => {
    const config = resolve({ maxTokens: 256, maxTokensLimit: 500, maxTruncated: 0.2 });
    const budget = new LengthBudget(config);
    const grown = [0.3, 0.3, 0.3, 0.3].map((share) => budget.see(share));
    assert.deepEqual(grown, [null, null, null, null]);
    const resumed = new LengthBudget(config, JSON.parse(JSON.stringify(budget.state)));
    close(budget.see(0.3) ?? 0, 0.3);
    assert.equal(budget.maxTokens, 384);
    resumed.see(0.3);
    assert.deepEqual(resumed.state, budget.state);
    for (let step = 0; step < 5; step++) budget.see(1);
    assert.equal(budget.maxTokens, 500);
    for (let step = 0; step < 9; step++) assert.equal(budget.see(1), null);
    const fixed = new LengthBudget(resolve({ maxTokens: 256 }));
    for (let step = 0; step < 9; step++) assert.equal(fixed.see(1), null);
    assert.throws(() => resolve({ maxTokens: 256, maxTokensLimit: 128 }), /maxTokensLimit: 128, below maxTokens, 256/);
  });
});

describe('groups that stop early', () => {
  const keep = 0.25;

  test('of m alike pilots m keep are continued, each as often as any other; those that differ always', () => {
    const pilots = [...Array.from({ length: 8 }, () => groupFor([0, 0])), groupFor([1, 0])];
    const counts = pilots.map(() => 0);
    for (let seed = 0; seed < 400; seed++) {
      const chosen = choosePilots(pilots, keep, seed);
      assert.equal(chosen.filter(({ weight }) => weight === 1 / keep).length, 2);
      chosen.forEach(({ weight }, i) => {
        counts[i] += weight > 0 ? 1 : 0;
      });
    }
    assert.equal(counts.pop(), 400);
    for (const count of counts) assert.ok(Math.abs(count - 100) < 40, `${counts}`); // 4.6 deviations
    assert.deepEqual(choosePilots(pilots, keep, 3), choosePilots(pilots, keep, 3));
    assert.throws(() => resolve({ groupSize: 4, pilot: { responses: 4 } }), /pilot\.responses: 4, of groups of 4/);
  });

  test('the expected advantage-weighted update is that of full groups', () => {
    // A question with p = 0.3 and groups of 4: the sum of |A| over responses stands for the gradient.
    const [p, groupSize, rounds] = [0.3, 4, 6000];
    const pull = (group: RolloutGroup) =>
      computeAdvantages(
        group.responses.map(({ reward }) => reward),
        'deviation',
      ).reduce((sum, A) => sum + Math.abs(A), 0);
    let [full, early] = [0, 0];
    for (let seed = 0; seed < rounds; seed++) {
      const random = new Random(seed);
      const rewards = Array.from({ length: groupSize }, () => (random.uniform() < p ? 1 : 0));
      full += pull(groupFor(rewards)) / rounds;
      const [pilot] = choosePilots([groupFor(rewards.slice(0, 2))], keep, seed);
      if (pilot.weight === 0) continue;
      const [group] = joinGroups([pilot], [0], [groupFor(rewards.slice(2))]);
      early += (group.weight * pull(group)) / rounds;
    }
    assert.ok(Math.abs(early / full - 1) < 0.05, `${early} beside ${full}`);
  });

  test('tokens weigh as in a batch of full groups; means count what stopped', () => {
    const config = resolve({ questions: 4, groupSize: 4, pilot: { responses: 2, keep } });
    const kept = { ...groupFor([0, 0, 1, 0]), weight: 4 };
    const stopped = { ...groupFor([0, 0]), weight: 0 };
    const [sequences] = toUpdates([kept, stopped], config);
    assert.equal(sequences.length, 4);
    for (const [r, { columns }] of sequences.entries()) close(columns.weight[0], 4 / (8 * (2 + r)), 1e-6);
    // Two pilots of two answers weigh 1 each, the two further ones 4 each.
    close(summarize([kept, stopped], 2).accuracy, 4 / 12);
    close(summarize([groupFor([0, 0, 1, 0])], 0).accuracy, 1 / 4);
  });
});

describe('the end without signal', () => {
  const silent = {
    silentGroups: 0.95,
    formlessGroups: 0.9,
    formProblems: { 'the thinking does not end': 0.8 },
    accuracy: 0,
  };
  const step = (changed: object) => ({ ...silent, ...changed }) as unknown as RlStepEvent;

  test('comes after steps in a row, says why, and counts across sessions', () => {
    const limit = { above: 0.9, steps: 3 };
    const watch = new NoSignal(limit);
    const ends = [step({}), step({}), step({ silentGroups: 0.8 }), step({}), step({})].map((each) => watch.see(each));
    assert.deepEqual(ends, [null, null, null, null, null]);
    const resumed = new NoSignal(limit, watch.count);
    const cause = resumed.see(step({}));
    assert.equal(cause?.kind, 'no-signal-form');
    assert.match(cause?.problem ?? '', /^3 steps in a row: 95 % of groups carry no signal, 90 % because no response/);
    assert.deepEqual(watch.see(step({}))?.problem, cause?.problem);
    const solved = new NoSignal({ above: 0.9, steps: 1 });
    assert.equal(solved.see(step({ accuracy: 0.99, formlessGroups: 0 }))?.kind, 'no-signal-easy');
    const endless = new NoSignal({ above: 0.9, steps: 0 });
    for (let i = 0; i < 50; i++) assert.equal(endless.see(step({})), null);
  });
});

describe('the plateau', () => {
  const curve = (steps: number, middle: number, noise: number) => {
    const random = new Random(5);
    return Array.from({ length: steps }, (_, i) => ({
      step: i + 1,
      value: 0.05 + 0.7 / (1 + Math.exp(-(i + 1 - middle) / 6)) + noise * (random.uniform() - 0.5),
    }));
  };

  test('a sigmoid is found again, with noise too', () => {
    const fit = fitSigmoid(curve(80, 30, 0.06));
    close(fit?.high ?? 0, 0.75, 0.02);
    close(fit?.low ?? 0, 0.05, 0.03);
    close(fit?.middle ?? 0, 30, 2);
  });

  test('words say where it levels off, or that it still rises; nothing of a line without a rise', () => {
    assert.match(
      describePlateau(curve(80, 30, 0)) ?? '',
      /^plateau near 7[45] %, reached to 95 % at step 4[789]; 10 more steps would add 0\.[01] points$/,
    );
    assert.match(describePlateau(curve(30, 30, 0)) ?? '', /^still rising at step 30: 10 more steps would add/);
    const flat = curve(80, 1000, 0.05);
    assert.equal(describePlateau(flat), null);
    assert.equal(fitSigmoid(curve(8, 3, 0)), null, 'too short');
    assert.equal(fitSigmoid(curve(80, 30, 0).map(({ step, value }) => ({ step, value: 1 - value }))), null, 'falls');
  });
});
