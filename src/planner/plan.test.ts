// Plans: what they solve, the layouts that were published, refusals in words, and figures that stay numbers.
// npm test -- planner
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { countParameters } from '../model/cost.ts';
import { preset } from '../model/presets.ts';
import { openClaim } from './claim.ts';
import { breakEven } from './economics.ts';
import type { Figure } from './figure.ts';
import { formatFigure, formatValue } from './format.ts';
import { apiPrice, findHardware, market, rentBand, statedPrice } from './market.ts';
import { interpolateSteps } from './measured.ts';
import { devicesForDays, searchParallelism, tokensForMoney } from './parallelism-search.ts';
import { bubbleShare } from './pipeline.ts';
import { planExamples, planRl } from './post-training.ts';
import { planServing, type ServingQuestion, sweepBatch } from './serving.ts';
import { planTraining, type TrainingQuestion } from './training.ts';
import type { Parallelism } from './training-memory.ts';

const middle = (figure: Figure | null | undefined) => figure?.value?.middle ?? Number.NaN;
const h100 = findHardware(market, 'h100');
const h800 = findHardware(market, 'h800');
const one: Parallelism = { pipeline: 1, tensor: 1, expert: 1, schedule: '1f1b' };

const v3: TrainingQuestion = {
  config: preset('deepseek-v3'),
  tokens: 14.8e12,
  context: 4096,
  hardware: h800,
  devices: 2048,
  parallelism: { pipeline: 16, tensor: 1, expert: 64, schedule: 'dualpipe' },
  recompute: 'selective',
  batch: 15_360,
  microBatch: 1,
  utilization: null,
  price: rentBand(market, 'h800'),
};
const moonlight: TrainingQuestion = {
  ...v3,
  config: preset('moonlight-16b-a3b'),
  tokens: 1e12,
  hardware: h100,
  devices: 24,
  parallelism: one,
  batch: 1024,
  price: statedPrice(3, 'USD', '2026-12', 'asked'),
};
const serving: ServingQuestion = {
  config: preset('deepseek-v3'),
  hardware: h800,
  devices: 144,
  weights: 'fp8',
  cache: 'bf16',
  input: 4000,
  output: 1000,
  hits: 0.56,
  batch: null,
  acceptance: 0.85,
  price: rentBand(market, 'h800'),
};

describe('training', () => {
  test("V3's own layout fits an H800, and its plan comes to the published hours", () => {
    const plan = planTraining(v3, market);
    assert.ok(plan.fits);
    const { low, high } = plan.cost.deviceHours.value ?? { low: 0, high: 0 };
    assert.ok(low < 2.664e6 && 2.664e6 < high, formatFigure(plan.cost.deviceHours));
    assert.equal(plan.bubbles[0]?.name, 'bubble of dualpipe');
    assert.equal(planTraining({ ...v3, parallelism: { ...one, pipeline: 2 } }, market).fits, false);
  });

  test('16B-A3B on 1T tokens within 30 days at 3 $/h: devices, parallelism, band', () => {
    const devices = devicesForDays(moonlight, 30, market);
    assert.deepEqual([middle(devices), middle(devices) % h100.devicesPerNode], [24, 0]);
    const { plan, parallelism } = searchParallelism({ ...moonlight, devices: middle(devices) }, market);
    assert.ok(plan.fits && (plan.cost.days.value?.high ?? 99) <= 30);
    assert.equal(moonlight.devices % (parallelism.pipeline * parallelism.tensor), 0);
    const money = plan.cost.money.value;
    assert.ok(money && money.low < money.middle && money.middle < money.high);
    assert.equal(middle(plan.cost.money), 3 * middle(plan.cost.deviceHours));
  });

  test('a budget buys the tokens that cost it', () => {
    const tokens = middle(tokensForMoney(moonlight, 37_000, market));
    const plan = planTraining({ ...moonlight, tokens }, market);
    assert.ok(Math.abs(middle(plan.cost.money) / 37_000 - 1) < 1e-9);
  });

  test('without a price money is unknown, and never 0', () => {
    const { cost } = planTraining({ ...v3, price: null }, market);
    assert.deepEqual([cost.money.value, formatFigure(cost.money)], [null, 'unknown']);
    assert.equal(tokensForMoney({ ...moonlight, price: null }, 1e6, market).value, null);
  });

  test('money has no more digits than what it rests on', () => {
    assert.equal(planTraining(v3, market).cost.money.digits, 2); // the utilization's
    assert.match(formatFigure(planTraining(v3, market).cost.money), /^\$5\.6M \(\$5\.\dM to \$7\.\dM\)$/);
  });

  test('contradictions and impossible quantities are refused in words', () => {
    const refused = (changes: Partial<TrainingQuestion>, message: RegExp) =>
      assert.throws(() => planTraining({ ...v3, ...changes }, market), message);
    refused({ tokens: 0 }, /\[tokens\] expected a number above 0, received 0; correct it/);
    refused({ tokens: Number.NaN }, /\[tokens\] .* received NaN/);
    refused({ devices: -8 }, /\[devices\] expected a whole number above 0, received -8/);
    refused({ devices: 100 }, /100 devices are no multiple of 16 stages/);
    refused({ utilization: 0 }, /\[utilization\]/);
    refused({ parallelism: { ...v3.parallelism, expert: 3 } }, /256 experts for 3 ranks; use a divisor/);
    refused({ config: preset('smollm2-135m') }, /64 expert ranks for a dense model; use 1/);
    refused({ parallelism: { ...one, pipeline: 64 } }, /64 stages for 61 layers/);
    assert.throws(() => bubbleShare('dualpipe', 3, 8), /even number of stages, received 3/);
    const tooSmall = { ...moonlight, hardware: findHardware(market, 'rtx-4090'), devices: 1 };
    assert.throws(() => searchParallelism(tooSmall, market), /no division over 1 rtx-4090 fits: the smallest takes/);
  });
});

