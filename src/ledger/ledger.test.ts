// Bills of small lineages: sums by hand, what is missing, changed or circular, and the block of a card.
// npm test -- ledger
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { PriceBand } from '../planner/index.ts';
import {
  type Lineage,
  mergeRecords,
  noWork,
  readLineage,
  readModelOrigin,
  toRecord,
  totalFlops,
  type Work,
  writeLineage,
} from '../train/index.ts';
import { type BillNode, describeBillTree, listNodes, openBill, type Title, writeBill, writeCard } from './index.ts';

const root = mkdtempSync(join(tmpdir(), 'minke-ledger-'));
after(() => rmSync(root, { recursive: true }));

const hash = (letter: string) => letter.repeat(64);
const price: PriceBand = {
  low: 1,
  middle: 2,
  high: 4,
  currency: 'USD',
  per: 'machine h',
  date: '2026-12-01',
  source: 'a test',
};

interface RunSpec extends Partial<Lineage> {
  readonly hours?: number;
  /** Hours since the first run. */
  readonly at?: number;
  readonly spent?: Partial<Work>;
}

/** Returns the lineage of a run of an hour that learned with 100 FLOPs. */
function toLineage({ at = 0, spent = { training: 100 }, ...fields }: RunSpec): Lineage {
  const { hours = 1 } = fields;
  const work = { ...noWork, ...spent };
  const started = new Date(Date.UTC(2026, 0, 1, at)).toISOString();
  const machine = 'a machine, 2 cores';
  return {
    format: 1,
    digest: null,
    kind: 'pretrain',
    status: 'completed',
    reason: 'all steps are done',
    weights: null,
    data: null,
    code: { version: '1.0.0', commit: null, changed: false },
    seed: 1,
    generator: null,
    computation: null,
    config: { model: 'nano' },
    parents: [],
    teachers: [],
    charged: [],
    steps: 10,
    tokens: 1000,
    flops: totalFlops(work),
    work,
    predicted: null,
    cost: { amount: hours * price.middle, currency: 'USD', pricePerHour: price.middle, price },
    energy: null,
    sessions: [
      { started, seconds: 3600 * hours, fromStep: 0, machine, device: 'native avx2, 2 threads', joules: null },
    ],
    notes: [],
    ancestors: [],
    ...fields,
    hours,
  };
}

async function writeRun(folder: string, spec: RunSpec): Promise<string> {
  const path = join(root, folder);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'events.jsonl'), '');
  await writeLineage(path, toLineage(spec));
  return path;
}

/** Returns the fields of a run that began from another one. */
async function from(path: string): Promise<Pick<Lineage, 'parents' | 'ancestors'>> {
  const lineage = readLineage(path) as Lineage;
  const record = toRecord(lineage, basename(path));
  const link = { role: 'initial weights', name: basename(path), record: record.digest };
  return {
    parents: [{ ...link, weights: lineage.weights ?? '' }],
    ancestors: mergeRecords([record], lineage.ancestors),
  };
}

const alone = { runs: null, charge: [], price: null };
const listHours = (bill: { totals: Record<Title, { hours: number }> }) =>
  Object.values(bill.totals).map(({ hours }) => hours);
const find = (tree: BillNode, name: string) => listNodes(tree).filter(({ record }) => record.name === name);

