// Tables of hardware and prices, and figures: bands, dates, unknowns, precision, and a user's rows. npm test -- planner
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { derive, given } from './figure.ts';
import { apiPrice, findHardware, market, moneyBand, rentBand, statedPrice, withRows } from './market.ts';

describe('prices', () => {
  test("the bundled tables have the form that a user's file has, and every row has a date and a source", () => {
    assert.deepEqual(withRows(market, JSON.parse(JSON.stringify(market)), 'bundled'), market);
  });

  test('a rent is the least, median, and greatest of the last prices of all providers', () => {
    const band = rentBand(market, 'H100');
    assert.deepEqual([band?.low, band?.middle, band?.high, band?.date], [2.4, 3.85, 12.29, '2026-11-09']);
    assert.equal(rentBand(market, 'h800')?.middle, 2);
    assert.deepEqual(moneyBand(100, statedPrice(0.1, 'USD', '2026-11', 'stated')), { low: 10, middle: 10, high: 10 });
  });

  test('before the first price of a device, its rent is unknown', () => {
    assert.equal(rentBand(market, 'h100', '2024-12'), null);
    assert.equal(rentBand(market, 'h100', '2025-06')?.high, 1.99);
    assert.equal(rentBand(market, 'gb200-nvl72'), null);
  });

  test('an API price is the last one by a date; peak and off-peak are apart', () => {
    assert.equal(apiPrice(market, 'deepseek-r1', '2025-02-01', 'off-peak').input, 0.55);
    assert.equal(apiPrice(market, 'deepseek-r1', '2025-03-01', 'off-peak').input, 0.135);
    assert.equal(apiPrice(market, 'claude-haiku-5.5').hit, null);
    assert.throws(() => apiPrice(market, 'deepseek-v4-pro', '2025-03'), /by 2025-03; choose one of .*deepseek-r1/);
    assert.throws(() => apiPrice(market, 'deepseek-r1', 'yesterday'), /\[yesterday\] is no date; write it as/);
  });

  test('a row of a user replaces that of the same key; a wrong one is refused by its field', () => {
    const row = { device: 'h800', provider: 'mine', date: '2026-12', price: 1.5, source: 'an offer' };
    assert.equal(rentBand(withRows(market, { rent: [row] }, 'own.json'), 'h800')?.low, 1.5);
    assert.throws(() => withRows(market, { rent: [{ ...row, price: 0 }] }, 'own.json'), /\[own.json\] rent\.0\.price/);
    assert.throws(() => withRows(market, { prices: [] }, 'own.json'), /\[own.json\].*prices/);
    const electricity = { ...market.electricity, price: { low: 2, middle: 1, high: 3 } };
    assert.throws(() => withRows(market, { electricity }, 'own.json'), /2, 1, 3 is no band/);
    assert.throws(() => findHardware(market, 'h900'), /\[h900\] is no device .* choose one of h800, h100/);
  });
});

describe('figures', () => {
  const two = given('two', 2, { source: 'here', digits: 2 });
  const band = given('band', { low: 1, middle: 2, high: 4 }, { source: 'here' });
  const unknown = given('unknown', null, { source: 'nobody' });
  const quotient = derive('quotient', '', 'two / band', { two, band }, (v) => v.two / v.band);

  test('a band goes through a formula, falling or rising', () => {
    assert.deepEqual(quotient.value, { low: 0.5, middle: 1, high: 2 });
    assert.equal(quotient.digits, 2);
  });

  test('unknown stays unknown, and what is no number is refused with its inputs', () => {
    assert.equal(derive('sum', '', 'two + unknown', { two, unknown }, (v) => v.two + v.unknown).value, null);
    const zero = given('zero', 0, { source: 'here' });
    assert.throws(
      () => derive('ratio', '', 'two / zero', { two, zero }, (v) => v.two / v.zero),
      /\[ratio\] is no number with two 2, zero 0; correct/,
    );
    assert.throws(() => given('hours', -1, { source: 'here' }), /\[hours\] -1, -1, -1 is no band/);
  });
});
