// A run is continued with its own bits or not at all: what lineage records, what is refused, and an audit, which
// resumes a run of another instruction set on this machine. npm test -- run/computation
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Computation, examineCpu, nativeIsas, openDevice } from '../../kernels/index.ts';
import { useDevice } from '../../tensor/index.ts';
import { pretrain } from '../pretrain.ts';
import { expectSameBits } from './computation.ts';
import { type Lineage, readLineage } from './lineage.ts';
import { resolveRecipe } from './recipe.ts';
import { type Outcome, resumeRun, startRun } from './run.ts';

const root = mkdtempSync(join(tmpdir(), 'minke-computation-'));
after(() => rmSync(root, { recursive: true, force: true }));

const text = join(root, 'text.txt');
writeFileSync(text, 'the whale sings in the deep of the sea. '.repeat(400));

const recipe = resolveRecipe(pretrain, {
  model: { preset: 'nano', num_nextn_predict_layers: 0 },
  data: { inputs: [text], tokenizer: 'characters' },
  steps: 4,
  batchSize: 2,
  sequenceLength: 32,
  schedule: { warmupSteps: 1 },
  every: { evaluate: 100, save: 2 },
});

/** Runs or resumes on an instruction set. A run stops after `stopAfter` steps. */
async function run(folder: string, isa: string, stopAfter?: number): Promise<Outcome> {
  const device = openDevice({ device: 'native', isa, threads: 2 });
  useDevice(device);
  const stop = new AbortController();
  const listen = ({ event, step }: { event: string; step?: number }) => {
    if (event === 'step' && step === stopAfter) stop.abort();
  };
  const options = { folder, device, signal: stop.signal, listen };
  try {
    return readLineage(folder) === null
      ? await startRun(pretrain, recipe, options)
      : await resumeRun(pretrain, options);
  } finally {
    await device.close();
  }
}

function changeLineage(folder: string, change: (lineage: Lineage) => void): void {
  const path = join(folder, 'lineage.json');
  const lineage = JSON.parse(readFileSync(path, 'utf8')) as Lineage;
  change(lineage);
  writeFileSync(path, JSON.stringify(lineage));
}

// The run is made in software where it can be, and audited on the matrix unit where there is one.
const isas = nativeIsas();
const [first] = isas;
const own = isas.includes('tiles') ? 'tiles' : 'avx2';
const auditor = own === 'tiles' && isas.includes('amx') ? 'amx' : own;
const isThere = isas.includes(own) && first !== own;

describe('the bits of a run', { skip: !isThere && 'needs two native builds' }, () => {
  const [whole, stopped] = [join(root, 'whole'), join(root, 'stopped')];

  test('lineage and checkpoint record the arithmetic', async () => {
    assert.equal(await run(whole, own), 'completed');
    assert.equal(await run(stopped, own, 2), 'stopped');
    for (const folder of [whole, join(whole, 'checkpoints/step-00000004')]) {
      const { device, isa, lanes } = (readLineage(folder) as Lineage).computation as Computation;
      assert.deepEqual([device, isa, lanes], ['native', own, own === 'avx2' ? 8 : 16]);
    }
  });

  test('another arithmetic is refused, with what continues the bits', async () => {
    const before = readFileSync(join(stopped, 'lineage.json'), 'utf8');
    await assert.rejects(run(stopped, first === auditor ? 'avx512' : (first as string)), (error: Error) => {
      assert.match(
        error.message,
        new RegExp(`computed with \\w+ of \\d+ lanes \\(${own}\\), and this device computes`),
      );
      assert.match(error.message, /; set MINKE_(ARITHMETIC|ISA)=\w+ to continue with its bits, or start a new run/);
      return true;
    });
    assert.equal(readFileSync(join(stopped, 'lineage.json'), 'utf8'), before);
  });

  test('an audit: a run of another machine with the same arithmetic ends with the same bits', async () => {
    const audited = join(root, 'audited');
    cpSync(stopped, audited, { recursive: true });
    changeLineage(audited, ({ computation }) => Object.assign(computation as object, { isa: 'elsewhere' }));
    assert.equal(await run(audited, auditor), 'completed');
    const weights = [whole, audited].map((folder) => readLineage(folder)?.weights);
    assert.equal(weights[0], weights[1]);
    assert.equal(readLineage(audited)?.computation?.isa, 'elsewhere');
  });

  test('a run that has no record continues, with one sentence, and has one from then on', async () => {
    const old = join(root, 'old');
    cpSync(stopped, old, { recursive: true });
    changeLineage(old, (lineage) => Reflect.deleteProperty(lineage, 'computation'));
    const said: string[] = [];
    const computation = { device: 'native', isa: own, arithmetic: 'steps', lanes: 16 };
    expectSameBits(old, computation, (sentence) => said.push(sentence));
    assert.match(
      said.join(),
      /^this run is older than the record of its arithmetic: it continues with steps of 16 lanes/,
    );
    assert.equal(await run(old, own), 'completed');
    assert.equal(readLineage(old)?.computation?.isa, own);
  });

  test('what no build of this machine computes is named', { skip: examineCpu()?.isas.includes('avx512bf16') }, () => {
    const pairs = join(root, 'pairs');
    cpSync(stopped, pairs, { recursive: true });
    changeLineage(pairs, ({ computation }) =>
      Object.assign(computation as object, { isa: 'avx512bf16', arithmetic: 'pairs' }),
    );
    const computation = { device: 'native', isa: own, arithmetic: 'steps', lanes: 16 };
    assert.throws(() => expectSameBits(pairs, computation), /; resume it on a machine that runs avx512bf16, or start/);
  });
});