describe('the bill of a chain', () => {
  const project = join(root, 'project');
  test('sums: own, with ancestors, with teachers, with failed runs; a copied folder knows them', async () => {
    const corpus = { hash: hash('9'), tokenizer: '', documents: 1, tokens: 1000, sources: [] };
    const base = await writeRun('project/base', { weights: hash('a'), data: corpus, hours: 4, at: 2 });
    await writeRun('project/base-nan', { status: 'failed', data: corpus, hours: 0.5, at: 1, steps: 3 });
    await writeRun('project/other', { status: 'failed', hours: 64, config: { model: 'tiny' } });
    const teacher = await writeRun('elsewhere/teacher', { weights: hash('b'), hours: 8, kind: 'rl' });
    const teacherRecord = toRecord(readLineage(teacher) as Lineage, 'teacher');
    const own = await from(base);
    await writeRun('project/sft', {
      ...own,
      kind: 'sft',
      weights: hash('c'),
      at: 10,
      ancestors: [...own.ancestors, teacherRecord],
      teachers: [
        { name: 'teacher', weights: hash('b'), tokens: 500, record: teacherRecord.digest },
        { name: 'big at example.org', weights: null, tokens: 90, record: null },
      ],
    });
    await writeRun('project/rl', {
      ...(await from(join(project, 'sft'))),
      kind: 'rl',
      status: 'stopped',
      hours: 2,
      at: 12,
    });
    await writeRun('project/sft-early', { ...own, kind: 'sft', hours: 0.25, at: 8 });
    await writeRun('project/sft-seed-2', { ...own, kind: 'sft', hours: 32, at: 8, seed: 2 });

    const bill = await openBill(join(project, 'sft'), { ...alone, runs: project });
    assert.deepEqual(listHours(bill), [1, 5, 13, 15.75]);
    assert.deepEqual(bill.totals.failed.money, [{ currency: 'USD', low: 15.75, middle: 31.5, high: 63 }]);
    assert.equal(bill.totals.failed.flops, 600);
    assert.ok(Math.abs((bill.totals.failed.energy?.low ?? 0) - (15.75 * 2 * 1.87) / 1000) < 1e-9);
    const roles = listNodes(bill.tree).map(({ role, record }) => `${role}: ${record.name}`);
    for (const role of ['failed: base-nan', 'stopped: rl', 'superseded: sft-early', 'teacher: teacher'])
      assert.ok(roles.includes(role), `${role} of ${roles}`);
    assert.deepEqual(bill.findings, [
      'the teacher of sft sft (big at example.org) answered through an API: its cost is not known',
    ]);

    await bill.save();
    const copy = join(root, 'copied');
    cpSync(join(project, 'sft'), copy, { recursive: true });
    const copied = await openBill(copy, alone);
    assert.deepEqual(listHours(copied), [1, 5, 13, 15.75]);
    assert.equal(copied.findings.length, 1);
  });

  test('another price of an hour; a run that is charged by hand', async () => {
    const stated = { ...price, low: 10, middle: 10, high: 10, currency: 'EUR' };
    const charge = [join(project, 'other')];
    const { totals } = await openBill(join(root, 'copied'), { ...alone, charge, price: stated });
    assert.deepEqual(totals.own.money, [{ currency: 'EUR', low: 10, middle: 10, high: 10 }]);
    assert.equal(totals.failed.hours, 15.75 + 64);
    assert.equal(totals.failed.money[0].middle, 797.5);
  });

  test('a model from before lineages held ancestors: they are found by their weights', async () => {
    const [parent] = (await from(join(project, 'base'))).parents;
    const old = await writeRun('old/sft', {
      kind: 'sft',
      weights: hash('f'),
      parents: [{ ...parent, record: null }],
      work: null,
      flops: 0,
      at: 20,
    });
    const bill = await openBill(old, alone);
    assert.equal(bill.findings.length, 1);
    assert.match(bill.findings[0], /^the initial weights of sft sft \(base, a{12}\) have no lineage: what made them/);
    assert.deepEqual(bill.totals.own.unknown, ['the FLOPs of sft sft, which is older than the count']);
    assert.equal((await openBill(old, { ...alone, runs: project })).totals.ancestors.hours, 5);
    const later = await writeRun('old/rl', { ...(await from(old)), kind: 'rl', weights: hash('8'), at: 30 });
    assert.equal((await openBill(later, { ...alone, runs: project })).totals.ancestors.hours, 6);
  });
});

