// Published figures, recomputed: each with its definition, its source, and a tolerance. npm test -- published
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readConfig } from '../model/config.ts';
import { preset } from '../model/presets.ts';
import { claimShare, claimUtilization, openClaim } from './claim.ts';
import { claims } from './claim-data.ts';
import { dayEconomics, hitLimit, priceRatio, publishedDay } from './economics.ts';
import { derive, type Figure, given } from './figure.ts';
import { apiPrice, market, rentBand, today } from './market.ts';
import { allToAllShare, decodeCeiling, dispatchBytes } from './network.ts';
import { bubbleShare } from './pipeline.ts';
import { expertsHit } from './serving.ts';
import { cacheFigure, parameterFigures, trainingFlops, weightFigure } from './work.ts';

const v3 = preset('deepseek-v3');
const report = 'DeepSeek-V3 report';
const isca = 'Insights into DeepSeek-V3 (arXiv 2505.09343)';
const infra = 'deepseek-ai/open-infra-index, day 6';

const open = (name: string, prices: 'launch' | 'today' = 'launch') => openClaim({ name, prices, own: {} }, market);
const last = (figures: readonly Figure[]) => figures.at(-1) ?? null;
const fabric = { hidden: 7000, experts: 9, layers: 61, tokens: 32 };
const r1 = apiPrice(market, 'deepseek-r1', '2025-02-01');
const o1 = apiPrice(market, 'o1');
const speed = given('speed', 14.8e12 / (2.664e6 * 3600), { unit: 'token/s', source: 'tokens / hours of pretraining' });
const network = given('network', 50e9, { unit: 'B/s', source: 'InfiniBand, 400 Gbit/s' });
const ofDay = (model: string, period: 'all' | 'peak' | 'off-peak' = 'all', on = today) =>
  dayEconomics(market, model, on, period);
const hoursPerTrillion = derive(
  'days',
  'days',
  'hours / devices / 24',
  { hours: given('h', 180e3, { source: report }) },
  (v) => v.hours / 2048 / 24,
);
const daysOfZero = derive(
  'h',
  'h',
  'hours / devices',
  { hours: given('h', 101e3, { source: 'R1' }) },
  (v) => v.hours / 512,
);

