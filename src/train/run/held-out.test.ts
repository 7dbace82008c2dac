// What fell on held-out data, and what only chance moved. npm test -- train/run/held-out
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { estimateMean, normalTail, Random } from '../../math/index.ts';
import { heldOutAccuracy, validationLoss } from './charts.ts';
import { HeldOutHistory } from './held-out.ts';
import { HeldOutWatch } from './held-out-watch.ts';

const accuracy = (step: number, task: string, passAt1: number, margin: number, problems = 64) => {
  return { event: 'evaluated', time: step, step, task, difficulty: 2, passAt1, margin, problems };
};
const loss = (step: number, value: number, margin: number | null = null) => {
  return { event: 'evaluated', time: step, step, loss: value, margin };
};

describe('the normal tail', () => {
  test('has the probabilities of the tables', () => {
    for (const [z, tail] of [
      [0, 0.5],
      [1, 0.158655254],
      [1.959963985, 0.025],
      [3, 0.001349898],
      [5, 2.866515719e-7],
    ] as const)
      assert.ok(Math.abs(normalTail(z) / tail - 1) < 1e-6, `${z}: ${normalTail(z)}`);
    assert.ok(Math.abs(normalTail(-1) - 0.841344746) < 1e-7);
  });
});

/** The run that nobody was reported about: three tasks learn or stay, arithmetic and sequences fall after step 55. */
const fallen = [
  ...[accuracy(0, 'countdown', 0.098, 0.036), accuracy(0, 'arithmetic', 0.129, 0.039)],
  ...[accuracy(0, 'gcd', 0.3, 0.09), accuracy(0, 'sequence', 0.012, 0.017)],
  ...[accuracy(55, 'countdown', 0.7, 0.1), accuracy(55, 'arithmetic', 0.98, 0.034)],
  ...[accuracy(55, 'gcd', 0.32, 0.09), accuracy(55, 'sequence', 0.13, 0.075)],
  ...[accuracy(110, 'countdown', 0.816, 0.086), accuracy(110, 'arithmetic', 0.879, 0.075)],
  ...[accuracy(110, 'gcd', 0.29, 0.09), accuracy(110, 'sequence', 0.035, 0.036)],
];

describe('a fall', () => {
  test('is reported at the end, by name and with its numbers; what moved within its interval is not', () => {
    const watch = new HeldOutWatch('run', heldOutAccuracy, fallen);
    assert.deepEqual(
      watch.alarms('ended').map(({ kind, message }) => [kind, message.replace(/: take .*/, '')]),
      [
        [
          'held-out-regression',
          'the held-out accuracy of arithmetic 2 fell from 98.0 % ± 3.4 % at step 55 to 87.9 % ± 7.5 % at step 110, ' +
            'more than chance explains; it began at 12.9 % ± 3.9 %',
        ],
        [
          'held-out-regression',
          'the held-out accuracy of sequence 2 fell from 13.0 % ± 7.5 % at step 55 to 3.5 % ± 3.6 % at step 110, ' +
            'more than chance explains; it began at 1.2 % ± 1.7 %',
        ],
      ],
    );
    assert.deepEqual(watch.alarms('ended'), []);
  });

  test('from the first evaluation is reported while the run goes on, once, and again after it had gone', () => {
    const watch = new HeldOutWatch('run', heldOutAccuracy, []);
    const reported = (...evaluation: Parameters<typeof accuracy>) => {
      watch.add(accuracy(...evaluation));
      return watch.alarms('running').map(({ message }) => message.slice(0, 80));
    };
    assert.deepEqual(reported(0, 'gcd', 0.9, 0.05), []);
    const fell = 'the held-out accuracy of gcd 2 fell from 90.0 % ± 5.0 % at step 0 to 50.0 % ± 10';
    assert.deepEqual(reported(1, 'gcd', 0.5, 0.1), [fell]);
    assert.deepEqual(reported(2, 'gcd', 0.4, 0.1), []);
    assert.deepEqual(reported(3, 'gcd', 0.88, 0.05), []);
    assert.deepEqual(reported(4, 'gcd', 0.5, 0.1), [fell]);
  });

  test('a validation loss that rises is reported with its remedy, with an interval or without', () => {
    const rises = (...values: readonly (readonly [number, number | null])[]) => {
      const events = values.map(([value, margin], step) => loss(step, value, margin));
      return new HeldOutWatch('run', validationLoss, events).alarms('ended').map(({ message }) => message);
    };
    assert.deepEqual(rises([1.5, 0.01], [1.47, 0.01], [1.48, 0.01]), []);
    assert.deepEqual(rises([1.5, null], [1.47, null], [1.49, null]), []);
    assert.match(rises([3, 0.01], [1.47, 0.01], [1.535, 0.01])[0], /^the validation loss rose from 1\.4700 ± 0\.0100 /);
    assert.match(rises([3, null], [1.47, null], [1.535, null])[0], /to 1\.5350 at step 2, .*; it began at .*by heart/);
  });

  test('nothing correct at the end is reported, and is no fall besides', () => {
    const events = [accuracy(0, 'gcd', 0.5, 0.1), accuracy(0, 'lcm', 0, 0), accuracy(9, 'gcd', 0, 0)];
    const watch = new HeldOutWatch('run', heldOutAccuracy, [...events, accuracy(9, 'lcm', 0, 0)]);
    assert.deepEqual(
      watch.alarms('ended').map(({ kind, message }) => [kind, message.split(':')[0]]),
      [
        ['nothing-correct', 'the held-out accuracy of gcd 2 is 0 at the end'],
        ['nothing-correct', 'the held-out accuracy of lcm 2 is 0 at the end'],
      ],
    );
  });

  test('chance is not taken for one: runs in which nothing changes, with problems from easy to hard', () => {
    const [runs, evaluations, problems, samples] = [process.env.MINKE_LONG ? 2000 : 50, 5, 64, 4];
    let falseAlarms = 0;
    for (let run = 0; run < runs; run++) {
      const random = new Random(run);
      const tasks = Array.from({ length: 4 }, () => Array.from({ length: problems }, () => random.uniform()));
      const history = new HeldOutHistory(heldOutAccuracy);
      for (let step = 0; step < evaluations; step++)
        for (const [t, chances] of tasks.entries()) {
          const answer = (chance: number) => (random.uniform() < chance ? 1 : 0);
          const shares = chances.map((p) => Array.from({ length: samples }, () => answer(p)));
          const { mean, margin } = estimateMean(shares.map((answers) => answers.filter(Boolean).length / samples));
          history.add(accuracy(step, `task ${t}`, mean, margin));
        }
      if (history.regressions(0.1).length > 0) falseAlarms++;
    }
    assert.ok(falseAlarms <= 0.02 * runs, `${falseAlarms} of ${runs}`);
  });
});

describe('the best evaluation', () => {
  test('is the one with the best mean over the tasks, of equal ones the first', () => {
    const history = new HeldOutHistory(heldOutAccuracy, fallen);
    assert.equal(history.best?.step, 55);
    assert.equal(history.evaluationsSinceBest, 1);
    const flat = new HeldOutHistory(validationLoss, [loss(0, 2), loss(1, 1), loss(2, 1), loss(3, 1.5)]);
    assert.deepEqual([flat.best?.step, flat.evaluationsSinceBest], [1, 2]);
  });

  test('events of other names and values that are not finite are passed over', () => {
    const events = [{ event: 'step', time: 0, step: 1, loss: 0 }, loss(1, Number.NaN), loss(2, 5)];
    assert.equal(new HeldOutHistory(validationLoss, events).first?.step, 2);
  });
});
