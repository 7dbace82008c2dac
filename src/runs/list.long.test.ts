// A list of three thousand runs, and a long one looked at, beside whatever else the process does. npm run check:long
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { writeLineage } from '../train/run/lineage.ts';
import type { RunDetail, RunList } from './index.ts';
import { ended, openRuns, step, testLineage } from './test-runs.ts';

const runs = openRuns();
after(() => runs.close());

interface Measured {
  readonly ms: number;
  /** The longest computation between two turns of other work: processor time, which other programs do not lengthen. */
  readonly blockedMs: number;
}

async function measure(work: () => Promise<unknown>): Promise<Measured> {
  let [isDone, blocked] = [false, 0];
  let before = process.cpuUsage();
  const turn = (): void => {
    const { user, system } = process.cpuUsage(before);
    blocked = Math.max(blocked, user + system);
    before = process.cpuUsage();
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const began = performance.now();
  await work();
  isDone = true;
  return { ms: performance.now() - began, blockedMs: blocked / 1000 };
}

describe('a run of 190,000 events', () => {
  const parameters = { total: 1, active: 1, mtp: 0 };
  const rates = { flopsPerToken: 1, tokensPerStep: 1, gemmRate: 1 };
  const started = { event: 'started', time: 1, run: 'x', device: 'x', steps: 9, parameters, ...rates };
  const shapes: Readonly<Record<string, (i: number) => object>> = {
    steps: (i) => step(i + 1),
    sessions: (i) => ({ event: 'resumed', time: 1000 + i, step: 5 }),
  };
  for (const [name, shape] of Object.entries(shapes))
    test(`of many ${name} is looked at without long pauses in other work`, async () => {
      const folder = runs.run(name, [started]);
      await writeLineage(folder, testLineage);
      for (let part = 0; part < 19; part++)
        runs.append(name, ...Array.from({ length: 10_000 }, (_, i) => shape(10_000 * part + i)));
      const looked = await measure(async () => {
        const detail = (await (await runs.get(`/runs/${name}`)).json()) as RunDetail;
        assert.ok(detail.facts.length > 2);
      });
      const again = await measure(() => runs.get(`/runs/${name}`));
      console.log(JSON.stringify({ name, looked, again }));
      assert.ok(looked.blockedMs < 100, `${looked.blockedMs}`);
      assert.ok(again.ms < looked.ms / 5, `${again.ms} of ${looked.ms}`);
    });
});

describe('three thousand runs', () => {
  const steps = Array.from({ length: 100 }, (_, i) => step(i + 1));
  const first = runs.run('run-0', [...steps, ended(100, 'completed')]);
  for (let i = 1; i < 3000; i++) cpSync(first, join(runs.folder, `run-${i}`), { recursive: true });
  const list = async () => (await runs.get('/runs')).text();

  test('are listed without long pauses in other work, and quickly the second time', async () => {
    const cold = await measure(list);
    const warm = await measure(list);
    const again = await measure(list); // a garbage collection may fall into one of them
    const shared = await measure(() => Promise.all(Array.from({ length: 20 }, list)));
    console.log(JSON.stringify({ cold, warm, shared }));
    const { runs: all } = JSON.parse(await list()) as RunList;
    assert.equal(all.filter(({ name }) => name.startsWith('run-')).length, 3000);
    assert.ok(cold.blockedMs < 50, `${cold.blockedMs}`); // compiles code
    assert.ok(Math.min(warm.blockedMs, again.blockedMs) < 20, `${warm.blockedMs} ${again.blockedMs}`);
    assert.ok(warm.ms < cold.ms / 2, `${warm.ms} of ${cold.ms}`);
  });
});