/** What is published; its definition; its source; the value; a relative tolerance; our figure. */
const rows: readonly (readonly [string, string, string, number, number, Figure | null])[] = [
  ['H800 hours of V3', '2,664K + 119K + 5K', `${report}, table 1`, 2.788e6, 0, last(open('deepseek-v3').hours)],
  ['dollars of V3', 'hours x 2 $', `${report}, table 1`, 5.576e6, 0, last(open('deepseek-v3').published)],
  ['the same hours', '14.8T tokens at 272.8B a day', isca, 2.664e6, 0.002, open('deepseek-v3').recomputed],
  ['days a trillion tokens', '180K h on 2,048', `${report}, section 1`, 3.7, 0.012, hoursPerTrillion],
  ['GFLOP a token, causal', '6 multiplied + half of all pairs', isca, 250.5e9, 0.001, trainingFlops(v3, 4096)],
  ['GFLOP a token, all pairs', '6 multiplied + all pairs', isca, 281.2e9, 0.001, trainingFlops(v3, 4096, 'all pairs')],
  [
    'MFU, causal',
    'of 989.5 TFLOP/s, 272.8B a day',
    isca,
    0.389,
    0.004,
    claimUtilization('deepseek-v3', market, 'causal'),
  ],
  ['MFU, all pairs', 'of 989.5 TFLOP/s', isca, 0.437, 0.004, claimUtilization('deepseek-v3', market, 'all pairs')],
  [
    'hours in those of Llama',
    '2.788M / 30.84M',
    'model card',
    0.0904,
    0.001,
    claimShare('deepseek-v3', 'llama-3.1-405b', 'hours'),
  ],
  [
    'FLOPs in those of Llama',
    '6 x 37B x 14.8T / 3.8e25',
    'Llama 3, 3',
    0.0865,
    0.001,
    claimShare('deepseek-v3', 'llama-3.1-405b', 'flops'),
  ],
  ['dollars of Llama', '30.84M h x 2 $', 'model card', 61.7e6, 0.001, last(open('llama-3.1-405b').published)],
  ['dollars of R1', '(101K + 5K + 41K) x 2 $', 'R1 report, table 7', 294e3, 0, last(open('deepseek-r1').published)],
  ['hours of R1-Zero on 512', '101K / 512', 'R1 report: about 198 h', 198, 0.005, daysOfZero],
  ['cache of V3', '(512 + 64) x 61 x 2 B', isca, 70_272, 0, cacheFigure(v3)],
  ['cache of Llama-405B', '2 x 8 x 128 x 126 x 2 B', isca, 516e3, 0.001, cacheFigure(preset('llama-3.1-405b'))],
  [
    'time of a token, 400G',
    'hidden taken as 7,000',
    isca,
    14.76e-3,
    0.001,
    decodeCeiling({ ...fabric, bandwidth: 50e9 }),
  ],
  [
    'time of a token, NVL72',
    'hidden taken as 7,000',
    isca,
    0.82e-3,
    0.001,
    decodeCeiling({ ...fabric, bandwidth: 900e9 }),
  ],
  [
    'bubble of 1F1B',
    'of a step, 16 stages, 120 micro-batches',
    `${report}, table 2`,
    0.111,
    0.005,
    bubbleShare('1f1b', 16, 120),
  ],
  ['bubble of ZB1P', 'of a step', `${report}, table 2`, 0.04, 0.005, bubbleShare('zb1p', 16, 120)],
  ['bubble of DualPipe', 'of a step', `${report}, table 2`, 0.037, 0.015, bubbleShare('dualpipe', 16, 120)],
  [
    'exchange of a token',
    '4 nodes, dispatch FP8, combine BF16',
    `${report}, section 3.2`,
    5.04e6,
    0.001,
    dispatchBytes(v3, 4),
  ],
  [
    'exchange in training',
    'of 50 GB/s, forward and backward',
    report,
    0.311,
    0.002,
    allToAllShare(dispatchBytes(v3, 4), speed, network),
  ],
  [
    'cost of the day',
    '226.75 x 8 x 24 h x 2 $',
    infra,
    publishedDay.cost,
    0,
    ofDay('deepseek-r1', 'all', '2025-02-01').cost,
  ],
  [
    'revenue of the day',
    'at R1 prices',
    infra,
    publishedDay.revenue,
    0.001,
    ofDay('deepseek-r1', 'all', '2025-02-01').revenue,
  ],
  [
    'margin of the day',
    'profit / cost',
    infra,
    publishedDay.margin,
    0.002,
    ofDay('deepseek-r1', 'all', '2025-02-01').margin,
  ],
  [
    'the day at V4-Pro prices',
    'off-peak, 2026',
    'api-docs',
    515.7e3,
    0.001,
    ofDay('deepseek-v4-pro', 'off-peak').revenue,
  ],
  ['the day at V4-Pro prices, peak', 'peak', 'api-docs', 1.03e6, 0.002, ofDay('deepseek-v4-pro', 'peak').revenue],
  ['margin at Flash prices', 'off-peak', 'api-docs', 0.63, 0.01, ofDay('deepseek-flash', 'off-peak').margin],
  ['margin at Flash prices, peak', 'peak', 'api-docs', 2.26, 0.01, ofDay('deepseek-flash', 'peak').margin],
  ['margin at Luna prices', 'no peak', 'codersera', 0.31, 0.01, ofDay('gpt-6-luna').margin],
  [
    'o1 in prices of R1, input',
    '15 / 0.55',
    'price lists',
    27.3,
    0.001,
    priceRatio({ hit: 0, input: 1, output: 0 }, o1, r1),
  ],
  [
    'o1 in prices of R1, output',
    '60 / 2.19',
    'price lists',
    27.4,
    0.001,
    priceRatio({ hit: 0, input: 0, output: 1 }, o1, r1),
  ],
  [
    'o1 in prices of R1, the day',
    'its hits, input, output',
    'price lists',
    29.6,
    0.001,
    priceRatio(publishedDay.traffic, o1, r1),
  ],
];