describe('what is wrong is said', () => {
  const folder = join(root, 'edited');
  const edit = (change: (lineage: Lineage) => void): void => {
    cpSync(join(root, 'copied'), folder, { recursive: true });
    const path = join(folder, 'lineage.json');
    const lineage = JSON.parse(readFileSync(path, 'utf8')) as Lineage;
    change(lineage);
    writeFileSync(path, JSON.stringify(lineage));
  };

  test('hours, ancestors and links that were changed by hand', async () => {
    edit((lineage) => Object.assign(lineage, { hours: 0.1 }));
    assert.match((await openBill(folder, alone)).findings[0], /^the lineage was changed by hand after it was written$/);
    edit((lineage) => Object.assign(lineage.ancestors.find(({ name }) => name === 'base') as object, { hours: 0.1 }));
    assert.match((await openBill(folder, alone)).findings[0], /^the record of pretrain base was changed by hand/);
    edit((lineage) => Object.assign(lineage, { ancestors: lineage.ancestors.filter(({ name }) => name !== 'base') }));
    const removed = await openBill(folder, alone);
    assert.ok(
      removed.findings.some((text) => /^the initial weights of sft edited \(base.*have no record any more/.test(text)),
    );
    await removed.save();
    assert.deepEqual((await openBill(folder, alone)).findings.length, removed.findings.length);
    edit((lineage) => Object.assign(lineage, { hours: -3 }));
    const impossible = await openBill(folder, alone);
    assert.ok(impossible.findings.includes('sft edited has impossible numbers: they are left out'));
    assert.equal(impossible.totals.own.hours, 1); // as the record of it says that a stopped run goes back to
  });

  test('a circle counts once; two records of one run count as the larger', () => {
    const plain = toRecord(toLineage({ weights: hash('a') }), 'first');
    const link = { role: 'initial weights', name: '' };
    const second = toRecord(
      toLineage({ kind: 'sft', weights: hash('b'), parents: [{ ...link, weights: hash('a'), record: null }] }),
      'second',
    );
    const first = { ...plain, parents: [{ ...link, weights: hash('b'), record: second.digest }] };
    const bill = writeBill(first, [first, second], { price: null });
    assert.deepEqual(bill.findings, ['the lineage goes in a circle at pretrain first: it counts once']);
    assert.equal(bill.totals.failed.hours, 2);
    const [early, late] = [1, 3].map((hours) => toRecord(toLineage({ hours, weights: hash(`${hours}`) }), 'base'));
    const parents = [early, late].map(({ weights, digest }) => ({ ...link, weights: weights ?? '', record: digest }));
    const both = writeBill(toRecord(toLineage({ kind: 'rl', parents }), 'rl'), [early, late], { price: null });
    assert.equal(both.totals.ancestors.hours, 4);
    assert.deepEqual(
      find(both.tree, 'base').map(({ amount }) => amount?.hours),
      [3, undefined],
    );
  });

  test('a folder without lineage', async () => {
    await assert.rejects(openBill(root, alone), /has no lineage\.json: what made it, and what that cost, is not known/);
  });
});

test('the record of a checkpoint is that of its whole run, under the weights of the checkpoint', async () => {
  const run = await writeRun('long', { weights: hash('e'), hours: 9 });
  const checkpoint = join(run, 'checkpoints/step-00000004');
  mkdirSync(checkpoint, { recursive: true });
  writeFileSync(join(checkpoint, 'model.safetensors'), 'weights');
  await writeLineage(checkpoint, toLineage({ weights: hash('d'), hours: 3 }));
  const { name, record } = await readModelOrigin(checkpoint);
  assert.deepEqual([name, record?.hours, record?.weights], ['long/step-00000004', 9, hash('d')]);
});

test('the block of a card is written again in its place', async () => {
  const folder = join(root, 'copied');
  writeFileSync(join(folder, 'README.md'), '# A model\n\nWords before.\n');
  const bill = await openBill(folder, alone);
  const path = writeCard(folder, bill);
  const once = readFileSync(path, 'utf8');
  writeFileSync(path, `${once}\nWords after.\n`);
  writeCard(folder, bill);
  assert.equal(readFileSync(path, 'utf8'), `${once}\nWords after.\n`);
  assert.match(once, /Words before\.\n\n## What it cost\n\n<!-- minke cost/);
  assert.match(once, /\| with failed runs \| 6\.00e\+2 \| 15\.8 h \| .* Wh\), estimated \| \$32 \(\$16 to \$63\) \|/);
  assert.match(describeBillTree(bill).join('\n'), /├─ initial weights: pretrain base \(10 steps\) .* 25\.4 %/);
  writeFileSync(path, once.replace('<!-- end of minke cost -->', ''));
  assert.throws(() => writeCard(folder, bill), /has one mark of the block of costs without the other/);
});
