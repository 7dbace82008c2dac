// minke plan: what it prints, that JSON has every origin, and what it refuses. npm test -- cli/plan
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { planCommand } from './plan.ts';
import { type PlanFlags, type PlanName, parseAmount } from './plan-options.ts';

const folder = mkdtempSync(join(tmpdir(), 'minke-plan-'));
after(() => rmSync(folder, { recursive: true }));

/** Runs the command and returns what it printed. */
async function printed(what: PlanName, subject: string | undefined, flags: PlanFlags = {}): Promise<string> {
  const lines: string[] = [];
  const log = console.log;
  console.log = (text: string) => lines.push(text);
  try {
    await planCommand(what, subject, flags);
  } finally {
    console.log = log;
  }
  return lines.join('\n');
}

describe('minke plan', () => {
  test('a claim: the published sum, its parts, and what they leave out', async () => {
    const text = await printed('claim', 'deepseek-v3');
    assert.match(text, /as published +\$5\.576M/);
    assert.match(text, /ablations and research runs +\$6M \(\$3M to \$20M\)/);
    assert.match(text, /device hours of deepseek-v3 in those of llama-3\.1-405b +9\.040 %/);
    assert.match(await printed('claim', 'deepseek-r1'), /margin on cost +545\.6 %/);
    const replaced = await printed('claim', 'deepseek-v3', { assume: ['people=0', 'salary=1:2:3'] });
    assert.match(replaced, /people +\$0/);
  });

  test('a training run, solved for a deadline: devices, layout, band', async () => {
    const flags = { tokens: 1e12, target: 'days=30', price: 3 };
    const text = await printed('train', 'moonlight-16b-a3b', flags);
    assert.match(text, /devices +24 \(16 to 24\)/);
    assert.match(text, /rent +\$37K \(\$34K to \$48K\)/);
    assert.match(text, /the layout that waits least is --parallel pp=\d+,tp=1,ep=\d+.*; it fits h100/);
  });

  test('--explain and --json say where every figure comes from', async () => {
    const text = await printed('train', 'smollm2-135m', { tokens: 2e12, explain: true });
    assert.match(text, /device hours = .*\[flops \/ \(peak x utilization\) \/ 3600\]/);
    assert.match(text, /BF16 peak = 989\.5 TFLOP\/s {3}\[the vendor's datasheet, dense\]/);
    const { cost } = JSON.parse(await printed('train', 'smollm2-135m', { tokens: 2e12, json: true }));
    assert.equal(cost.money.inputs.hours.inputs.flops.inputs.tokens.value.middle, 2e12);
  });

  test('--compare puts models side by side', async () => {
    const flags = { compare: ['deepseek-v2-lite'], devices: 8 };
    const text = await printed('serve', 'moonlight-16b-a3b', flags);
    assert.match(text, /^ +moonlight-16b-a3b +deepseek-v2-lite$/m);
    assert.match(text, /cache in bf16 +31\.10 kB\/token +31\.10 kB\/token/);
  });

  test("a user's rows stand over the tables", async () => {
    const path = join(folder, 'market.json');
    const row = { device: 'gb200-nvl72', provider: 'an offer', date: '2026-12', price: 9, source: 'mail' };
    writeFileSync(path, JSON.stringify({ rent: [row] }));
    assert.match(await printed('market', undefined), /gb200-nvl72 +unknown/);
    assert.match(await printed('market', undefined, { market: path }), /gb200-nvl72 +\$9\.00\/h, 2026-12/);
    writeFileSync(path, '{');
    await assert.rejects(printed('market', undefined, { market: path }), /is no JSON; see minke plan market --json/);
  });

  test('what cannot be planned is refused in words', async () => {
    const refused = (what: PlanName, subject: string | undefined, flags: PlanFlags, message: RegExp) =>
      assert.rejects(printed(what, subject, flags), message);
    await refused('train', 'tiny', {}, /\[--tokens\] is missing; give it, or --target/);
    await refused('train', undefined, {}, /\[plan train\] a model is missing; name a preset/);
    await refused('train', 'tiny', { tokens: 1e9, steps: 3 }, /\[--steps\] is not used by plan train, but by rl/);
    await refused('train', 'tiny', { tokens: 1e9, device: 'h900' }, /\[h900\] is no device of the hardware table/);
    await refused('train', 'tiny', { tokens: 1e9, target: 'weeks=3' }, /weeks is not known; use days=30/);
    await refused('train', 'tiny', { target: 'money=5', device: 'gb200-nvl72' }, /price of gb200-nvl72 is unknown/);
    await refused('train', 'tiny', { tokens: 1e9, parallel: 'pp=x' }, /\[--parallel\] x is no number/);
    await refused('claim', 'gpt-5', {}, /is no claim that is known; choose one of/);
    await refused('claim', 'deepseek-v3', { assume: ['luck=2'] }, /\[luck\] is no assumption/);
    await refused('serve', 'smollm2-135m', { api: 'gpt-9' }, /\[gpt-9\] has no price in the table/);
    await refused('claim', 'deepseek-v3', { tokens: 3 }, /\[--tokens\] is not used by plan claim, but by train/);
  });

  test('amounts have letters', () => {
    assert.deepEqual(['14.8T', '500m', '4096', '1e9'].map(parseAmount), [14.8e12, 5e8, 4096, 1e9]);
    for (const wrong of ['', '-3', '0', '5X', '1.2.3']) assert.throws(() => parseAmount(wrong), /above 0/);
  });
});