describe('published figures', () => {
  for (const [name, definition, source, expected, tolerance, figure] of rows)
    test(`${name}: ${definition} (${source})`, () => {
      const value = figure?.value?.middle ?? Number.NaN;
      assert.ok(Math.abs(value / expected - 1) <= tolerance, `${value}, published ${expected}`);
    });

  test('"20 to 40 times": 27 without hits; above 40 with more hits than 3.7 a miss and 14.5 an output token', () => {
    const limit = hitLimit(40, o1, r1);
    assert.ok(limit !== null);
    const edge = { hit: 2 * limit.perInput + 3 * limit.perOutput, input: 2, output: 3 };
    assert.ok(Math.abs((priceRatio(edge, o1, r1).value?.middle ?? 0) - 40) < 1e-9);
    assert.ok((priceRatio({ ...edge, hit: edge.hit * 1.01 }, o1, r1).value?.low ?? 0) > 40);
    const ends = [
      { hit: 1, input: 0, output: 0 },
      { hit: 0, input: 1, output: 0 },
      { hit: 0, input: 0, output: 1 },
    ];
    const ratios = ends.map((mix) => priceRatio(mix, o1, r1).value?.middle ?? 0);
    assert.ok(Math.min(...ratios) > 27 && Math.max(...ratios) < 54, `${ratios}`);
    assert.equal(hitLimit(60, o1, r1), null);
  });

  test("V3's run at every price of an H100 today: 7.50, 11.12, 19.18, 34.26 million", () => {
    const hours = last(open('deepseek-v3').hours)?.value?.middle ?? 0;
    const prices = market.rent.filter(({ device, date }) => device === 'h100' && date === '2026-11-09');
    const millions = prices.map(({ price }) => ((hours * price) / 1e6).toFixed(2));
    for (const expected of ['7.50', '11.12', '19.18', '34.26']) assert.ok(millions.includes(expected), expected);
    assert.ok(Math.abs(12.29 / 2.69 - 4.57) < 0.01); // the same chip, by provider
    const rent = last(open('deepseek-v3', 'today').published)?.value;
    assert.deepEqual([rent?.low, rent?.high], [hours * 2.4, hours * (rentBand(market, 'h100')?.high ?? 0)]);
  });

  test('every published part has a source and the digits that it was published with', () => {
    for (const { parts } of Object.values(claims))
      for (const { hours, digits, source } of parts) {
        assert.equal(Number(hours.toPrecision(digits)), hours);
        assert.ok(source.length > 0);
      }
  });
});

describe('models whose size other calculators get wrong', () => {
  const middle = (figure: Figure) => figure.value?.middle ?? Number.NaN;

  test('a mixture is as large as all of its experts, and computes with few (llmfit#230, #474)', () => {
    const config = preset('moonlight-16b-a3b');
    assert.equal(middle(weightFigure(config, 'bf16')), 2 * 15_960_110_208 + 2 * 26 * 64); // f32 biases of 26 routers
    assert.ok(middle(parameterFigures(config).multiplied) < 2.6e9);
  });

  test('MLA keeps latents, not heads (V2-Lite: 31,104 bytes a token instead of 276,480)', () => {
    const config = preset('deepseek-v2-lite');
    assert.equal(middle(cacheFigure(config)), 27 * 576 * 2);
    assert.equal(27 * 16 * (192 + 128) * 2, 276_480);
  });

  test('a tied embedding is stored once and multiplied as the head (SmolLM2-135M)', () => {
    const config = preset('smollm2-135m');
    assert.equal(middle(parameterFigures(config).total), 134_515_008);
    assert.equal(middle(parameterFigures(config).multiplied), 134_515_008);
  });

  test('a batch hits most experts, not its share of them', () => {
    assert.equal(middle(expertsHit(64, 6, 1)), 6);
    assert.ok(Math.abs(middle(expertsHit(256, 8, 64)) - 256 * (1 - (1 - 8 / 256) ** 64)) < 1e-9);
    assert.ok(middle(expertsHit(256, 8, 64)) > 222);
  });

  test('grouped queries keep the heads of keys alone (Qwen3-30B-A3B)', () => {
    const sizes = { hidden_size: 2048, num_hidden_layers: 48, num_attention_heads: 32, num_key_value_heads: 4 };
    const experts = { num_experts: 128, num_experts_per_tok: 8, moe_intermediate_size: 768, vocab_size: 151936 };
    const config = readConfig({
      model_type: 'qwen3_moe',
      head_dim: 128,
      intermediate_size: 6144,
      ...sizes,
      ...experts,
    });
    assert.equal(middle(cacheFigure(config)), 2 * 4 * 128 * 48 * 2);
    assert.equal((middle(parameterFigures(config).total) / 1e9).toFixed(1), '30.5');
    assert.equal((middle(parameterFigures(config).active) / 1e9).toFixed(1), '3.4');
  });
});