describe('serving', () => {
  test('a roofline is above what DeepSeek measured, and less than three times as high', () => {
    // 14.8K tokens/s out and 73.7K in, of a node of 8: deepseek-ai/open-infra-index, day 6.
    const plan = planServing(serving);
    assert.ok((plan.decodeSpeed.value?.high ?? 0) > 14_800 / 8 && middle(plan.decodeSpeed) < (3 * 14_800) / 8);
    assert.ok(Math.abs(middle(plan.prefillSpeed) / (73_700 / 8) - 1) < 0.05);
  });

  test('a larger batch is slower for each user and cheaper for all', () => {
    const plans = sweepBatch(serving);
    const users = plans.map((plan) => middle(plan.tokensPerSecondUser));
    const prices = plans.map((plan) => middle(plan.outputPrice));
    assert.deepEqual(
      users,
      [...users].sort((a, b) => b - a),
    );
    assert.ok(prices.every((price, i) => i === 0 || price <= prices[i - 1] * (1 + 1e-9)));
    assert.equal(middle(plans.at(-1)?.batch), middle(plans.at(-1)?.maxBatch));
  });

  test('renting pays from as many requests as cost the rent', () => {
    const request = { hit: 0, input: 1e6, output: 0 };
    const figure = breakEven(market, 'h800', 8, request, apiPrice(market, 'deepseek-r1', '2025-02-01'));
    assert.equal(middle(figure), (24 * 8 * 2) / 0.55);
  });

  test('what does not fit, or is no share, is refused', () => {
    assert.throws(() => planServing({ ...serving, devices: 1 }), /\[memory\] .* do not fit h800/);
    assert.throws(() => planServing({ ...serving, batch: 1e6 }), /\[batch\] 1000000 sequences do not fit, \d+ do/);
    assert.throws(() => planServing({ ...serving, hits: 1.5 }), /\[hits\] expected a share from 0 to 1/);
    assert.throws(() => planServing({ ...serving, input: 200_000 }), /more than the model's 163840/);
    const dense = { ...serving, config: preset('smollm2-135m'), devices: 1, cache: 'fp8' } as const;
    assert.throws(() => planServing(dense), /fp8 is defined for latents of MLA only/);
  });
});

describe('post-training', () => {
  const setting = { hardware: h800, devices: 512, price: rentBand(market, 'h800'), input: 200, output: 8000 };
  const rl = { ...setting, config: preset('deepseek-v3'), steps: 10_400, questions: 32, groupSize: 16, atOnce: 8192 };

  test("R1-Zero's plan is a lower bound of its published hours", () => {
    const plan = planRl({ ...rl, reference: true });
    assert.equal(middle(plan.generated), 10_400 * 512 * 8000);
    assert.ok((plan.deviceHours.value?.high ?? 0) < 101_000 && middle(plan.deviceHours) > 10_000);
    assert.ok(middle(planRl({ ...rl, reference: false }).deviceHours) < middle(plan.deviceHours));
  });

  test('rejected answers are generated too', () => {
    const question = {
      ...setting,
      teacher: preset('deepseek-v3'),
      student: preset('smollm2-135m'),
      epochs: 2,
      output: 5000,
    };
    const kept = planExamples({ ...question, examples: 600_000, acceptance: 0.25 });
    assert.equal(middle(kept.generated), 4 * 600_000 * 5000);
    assert.throws(() => planExamples({ ...question, examples: 10, acceptance: 0 }), /\[acceptance\]/);
  });
});

describe('claims', () => {
  test('the whole is the published part and what is left out; assumptions can be replaced', () => {
    const own = { ablations: 0, failures: 0, utilization: 1, teachers: 0, data: 0, people: 0 };
    const bare = openClaim({ name: 'deepseek-v3', prices: 'launch', own }, market);
    assert.deepEqual([middle(bare.total), middle(bare.multiple)], [5.576e6, 1]);
    const doubled = openClaim({ name: 'deepseek-v3', prices: 'launch', own: { ...own, ablations: 1 } }, market);
    assert.equal(middle(doubled.total), 2 * 5.576e6);
    const r1 = openClaim({ name: 'deepseek-r1', prices: 'launch', own }, market);
    assert.equal(middle(r1.total), 294e3 + 5.576e6); // with its base
  });

  test('a multiple never falls below one: the same price stands above and below', () => {
    for (const prices of ['launch', 'today'] as const)
      assert.ok((openClaim({ name: 'deepseek-v3', prices, own: {} }, market).multiple.value?.low ?? 0) > 1);
  });

  test('unknown claims and assumptions are refused by name', () => {
    const open = (name: string, own: object) => openClaim({ name, prices: 'launch', own }, market);
    assert.throws(() => open('gpt-5', {}), /\[gpt-5\] is no claim that is known; choose one of deepseek-v3/);
    assert.throws(() => open('deepseek-v3', { magic: 1 }), /\[magic\] is no assumption; choose one of ablations/);
    assert.throws(() => open('deepseek-v3', { utilization: 2 }), /\[utilization\] 2 to 2 is no share/);
    assert.throws(() => open('deepseek-v3', { people: -1 }), /\[people\] -1, -1, -1 is no band/);
  });
});

describe('any plan', () => {
  /** Every figure that another rests on. */
  const all = (figure: Figure): Figure[] => [figure, ...Object.values(figure.inputs).flatMap(all)];

  test('money, energy, and time are finite, in order, and as precise as their least precise input', () => {
    const exponent = fc.double({ min: 3, max: 15, noNaN: true });
    fc.assert(
      fc.property(
        exponent,
        fc.integer({ min: 1, max: 4 }),
        fc.double({ min: 0.01, max: 50, noNaN: true }),
        (e, n, usd) => {
          const price = statedPrice(usd, 'USD', '2026', 'asked');
          const { cost } = planTraining({ ...moonlight, tokens: 10 ** e, devices: 8 * n, price }, market);
          for (const figure of [cost.money, cost.energy, cost.electricity, cost.days].flatMap(all)) {
            const { low, middle: center, high } = figure.value ?? { low: -1, middle: -1, high: -1 };
            assert.ok(0 <= low && low <= center && center <= high && Number.isFinite(high), figure.name);
            for (const input of Object.values(figure.inputs)) assert.ok(figure.digits <= input.digits, figure.name);
            assert.doesNotMatch(formatFigure(figure), /NaN|Infinity/);
          }
        },
      ),
      { numRuns: 50, seed: 1 },
    );
  });

  test('numbers are shown with their digits and units', () => {
    assert.equal(formatValue(5_576_000, 'USD'), '$5.576M');
    assert.equal(formatValue(999_960, 'USD'), '$1.000M');
    assert.equal(formatValue(0.8, 'EUR', 2), '0.80 EUR');
    assert.equal(formatValue(2.5e11, 'FLOP/token'), '250.0 GFLOP/token');
    assert.equal(formatValue(0.01476, 's'), '14.76 ms');
    assert.equal(formatValue(0.0904, 'share', 3), '9.04 %');
    assert.equal(formatValue(27.37, 'x', 3), '27.4x');
    assert.equal(formatValue(0, 'USD'), '$0');
  });
});

describe('a machine that was measured', () => {
  const step = { experts: true, flops: 1e10, secondsPerParameter: 1e-9, bytesPerParameter: 16, activationRatio: 2 };
  const cpu = {
    ...h100,
    name: 'this-machine',
    devicesPerNode: 1,
    measured: [
      { ...step, width: 64 },
      { ...step, width: 256, flops: 4e10, activationRatio: 4 },
      { ...step, width: 512, experts: false, flops: 9e10 },
    ],
  };
  const question = {
    ...moonlight,
    config: preset('tiny'),
    hardware: cpu,
    devices: 1,
    tokens: 1e7,
    context: 256,
    batch: 8,
  };

  test('rates are those measured, and between widths on a line of logarithms', () => {
    const at = (width: number, experts = true) => interpolateSteps(cpu.measured, width, experts);
    assert.deepEqual([at(64).flops, at(32).flops, at(256).flops, at(4096).flops], [1e10, 1e10, 4e10, 4e10]);
    assert.ok(Math.abs(at(128).flops / 2e10 - 1) < 1e-9);
    assert.equal(at(100, false).flops, 9e10);
  });

  test('the time is that of the tokens and of the optimizer; memory that of parameters and of a micro-batch', () => {
    const { cost, memory } = planTraining(question, market);
    const { total, mtp } = countParameters(question.config);
    const rate = interpolateSteps(cpu.measured, 192, true).flops;
    const seconds = (1e7 * middle(cost.flopsPerToken)) / rate + Math.ceil(1e7 / 2048) * (total + mtp) * 1e-9;
    assert.ok(Math.abs((3600 * middle(cost.deviceHours)) / seconds - 1) < 1e-9);
    assert.equal(middle(memory[0]), 16 * (total + mtp));
    assert.equal(memory.length, 3);
  });

  test('it is one machine', () => {
    assert.throws(() => planTraining({ ...question, devices: 2 }, market), /2 of this-machine, which is one machine/);
  });
});
